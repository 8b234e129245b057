package http1

import "bytes"

// appendForwarded appends X-Forwarded-For, -Host and -Proto, and Forwarded.
// A list grows at its end, hop by hop; host and protocol are the first hop's.
func appendForwarded(dst []byte, r *Request, o *Onward, seen kinds) []byte {
	dst = append(dst, "X-Forwarded-For: "...)
	dst = appendEarlier(dst, r.Fields, seen, forwardedFor)
	dst = append(dst, o.Client...)
	dst = append(dst, "\r\n"...)
	if !seen.has(forwardedHost) && r.Host != nil {
		dst = append(dst, "X-Forwarded-Host: "...)
		dst = append(dst, r.Host...)
		dst = append(dst, "\r\n"...)
	}
	if !seen.has(forwardedProto) && o.Proto != "" {
		dst = append(dst, "X-Forwarded-Proto: "...)
		dst = append(dst, o.Proto...)
		dst = append(dst, "\r\n"...)
	}
	if !o.Forwarded {
		return dst
	}
	dst = append(dst, "Forwarded: "...)
	dst = appendEarlier(dst, r.Fields, seen, forwarded)
	dst = append(dst, "for="...)
	if bytes.IndexByte(o.Client, ':') >= 0 { // RFC 7239, section 6.1
		dst = append(dst, `"[`...)
		dst = append(dst, o.Client...)
		dst = append(dst, `]"`...)
	} else {
		dst = append(dst, o.Client...)
	}
	if r.Host != nil {
		dst = append(dst, `;host="`...) // nothing in a host needs escaping
		dst = append(dst, r.Host...)
		dst = append(dst, '"')
	}
	if o.Proto != "" {
		dst = append(dst, ";proto="...)
		dst = append(dst, o.Proto...)
	}
	return append(dst, "\r\n"...)
}

// appendVia appends one Via field: what earlier hops said, and this one. The
// version is the one in which the message was received.
func appendVia(dst []byte, fields []Field, seen kinds, minor int, name string) []byte {
	dst = append(dst, "Via: "...)
	dst = appendEarlier(dst, fields, seen, via)
	dst = append(dst, '1', '.', '0'+byte(minor), ' ')
	dst = append(dst, name...)
	return append(dst, "\r\n"...)
}

// appendEarlier appends the members that the fields of this kind have so far,
// and a comma.
func appendEarlier(dst []byte, fields []Field, seen kinds, k kind) []byte {
	if !seen.has(k) {
		return dst
	}
	for i := range fields {
		if fields[i].kind == k && len(fields[i].Value) > 0 {
			dst = append(dst, fields[i].Value...)
			dst = append(dst, ", "...)
		}
	}
	return dst
}
