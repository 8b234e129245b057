package http1

import "strconv"

// Back is how responses are sent back to a client.
type Back struct {
	Name string // as in Onward
	// Date is for responses without one (RFC 9110, section 6.6.1). nil: none
	// is added.
	Date []byte
	// Minor is that of the request's version. A client of HTTP/1.0 knows no
	// chunks: set Response.Body to UntilClose if it is Chunked.
	Minor int
	// Close: the connection to the client ends with this response.
	// It always does if the body is UntilClose.
	Close bool
}

// AppendResponse appends r's head, as it goes to the client, to dst.
// Of r it uses Status, Reason, Fields, Body and Upgrade, all of which may have
// been changed.
func AppendResponse(dst []byte, r *Response, o *Back) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, ' ')
	dst = append(dst, r.Reason...)
	dst = append(dst, "\r\n"...)
	drop := notSent
	if o.Name != "" {
		drop |= of(via)
	}
	dst = appendFields(dst, r.Fields, drop)
	if o.Name != "" {
		dst = appendVia(dst, r.Fields, r.section.seen, r.Minor, o.Name)
	}
	if r.Status < 200 {
		return append(appendConnection(dst, r.Upgrade, false, false), "\r\n"...)
	}
	if o.Date != nil && !r.section.seen.has(date) {
		dst = append(dst, "Date: "...)
		dst = append(dst, o.Date...)
		dst = append(dst, "\r\n"...)
	}
	f := r.Body
	if f.Kind == NoBody && f.Length >= 0 {
		f.Kind = Length // of what GET would have got
	}
	dst = appendFraming(dst, f)
	closes := o.Close || f.Kind == UntilClose
	if !closes && o.Minor == 0 {
		dst = append(dst, "Connection: keep-alive\r\n"...)
	}
	return append(appendConnection(dst, r.Upgrade, closes, false), "\r\n"...)
}

// AppendChunk appends data, which must not be empty, as one chunk.
func AppendChunk(dst, data []byte) []byte {
	dst = AppendChunkSize(dst, len(data))
	dst = append(dst, data...)
	return append(dst, "\r\n"...)
}

// AppendChunkSize appends what comes before n > 0 bytes of data; CRLF comes
// after them.
func AppendChunkSize(dst []byte, n int) []byte {
	dst = strconv.AppendInt(dst, int64(n), 16)
	return append(dst, "\r\n"...)
}

// notTrailer are fields that mean something before the body or not at all:
// framing, routing, authentication, what changes how a message is processed
// (RFC 9110, section 6.5.1), and the word of a client about where it is.
var notTrailer = notSent | notBelieved | of(trailer, expect, maxForwards, via, traceparent, tracestate, date, early)

// AppendLastChunk ends a chunked body. Of the trailer fields it leaves out
// those that may not be any.
func AppendLastChunk(dst []byte, trailer []Field) []byte {
	dst = append(dst, "0\r\n"...)
	dst = appendFields(dst, trailer, notTrailer)
	return append(dst, "\r\n"...)
}
