package http1

import "strconv"

// Onward is how requests are sent on to a node.
type Onward struct {
	// Name is what the proxy is called in Via (RFC 9110, section 7.6.3).
	// Empty: it does not say that it was here.
	Name string
	// Client is the IP address that the request comes from, as text. nil:
	// nothing is said about it.
	Client []byte
	Proto  string // "http" or "https", as the client used it
	// Trusted: the client is a proxy whose Forwarded and X-Forwarded-* fields
	// are believed: they are completed. If it is not, they are replaced.
	Trusted bool
	// Forwarded: the field of RFC 7239 is written, and not only X-Forwarded-*.
	Forwarded bool
	// Host is for requests that have none, as HTTP/1.0 allows; a node must be
	// told one.
	Host []byte
	// Random is 24 random bytes for the traceparent of a request that has
	// none. nil: none is made.
	Random *[24]byte
	// Sampled: a traceparent that is made asks for the trace to be recorded.
	Sampled bool
	// Close: the connection to the node is not used again.
	Close bool
}

// notSent are fields that are for one hop only (RFC 9110, section 7.6.1), that
// are written from what was understood of them, or that look like one of
// these to somebody.
var notSent = of(alias, host, contentLength, transferEncoding, connection, keepAlive, proxyConnection, te, upgrade, proxyAuth)

// notBelieved are the word of somebody who is not trusted.
var notBelieved = of(forwarded, forwardedFor, forwardedHost, forwardedProto, forwardedMore)

// AppendRequest appends r's head, as it goes to a node, to dst.
// Of r it uses Method, Path, Query, Host, Fields, Body, Expect100, Upgrade,
// Trailers and MaxForwards, all of which may have been changed.
func AppendRequest(dst []byte, r *Request, o *Onward) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Path...)
	if r.Query != nil {
		dst = append(dst, '?')
		dst = append(dst, r.Query...)
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	if r.Host == nil {
		dst = append(dst, o.Host...)
	} else {
		dst = append(dst, r.Host...)
	}
	dst = append(dst, "\r\n"...)

	seen, drop := r.section.seen, notSent|of(expect)
	switch {
	case !o.Trusted:
		drop |= notBelieved
		seen &^= notBelieved
	case o.Client != nil && o.Forwarded:
		drop |= of(forwardedFor, forwarded)
	case o.Client != nil:
		drop |= of(forwardedFor)
	}
	if o.Name != "" {
		drop |= of(via)
	}
	traced := r.isTraced()
	if !traced {
		drop |= of(traceparent, tracestate)
	}
	if r.MaxForwards >= 0 {
		drop |= of(maxForwards)
	}
	dst = appendFields(dst, r.Fields, drop)

	if r.MaxForwards > 0 {
		dst = append(dst, "Max-Forwards: "...)
		dst = strconv.AppendInt(dst, int64(r.MaxForwards-1), 10)
		dst = append(dst, "\r\n"...)
	}
	if r.Expect100 {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	if o.Client != nil {
		dst = appendForwarded(dst, r, o, seen)
	}
	if o.Name != "" {
		dst = appendVia(dst, r.Fields, seen, r.Minor, o.Name)
	}
	if !traced && o.Random != nil {
		dst = appendTraceparent(dst, o.Random, o.Sampled)
	}
	dst = appendFraming(dst, r.Body)
	return append(appendConnection(dst, r.Upgrade, o.Close, r.Trailers), "\r\n"...)
}

// appendFields appends the fields that are neither of these kinds nor
// nominated by the Connection field.
func appendFields(dst []byte, fields []Field, drop kinds) []byte {
	for i := range fields {
		f := &fields[i]
		k := f.kind
		if k == unknown {
			k = kindOf(f.Name) // put there by somebody else
		}
		if drop.has(k) || f.nominated || len(f.Name) == 0 {
			continue
		}
		dst = append(dst, f.Name...)
		dst = append(dst, ": "...)
		dst = append(dst, f.Value...)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func appendFraming(dst []byte, f Framing) []byte {
	switch f.Kind {
	case Chunked:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	case Length:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, f.Length, 10)
		return append(dst, "\r\n"...)
	}
	return dst
}

func appendConnection(dst, upgrade []byte, closes, te bool) []byte {
	if te {
		dst = append(dst, "TE: trailers\r\n"...)
	}
	if upgrade != nil {
		dst = append(dst, "Upgrade: "...)
		dst = append(dst, upgrade...)
		dst = append(dst, "\r\n"...)
	}
	options := [...]struct {
		is   bool
		name string
	}{{closes, "close"}, {te, "TE"}, {upgrade != nil, "Upgrade"}}
	separator := "Connection: "
	for i := range options {
		if options[i].is {
			dst = append(dst, separator...)
			dst = append(dst, options[i].name...)
			separator = ", "
		}
	}
	if separator == ", " {
		dst = append(dst, "\r\n"...)
	}
	return dst
}
