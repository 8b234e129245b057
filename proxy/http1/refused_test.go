package http1

import (
	"errors"
	"strings"
	"testing"
)

// tight are limits that short messages reach.
var tight = Limits{Line: 64, Head: 256, Fields: 8, ChunkExt: 16, Trailer: 64}

// get is a request with these field lines, of which there must be one, besides Host.
func get(lines ...string) string {
	return "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

var refusedRequests = []struct {
	why, in string
	err     *Error
}{
	// The start line: RFC 9112, section 3.
	{"two spaces are two elements to some", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", errRequestLine},
	{"a space in the target moves the version", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", errVersion},
	{"a space at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", errVersion},
	{"a tab is no space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", errRequestLine},
	{"HTTP/0.9 has no fields and no framing", "GET /\r\n\r\n", errRequestLine},
	{"no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", errRequestLine},
	{"nor has CONNECT one", "CONNECT  HTTP/1.0\r\n\r\n", errRequestLine},
	{"no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", errMethod},
	{"the method is a token: 9110, 9.1", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", errRequestLine},
	{"TLS on the plain port is known by its first byte", "\x16\x03\x01", errMethod},
	{"a second empty line: 9112, 2.2, takes one", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", errMethod},
	{"a bare CR is no empty line", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", errMethod},
	{"a bare LF is no empty line", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", errMethod},
	{"the start line ends in LF alone", "GET / HTTP/1.1\nHost: a\r\n\r\n", errBareLF},
	{"a CR within the start line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"a CR before the line end", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", errVersion},
	{"white space before the first field: 9112, 2.2", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", errFold},

	// The version: 9112, 2.3; 9110, 15.6.6.
	{"names are case-sensitive", "GET / http/1.1\r\nHost: a\r\n\r\n", errVersion},
	{"one digit each", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", errVersion},
	{"one digit each", "GET / HTTP/01.1\r\nHost: a\r\n\r\n", errVersion},
	{"a comma", "GET / HTTP/1,1\r\nHost: a\r\n\r\n", errVersion},
	{"another protocol", "GET / ICAP/1.0\r\nHost: a\r\n\r\n", errVersion},
	{"HTTP/2 does not begin like this", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", errUnsupported},
	{"its preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errUnsupported},
	{"there is no 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", errUnsupported},
	{"0.9 in disguise", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", errUnsupported},

	// The target: 9112, 3.2.
	{"authority-form is CONNECT's, which opens tunnels: 9110, 9.3.6", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", errConnect},
	{"authority-form with another method", "GET a:443 HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"asterisk-form with another method", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"a path without its slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"a fragment stays with the client", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"NUL", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"bytes over 0x7f must be escaped", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"half an escape", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"no escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"no host", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"user information hides the host: 9110, 4.2.4", "GET http://b@a/ HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},
	{"a scheme alone", "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", errTarget},

	// Host: 9112, 3.2; 9110, 7.2.
	{"HTTP/1.1 must have one", "GET / HTTP/1.1\r\n\r\n", errNoHost},
	{"also with absolute-form", "GET http://a/ HTTP/1.1\r\n\r\n", errNoHost},
	{"two", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", errTwoHosts},
	{"two that are equal", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", errTwoHosts},
	{"two in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", errTwoHosts},
	{"an http URI has a host: 9110, 4.2.1", "GET / HTTP/1.1\r\nHost: \r\n\r\n", errHost},
	{"two in one", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", errHost},
	{"two in one", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", errHost},
	{"a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", errHost},
	{"user information", "GET / HTTP/1.1\r\nHost: b@a\r\n\r\n", errHost},
	{"white space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", errHost},
	{"a port alone", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", errHost},
	{"a port that is none", "GET / HTTP/1.1\r\nHost: a:80a\r\n\r\n", errHost},
	{"a port that is too high", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", errHost},
	{"two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", errHost},
	{"an address that is none", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", errHost},
	{"an address that is none", "GET / HTTP/1.1\r\nHost: [1::2::3]\r\n\r\n", errHost},
	{"something after the address", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n", errHost},
	{"bad even if absolute-form makes it void", "GET http://a/ HTTP/1.1\r\nHost: b c\r\n\r\n", errHost},

	// Field lines: 9112, 5; 9110, 5.
	{"a folded line is another field to some: 9112, 5.2", get("A: b", " c: d"), errFold},
	{"folded with a tab", get("A: b", "\tc"), errFold},
	{"a space before the colon makes another name: 9112, 5.1", get("Transfer-Encoding : chunked"), errFieldSpace},
	{"a tab before it", get("A\t: b"), errFieldSpace},
	{"no name", get(": b"), errFieldName},
	{"no colon", get("A"), errFieldName},
	{"a line of white space", get(" "), errFold},
	{"a name is a token: 9110, 5.6.2", get("A(b): c"), errFieldName},
	{"a quote", get("\"A\": b"), errFieldName},
	{"NUL in a name", get("A\x00: b"), errFieldName},
	{"bytes over 0x7f in a name", get("\xc3\xa4: b"), errFieldName},
	{"NUL in a value: 9110, 5.5", get("A: b\x00c"), errFieldValue},
	{"a control character", get("A: b\x1bc"), errFieldValue},
	{"DEL", get("A: b\x7f"), errFieldValue},
	{"a control character far in", get("A: " + strings.Repeat("x", 37) + "\x01"), errFieldValue},
	{"DEL far in", get("A: " + strings.Repeat("x", 37) + "\x7f" + strings.Repeat("x", 37)), errFieldValue},
	{"a bare CR in a value: 9112, 2.2", get("A: b\rc: d"), errFieldValue},
	{"a CR before the line end", get("A: b\r"), errFieldValue},
	{"a bare LF: 9112, 2.2", get("A: b\nTransfer-Encoding: chunked"), errBareLF},
	{"the head ends in a bare LF", "GET / HTTP/1.1\r\nHost: a\r\n\n", errBareLF},
	{"the head ends in bare LFs", "GET / HTTP/1.1\r\nHost: a\n\n", errBareLF},
	{"a line of CR alone", "GET / HTTP/1.1\r\nHost: a\r\n\rA: b\r\n\r\n", errFieldName},

	// Framing: 9112, 6.
	{"both: who takes which? 6.1", get("Content-Length: 5", "Transfer-Encoding: chunked"), errBothFramings},
	{"both, the other way around", get("Transfer-Encoding: chunked", "Content-Length: 5"), errBothFramings},
	{"both, one of them empty", get("Transfer-Encoding:", "Content-Length: 5"), errBothFramings},
	{"two lengths: 6.3", get("Content-Length: 5", "Content-Length: 6"), errTwoLengths},
	{"two that are equal may be refused, and nobody needs them", get("Content-Length: 5", "Content-Length: 5"), errTwoLengths},
	{"a list: 9110, 8.6, may be refused", get("Content-Length: 5, 5"), errLength},
	{"a sign", get("Content-Length: +5"), errLength},
	{"negative", get("Content-Length: -1"), errLength},
	{"hexadecimal", get("Content-Length: 0x5"), errLength},
	{"underscores are Go's", get("Content-Length: 1_0"), errLength},
	{"a fraction", get("Content-Length: 5.0"), errLength},
	{"nothing", get("Content-Length:"), errLength},
	{"white space within", get("Content-Length: 1 0"), errLength},
	{"over an int64, which wraps elsewhere: 9110, 8.6", get("Content-Length: 9223372036854775808"), errLongBody},
	{"over an uint64", get("Content-Length: 18446744073709551621"), errLongBody},
	{"too large and then malformed", get("Content-Length: 18446744073709551621x"), errLength},
	{"chunked is not last: the end cannot be found, 6.3", get("Transfer-Encoding: chunked, gzip"), errCoding},
	{"chunked twice: 6.1", get("Transfer-Encoding: chunked, chunked"), errCoding},
	{"chunked in two lines", get("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), errCoding},
	{"a coding in a second line", get("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), errCoding},
	{"no chunked at all: 6.3", get("Transfer-Encoding: gzip"), errCoding},
	{"identity is long gone", get("Transfer-Encoding: identity"), errCoding},
	{"something like chunked", get("Transfer-Encoding: xchunked"), errCoding},
	{"chunked has no parameters: 7", get("Transfer-Encoding: chunked;q=1"), errCoding},
	{"quoted", get("Transfer-Encoding: \"chunked\""), errCoding},
	{"an empty member", get("Transfer-Encoding: , chunked"), errCoding},
	{"a vertical tab is no white space", get("Transfer-Encoding: \x0bchunked"), errFieldValue},
	{"empty", get("Transfer-Encoding:"), errCoding},
	{"a coding that we do not know, chunked last: 501 by 6.1", get("Transfer-Encoding: gzip, chunked"), errUnknownCoding},
	{"HTTP/1.0 has no codings: 6.1", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", errCodingIn10},

	// The rest of 9110.
	{"another expectation: 10.1.1", get("Expect: 200-ok", "Content-Length: 5"), errExpectation},
	{"two expectations", get("Expect: 100-continue", "Expect: 100-continue"), errExpectation},
	{"Connection lists tokens: 7.6.1", get("Connection: clo se"), errConnection},
	{"it would take the framing away", get("Connection: Content-Length", "Content-Length: 5"), errNomination},
	{"the other framing", get("Connection: keep-alive, transfer-encoding", "Transfer-Encoding: chunked"), errNomination},
	{"the host", get("Connection: Host"), errNomination},
	{"who the client is", get("Connection: X-Forwarded-For"), errNomination},
	{"the same to a node behind CGI", get("Connection: X_Forwarded_For"), errNomination},
	{"each option is compared with each field", get("Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"), errManyOptions},
	{"TRACE has no body: 9.3.8", "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", errTraceBody},
	{"Max-Forwards is a number: 7.6.2", "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n", errMaxForwards},
	{"and one", "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 1\r\nMax-Forwards: 0\r\n\r\n", errMaxForwards},

	// Limits: 9112, 3 (414); RFC 6585, 5 (431).
	{"a long start line", "GET /" + strings.Repeat("a", 51) + " HTTP/1.1\r\nHost: a\r\n\r\n", errLongLine},
	{"a long start line without an end", "GET /" + strings.Repeat("a", 61), errLongLine},
	{"a long method", strings.Repeat("A", 66), errLongLine},
	{"a long head", get("A: "+strings.Repeat("b", 230), "C: d"), errLongHead},
	{"one byte longer than may be", get("A: " + strings.Repeat("b", 257-len(get("A: ")))), errLongHead},
	{"a long head without an end", "GET / HTTP/1.1\r\n" + strings.Repeat("A: bcdefgh\r\n", 20), errLongHead},
	{"many fields", get("A: b", "A: b", "A: b", "A: b", "A: b", "A: b", "A: b", "A: b"), errManyFields},
}

func TestRefusedRequests(t *testing.T) {
	for _, c := range refusedRequests {
		var r Request
		n, err := r.Parse([]byte(c.in), &tight)
		if n != 0 || !errors.Is(err, c.err) {
			t.Errorf("%s: %q\n%d bytes, error %v, want %v", c.why, c.in, n, err, c.err)
		}
		sameSplit(t, c.in, requestIn)
	}
}

var refusedResponses = []struct {
	why, in, method string
	reason          *Error // whose text is given, with 502
}{
	{"another protocol", "ICY 200 OK\r\n\r\n", "GET", errStatusLine},
	{"a body that was not announced is in the way", "xHTTP/1.1 200 OK\r\n\r\n", "GET", errStatusLine},
	{"an empty line before it", "\r\nHTTP/1.1 200 OK\r\n\r\n", "GET", errStatusLine},
	{"no version", "HTTP 200 OK\r\n\r\n", "GET", errStatusLine},
	{"two spaces", "HTTP/1.1  200 OK\r\n\r\n", "GET", errStatusLine},
	{"a tab", "HTTP/1.1\t200 OK\r\n\r\n", "GET", errStatusLine},
	{"no status", "HTTP/1.1 \r\n\r\n", "GET", errStatusLine},
	{"two digits", "HTTP/1.1 20 OK\r\n\r\n", "GET", errStatusLine},
	{"four digits", "HTTP/1.1 2000 OK\r\n\r\n", "GET", errStatusLine},
	{"a sign", "HTTP/1.1 +20 OK\r\n\r\n", "GET", errStatusLine},
	{"a control character in the phrase", "HTTP/1.1 200 O\x01K\r\n\r\n", "GET", errStatusLine},
	{"a CR in the phrase", "HTTP/1.1 200 O\rK\r\n\r\n", "GET", errStatusLine},
	{"under 100: 9110, 15", "HTTP/1.1 099 No\r\n\r\n", "GET", errStatus},
	{"over 599", "HTTP/1.1 600 No\r\n\r\n", "GET", errStatus},
	{"HTTP/2", "HTTP/2.0 200 OK\r\n\r\n", "GET", errUnsupported},
	{"bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "GET", errBareLF},
	{"folded", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "GET", errFold},
	{"a space before the colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", "GET", errFieldSpace},
	{"NUL", "HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", "GET", errFieldValue},
	{"two lengths: 9112, 6.3", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "GET", errTwoLengths},
	{"a list", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", "GET", errLength},
	{"malformed", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\n", "GET", errLength},
	{"both framings", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", errBothFramings},
	{"both framings of nothing", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", errBothFramings},
	{"a coding that we do not know", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "GET", errUnknownCoding},
	{"chunked is not last", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "GET", errCoding},
	{"HTTP/1.0 has no codings", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", errCodingIn10},
	{"204 has no length: 9110, 8.6", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "GET", errFramedEmpty},
	{"204 has no coding: 9112, 6.1", "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", errFramedEmpty},
	{"nor has 1xx", "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", "GET", errFramedEmpty},
	{"101 says to what: 9110, 15.2.2", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", "GET", errSwitch},
	{"Upgrade needs Connection: 7.8", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "GET", errSwitch},
	{"to one", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: a, b\r\n\r\n", "GET", errSwitch},
	{"the framing is nominated", "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\n", "GET", errNomination},
	{"a long status line", "HTTP/1.1 200 " + strings.Repeat("a", 64), "GET", errLongLine},
	{"a long head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: bcdefgh\r\n", 20), "GET", errLongHead},
}

func TestRefusedResponses(t *testing.T) {
	for _, c := range refusedResponses {
		var r Response
		n, err := r.Parse([]byte(c.in), &tight, []byte(c.method))
		var e *Error
		if n != 0 || !errors.As(err, &e) || e.Status != 502 || e.Reason != c.reason.Reason {
			t.Errorf("%s: %q\n%d bytes, error %+v, want 502 %v", c.why, c.in, n, err, c.reason)
		}
		sameSplit(t, c.in, responseTo(c.method))
	}
}
