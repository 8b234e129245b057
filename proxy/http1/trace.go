package http1

import "encoding/hex"

// traceparentLen is the length of version 00: 2 hex digits of the version, 32
// of the trace, 16 of the parent, 2 of flags (W3C Trace Context, section 3.2).
const traceparentLen = 2 + 1 + 32 + 1 + 16 + 1 + 2

// isTraced tells whether the request belongs to a trace already. Several
// traceparents are as good as none.
func (r *Request) isTraced() bool {
	s := &r.section
	if !s.seen.has(traceparent) || s.twice.has(traceparent) {
		return false
	}
	f := &r.Fields[s.at[traceparent]]
	return !f.nominated && isTraceparent(f.Value)
}

// isTraceparent tells whether a traceparent is worth passing on. Later
// versions may be longer.
func isTraceparent(b []byte) bool {
	if len(b) < traceparentLen || b[2] != '-' || b[35] != '-' || b[52] != '-' {
		return false
	}
	version := b[:2]
	switch {
	case !isLowerHex(version) || string(version) == "ff":
		return false
	case string(version) == "00" && len(b) > traceparentLen, len(b) > traceparentLen && b[traceparentLen] != '-':
		return false
	}
	return isID(b[3:35]) && isID(b[36:52]) && isLowerHex(b[53:55])
}

func isLowerHex(b []byte) bool {
	for _, c := range b {
		if !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isID: all zeros are no ID.
func isID(b []byte) bool {
	for _, c := range b {
		if c != '0' {
			return isLowerHex(b)
		}
	}
	return false
}

// appendTraceparent begins a trace.
func appendTraceparent(dst []byte, random *[24]byte, sampled bool) []byte {
	dst = append(dst, "traceparent: 00-"...)
	dst = hex.AppendEncode(dst, random[:16])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, random[16:])
	if sampled {
		return append(dst, "-01\r\n"...)
	}
	return append(dst, "-00\r\n"...)
}
