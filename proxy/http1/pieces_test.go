package http1

import (
	"bytes"
	"testing"
)

// pieces are what messages are made of, and what attacks are made of. Bytes
// alone hardly ever become a message with two Content-Lengths.
var pieces = []string{
	"GET / HTTP/1.1\r\nHost: a\r\n", "HTTP/1.1 200 OK\r\n", "\r\n", "\r\n\r\n", ": ", ":", ",", " ", "\t", ";", "=",
	"GET", "HEAD", "POST", "OPTIONS", "TRACE", "CONNECT", "/", "*", "?", "%41", "%", "#", "http://", "b", "a:80", "[::1]", "@",
	" HTTP/1.0\r\n", " HTTP/1.1\r\n", "HTTP/1.0 ", "HTTP/1.1 ", "100", "101", "204", "304", "426", " OK\r\n",
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "TE", "Trailer", "Via", "Forwarded", "X-Forwarded-For",
	"X-Forwarded-Port", "Content_Length", "Max-Forwards", "Keep-Alive", "Proxy-Connection", "traceparent", "A-B", "Cookie", "Pragma",
	"chunked", "gzip", "close", "keep-alive", "upgrade", "websocket", "h2c", "100-continue", "trailers", "no-cache",
	"0", "5", "00", "9223372036854775807", "-", "+", "x", "\r", "\n", "\x00", "\x0b", "\x7f", "\xff", "\"", trace,
}

// assemble puts one piece after another, as the bytes say.
func assemble(which []byte) []byte {
	var b []byte
	for _, i := range which {
		b = append(b, pieces[int(i)%len(pieces)]...)
	}
	return b
}

// FuzzPieces does what FuzzRequest, FuzzResponse and FuzzRoundTrip do, with
// messages that are assembled.
func FuzzPieces(f *testing.F) {
	index := make(map[string]byte)
	for i, p := range pieces {
		index[p] = byte(i)
	}
	for _, message := range [][]string{
		{"GET / HTTP/1.1\r\nHost: a\r\n", "Content-Length", ": ", "5", "\r\n", "Connection", ": ", "close", ",", "A-B", "\r\n\r\n"},
		{"GET / HTTP/1.1\r\nHost: a\r\n", "Transfer-Encoding", ":", "chunked", "\r\n", "Trailer", ":", "x", "\r\n\r\n"},
		{"OPTIONS", " ", "http://", "a:80", " HTTP/1.1\r\n", "Host", ":", "b", "\r\n", "Max-Forwards", ": ", "5", "\r\n\r\n"},
		{"HTTP/1.1 200 OK\r\n", "Content-Length", ": ", "5", "\r\n", "Via", ": ", "x", "\r\n\r\n"},
		{"HTTP/1.1 ", "101", " OK\r\n", "Connection", ":", "upgrade", "\r\n", "Upgrade", ":", "websocket", "\r\n\r\n"},
	} {
		var which []byte
		for _, p := range message {
			which = append(which, index[p])
		}
		f.Add(which, uint8(0))
		f.Add(which, uint8(63))
	}
	f.Fuzz(func(t *testing.T, which []byte, options uint8) {
		if len(which) > 40 {
			return
		}
		in := assemble(which)
		if bytes.HasPrefix(in, []byte("HTTP")) {
			compareResponse(t, in, options)
			roundTripResponse(t, in, options)
			return
		}
		compareRequest(t, in)
		if len(in) <= 512 {
			roundTripRequest(t, in, options)
		}
	})
}
