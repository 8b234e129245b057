package http1

import "bytes"

// kind classifies a field by its name, so that names are compared once.
type kind uint8

const (
	unknown kind = iota // not looked up yet
	plain               // nothing that this package cares for
	alias               // reads like one of the others if _ is taken for -
	host
	contentLength
	transferEncoding
	connection
	keepAlive // also Close, which is no field but reserved: as an option it means something else (RFC 9112, section 9.6)
	proxyConnection
	te
	trailer
	upgrade
	expect
	maxForwards
	proxyAuth // Proxy-Authenticate, Proxy-Authorization, Proxy-Authentication-Info
	via
	forwarded
	forwardedFor   // X-Forwarded-For
	forwardedHost  // X-Forwarded-Host
	forwardedProto // X-Forwarded-Proto
	forwardedMore  // X-Forwarded-*, X-Real-IP
	traceparent
	tracestate
	date
	early // must be known before the body: never in a trailer section
)

// kinds is a set of kinds.
type kinds uint64

func of(members ...kind) (s kinds) {
	for _, k := range members {
		s |= 1 << k
	}
	return s
}

func (s kinds) has(k kind) bool { return s>>k&1 != 0 }

// kindOf looks a name up. It is decided by the length, and then by at most a
// few comparisons.
func kindOf(name []byte) kind {
	if bytes.IndexByte(name, '_') >= 0 {
		return kindOfAlias(name)
	}
	return kindOfExact(name)
}

// kindOfAlias guards nodes behind CGI and its kin, to which Content_Length and
// Content-Length are the same variable.
func kindOfAlias(name []byte) kind {
	var hyphened [32]byte
	n := copy(hyphened[:], name) // no known name is as long
	for i, c := range hyphened[:n] {
		if c == '_' {
			hyphened[i] = '-'
		}
	}
	if k := kindOfExact(hyphened[:n]); k != plain && k != early {
		return alias
	}
	return plain
}

func kindOfExact(name []byte) kind {
	switch len(name) {
	case 2:
		return one(name, "te", te)
	case 3:
		return first(name, "via", via, "age", early)
	case 4:
		if equalFold(name, "host") {
			return host
		}
		return first(name, "date", date, "vary", early)
	case 5:
		return first(name, "range", early, "close", keepAlive)
	case 6:
		if equalFold(name, "cookie") {
			return early
		}
		return first(name, "expect", expect, "pragma", early)
	case 7:
		if equalFold(name, "upgrade") {
			return upgrade
		}
		if equalFold(name, "trailer") {
			return trailer
		}
		return first(name, "expires", early, "warning", early)
	case 8:
		if equalFold(name, "location") {
			return early
		}
		return first(name, "if-match", early, "if-range", early)
	case 9:
		return first(name, "forwarded", forwarded, "x-real-ip", forwardedMore)
	case 10:
		if equalFold(name, "connection") {
			return connection
		}
		if equalFold(name, "keep-alive") {
			return keepAlive
		}
		if equalFold(name, "tracestate") {
			return tracestate
		}
		return one(name, "set-cookie", early)
	case 11:
		if equalFold(name, "traceparent") {
			return traceparent
		}
		return one(name, "retry-after", early)
	case 12:
		if equalFold(name, "max-forwards") {
			return maxForwards
		}
		return one(name, "content-type", early)
	}
	return kindOfLong(name)
}

func kindOfLong(name []byte) kind {
	if len(name) > 12 && name[0]|0x20 == 'x' && equalFold(name[:12], "x-forwarded-") {
		return kindOfForwarded(name[12:])
	}
	switch len(name) {
	case 13:
		if equalFold(name, "authorization") || equalFold(name, "cache-control") {
			return early
		}
		return first(name, "content-range", early, "if-none-match", early)
	case 14:
		return one(name, "content-length", contentLength)
	case 16:
		if equalFold(name, "proxy-connection") {
			return proxyConnection
		}
		return first(name, "content-encoding", early, "www-authenticate", early)
	case 17:
		return first(name, "transfer-encoding", transferEncoding, "if-modified-since", early)
	case 18:
		return one(name, "proxy-authenticate", proxyAuth)
	case 19:
		if equalFold(name, "proxy-authorization") {
			return proxyAuth
		}
		return first(name, "if-unmodified-since", early, "authentication-info", early)
	case 25:
		return one(name, "proxy-authentication-info", proxyAuth)
	}
	return plain
}

func kindOfForwarded(rest []byte) kind {
	switch {
	case equalFold(rest, "for"):
		return forwardedFor
	case equalFold(rest, "host"):
		return forwardedHost
	case equalFold(rest, "proto"):
		return forwardedProto
	}
	return forwardedMore
}

func one(name []byte, a string, ka kind) kind { return first(name, a, ka, a, ka) }

func first(name []byte, a string, ka kind, b string, kb kind) kind {
	if equalFold(name, a) {
		return ka
	}
	if equalFold(name, b) {
		return kb
	}
	return plain
}
