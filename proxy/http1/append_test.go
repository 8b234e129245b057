package http1

import (
	"strings"
	"testing"
)

const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestAppendRequest(t *testing.T) {
	client := Onward{Client: []byte("192.0.2.1"), Proto: "http"}
	trusted := Onward{Client: []byte("192.0.2.1"), Proto: "http", Trusted: true, Forwarded: true}
	for _, c := range []struct {
		why, in string
		o       Onward
		want    string // lines that are separated by |
	}{
		{"nothing is added that was not asked for", get("A:  b "), Onward{}, "GET / HTTP/1.1|Host: a|A: b"},
		{"hop-by-hop fields stay: 9110, 7.6.1", get("Keep-Alive: timeout=5", "Proxy-Connection: close", "TE: gzip", "Upgrade: a", "Connection: close", "Proxy-Authorization: b", "Accept: c"), Onward{},
			"GET / HTTP/1.1|Host: a|Accept: c"},
		{"what the Connection field names stays as well", get("Connection: A-b, close", "a-B: c", "A-Bc: d", "a-b: e"), Onward{}, "GET / HTTP/1.1|Host: a|A-Bc: d"},
		{"also the client's own credentials, if it wants so", get("Connection: cookie", "Cookie: a"), Onward{}, "GET / HTTP/1.1|Host: a"},
		{"Close is the name of an option: 9112, 9.6", get("Close: b", "Accept: c"), Onward{Close: true}, "GET / HTTP/1.1|Host: a|Accept: c|Connection: close"},
		{"names that are other names to CGI", get("Content_Length: 5", "Transfer_encoding: chunked", "X-Forwarded_For: b", "Con_tent-Length: c"), Onward{}, "GET / HTTP/1.1|Host: a|Con_tent-Length: c"},
		{"absolute-form becomes origin-form", "GET http://b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n", Onward{}, "GET /c?d HTTP/1.1|Host: b:80"},
		{"asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 5\r\n\r\n", Onward{}, "OPTIONS * HTTP/1.1|Host: a|Max-Forwards: 4"},
		{"other methods' hops are not counted", get("Max-Forwards: 5"), Onward{}, "GET / HTTP/1.1|Host: a|Max-Forwards: 5"},
		{"an empty query", "GET /? HTTP/1.1\r\nHost: a\r\n\r\n", Onward{}, "GET /? HTTP/1.1|Host: a"},
		{"HTTP/1.0 goes on as 1.1: 9110, 2.5", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Onward{Name: "x", Host: []byte("n:1")}, "GET / HTTP/1.1|Host: n:1|Via: 1.0 x"},
		{"a length, written anew", get("Content-Length: 005"), Onward{}, "GET / HTTP/1.1|Host: a|Content-Length: 5"},
		{"a length of 0 is kept", get("Content-Length: 0"), Onward{}, "GET / HTTP/1.1|Host: a|Content-Length: 0"},
		{"chunked, written anew", get("Trailer: A", "transfer-ENCODING:\tchunked "), Onward{}, "GET / HTTP/1.1|Host: a|Trailer: A|Transfer-Encoding: chunked"},
		{"an expectation", get("Expect: 100-CONTINUE", "Content-Length: 5"), Onward{}, "GET / HTTP/1.1|Host: a|Expect: 100-continue|Content-Length: 5"},
		{"an idle expectation", get("Expect: 100-continue"), Onward{}, "GET / HTTP/1.1|Host: a"},
		{"an upgrade", get("Connection: Upgrade, HTTP2-Settings", "Upgrade: websocket", "HTTP2-Settings: a"), Onward{}, "GET / HTTP/1.1|Host: a|Upgrade: websocket|Connection: Upgrade"},
		{"all options", get("Connection: Upgrade, TE", "Upgrade: websocket", "TE: trailers"), Onward{Close: true}, "GET / HTTP/1.1|Host: a|TE: trailers|Upgrade: websocket|Connection: close, TE, Upgrade"},

		{"Via grows: 9110, 7.6.3", get("Via: 1.0 b", "A: c", "Via: 1.1 d (e), 1.1 f"), Onward{Name: "x"}, "GET / HTTP/1.1|Host: a|A: c|Via: 1.0 b, 1.1 d (e), 1.1 f, 1.1 x"},
		{"without a name Via is as it was", get("Via: 1.0 b", "Via: 1.1 d"), Onward{}, "GET / HTTP/1.1|Host: a|Via: 1.0 b|Via: 1.1 d"},

		{"who the client is", get("A: b"), client, "GET / HTTP/1.1|Host: a|A: b|X-Forwarded-For: 192.0.2.1|X-Forwarded-Host: a|X-Forwarded-Proto: http"},
		{"what a client says of itself is replaced", get("X-Forwarded-For: 1.1.1.1", "X-Forwarded-Host: b", "X-Forwarded-Proto: c", "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /", "X-Real-IP: 1.1.1.1", "Forwarded: for=1.1.1.1"), client,
			"GET / HTTP/1.1|Host: a|X-Forwarded-For: 192.0.2.1|X-Forwarded-Host: a|X-Forwarded-Proto: http"},
		{"or taken out", get("X-Forwarded-For: 1.1.1.1", "Forwarded: for=1.1.1.1"), Onward{}, "GET / HTTP/1.1|Host: a"},
		{"what a trusted hop says is completed", get("X-Forwarded-For: 1.1.1.1", "X-Forwarded-Host: b", "X-Forwarded-For: 2.2.2.2", "X-Forwarded-Proto: https", "X-Forwarded-Port: 1", "X-Real-IP: 1.1.1.1", "Forwarded: for=1.1.1.1", "Forwarded: for=2.2.2.2"), trusted,
			"GET / HTTP/1.1|Host: a|X-Forwarded-Host: b|X-Forwarded-Proto: https|X-Forwarded-Port: 1|X-Real-IP: 1.1.1.1|X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.1|Forwarded: for=1.1.1.1, for=2.2.2.2, for=192.0.2.1;host=\"a\";proto=http"},
		{"or left", get("X-Forwarded-For: 1.1.1.1", "Forwarded: for=1.1.1.1"), Onward{Trusted: true}, "GET / HTTP/1.1|Host: a|X-Forwarded-For: 1.1.1.1|Forwarded: for=1.1.1.1"},
		{"a trusted hop that says nothing", get("A: b"), trusted, "GET / HTTP/1.1|Host: a|A: b|X-Forwarded-For: 192.0.2.1|X-Forwarded-Host: a|X-Forwarded-Proto: http|Forwarded: for=192.0.2.1;host=\"a\";proto=http"},
		{"Forwarded quotes IPv6: RFC 7239, 6.1", get("A: b"), Onward{Client: []byte("2001:db8::1"), Forwarded: true}, "GET / HTTP/1.1|Host: a|A: b|X-Forwarded-For: 2001:db8::1|X-Forwarded-Host: a|Forwarded: for=\"[2001:db8::1]\";host=\"a\""},
		{"no host, nothing said about it", "GET / HTTP/1.0\r\n\r\n", Onward{Client: []byte("1.1.1.1"), Forwarded: true, Host: []byte("n")}, "GET / HTTP/1.1|Host: n|X-Forwarded-For: 1.1.1.1|Forwarded: for=1.1.1.1"},

		{"a trace goes on", get("Traceparent: "+trace, "Tracestate: a=b"), Onward{Random: &random}, "GET / HTTP/1.1|Host: a|Traceparent: " + trace + "|Tracestate: a=b"},
		{"a trace begins", get("Tracestate: a=b"), Onward{Random: &random}, "GET / HTTP/1.1|Host: a|traceparent: 00-01000000000000000000000000000000-0000000000000002-00"},
		{"with a wish", get("A:"), Onward{Random: &random, Sampled: true}, "GET / HTTP/1.1|Host: a|A: |traceparent: 00-01000000000000000000000000000000-0000000000000002-01"},
		{"a malformed one is begun anew: Trace Context, 3.2.2", get("traceparent: 00-x", "tracestate: a=b"), Onward{}, "GET / HTTP/1.1|Host: a"},
		{"two are none", get("traceparent: "+trace, "traceparent: "+trace), Onward{}, "GET / HTTP/1.1|Host: a"},
		{"one that stays here is none", get("traceparent: "+trace, "Connection: traceparent"), Onward{Random: &random}, "GET / HTTP/1.1|Host: a|traceparent: 00-01000000000000000000000000000000-0000000000000002-00"},
	} {
		var r Request
		if _, err := r.Parse([]byte(c.in), &Limits{Line: 1000, Head: 1000, Fields: 20}); err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		want := strings.ReplaceAll(c.want, "|", "\r\n") + "\r\n\r\n"
		if got := AppendRequest([]byte(">"), &r, &c.o); string(got) != ">"+want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.why, got, want)
		}
	}
}

// What is changed in a Request is what is sent.
func TestAppendChangedRequest(t *testing.T) {
	var r Request
	if _, err := r.Parse([]byte(get("A: b", "Transfer-Encoding: chunked", "Expect: 100-continue")), &tight); err != nil {
		t.Fatal(err)
	}
	r.Path, r.Query, r.Expect100, r.Body = []byte("/x"), []byte("y"), false, Framing{Length, 7}
	r.Fields[1].Name = nil
	r.Fields = append(r.Fields, Field{Name: []byte("X-Mine"), Value: []byte("1")}, Field{Name: []byte("content-length"), Value: []byte("1")})
	const want = "GET /x?y HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\nContent-Length: 7\r\n\r\n"
	if got := AppendRequest(nil, &r, &Onward{}); string(got) != want {
		t.Errorf("%s\nwant:\n%s", got, want)
	}
}

func TestAppendResponse(t *testing.T) {
	date := []byte("Mon, 23 Nov 2026 19:00:00 GMT")
	for _, c := range []struct {
		why, in, method string
		o               Back
		want            string
	}{
		{"a length", "HTTP/1.1 200 OK\r\nContent-Length: 05\r\nA: b\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 200 OK|A: b|Content-Length: 5"},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 200 OK|Transfer-Encoding: chunked"},
		{"until the end of the connection", "HTTP/1.1 200 OK\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 200 OK|Connection: close"},
		{"from HTTP/1.0", "HTTP/1.0 404 No\r\nContent-Length: 0\r\n\r\n", "GET", Back{Name: "x", Minor: 1}, "HTTP/1.1 404 No|Via: 1.0 x|Content-Length: 0"},
		{"to HTTP/1.0 that stays", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", Back{}, "HTTP/1.1 200 OK|Content-Length: 0|Connection: keep-alive"},
		{"and that goes", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", Back{Close: true}, "HTTP/1.1 200 OK|Content-Length: 0|Connection: close"},
		{"the node's connection is not the client's", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close, A\r\nA: b\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2c\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 200 OK|Content-Length: 0"},
		{"HEAD keeps the length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", Back{Minor: 1}, "HTTP/1.1 200 OK|Content-Length: 5"},
		{"HEAD without one", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", Back{Minor: 1}, "HTTP/1.1 200 OK"},
		{"304 keeps it", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 304 Not Modified|Content-Length: 5"},
		{"204 has none: 9110, 8.6", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 204 No Content"},
		{"a date: 9110, 6.6.1", "HTTP/1.1 204 No Content\r\n\r\n", "GET", Back{Minor: 1, Date: date}, "HTTP/1.1 204 No Content|Date: Mon, 23 Nov 2026 19:00:00 GMT"},
		{"the node's date is better", "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n", "GET", Back{Minor: 1, Date: date}, "HTTP/1.1 204 No Content|Date: x"},
		{"100", "HTTP/1.1 100 Continue\r\n\r\n", "PUT", Back{Minor: 1, Date: date, Close: true}, "HTTP/1.1 100 Continue"},
		{"103", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "GET", Back{Name: "x", Minor: 1}, "HTTP/1.1 103 Early Hints|Link: </a>|Via: 1.1 x"},
		{"101", "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nSec-WebSocket-Accept: a\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 101 Switching Protocols|Sec-WebSocket-Accept: a|Upgrade: websocket|Connection: Upgrade"},
		{"426", "HTTP/1.1 426 No\r\nConnection: upgrade\r\nUpgrade: a, b\r\nContent-Length: 0\r\n\r\n", "GET", Back{Minor: 1, Close: true}, "HTTP/1.1 426 No|Content-Length: 0|Upgrade: a, b|Connection: close, Upgrade"},
		{"no phrase", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 200 |Content-Length: 0"},
		{"fields keep their order, their case and their number", "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 0\r\nSet-Cookie: c\r\n\r\n", "GET", Back{Minor: 1}, "HTTP/1.1 200 OK|Set-Cookie: a|set-cookie: b|Set-Cookie: c|Content-Length: 0"},
	} {
		var r Response
		if _, err := r.Parse([]byte(c.in), &Limits{Line: 1000, Head: 1000, Fields: 20}, []byte(c.method)); err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		want := strings.ReplaceAll(c.want, "|", "\r\n") + "\r\n\r\n"
		if got := AppendResponse(nil, &r, &c.o); string(got) != want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.why, got, want)
		}
	}
}

func TestAppendChunks(t *testing.T) {
	limits := DefaultLimits()
	out := AppendChunk(nil, []byte("hello, world, good bye"))
	_, _, fields, err := decode(&limits, "0\r\nX-Sum: 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: a\r\nAuthorization: b\r\nCookie: c\r\nSet-Cookie: d\r\n"+
		"Content-Type: e\r\nContent_Length: f\r\nConnection: g\r\nX-Forwarded-For: h\r\nTrailer: i\r\nCache-Control: j\r\nServer-Timing: k\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	out = AppendLastChunk(out, fields)
	const want = "16\r\nhello, world, good bye\r\n0\r\nX-Sum: 1\r\nServer-Timing: k\r\n\r\n"
	if string(out) != want {
		t.Errorf("%q, want %q", out, want)
	}
	if got := AppendChunkSize(nil, 1<<20); string(got) != "100000\r\n" {
		t.Errorf("%q", got)
	}
}

func TestTraceparents(t *testing.T) {
	for in, want := range map[string]bool{
		trace:                    true,
		trace + "-ab":            false, // version 00 is not longer
		"01" + trace[2:] + "-ab": true,
		"01" + trace[2:] + "ab":  false,
		"ff" + trace[2:]:         false,
		"0A" + trace[2:]:         false,
		trace[:54]:               false,
		"":                       false,
		"00-00000000000000000000000000000000-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01": false,
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01": false,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x": false,
	} {
		if got := isTraceparent([]byte(in)); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func TestLookup(t *testing.T) {
	var r Request
	if _, err := r.Parse([]byte(get("X-Load: 1", "x-load: 2")), &tight); err != nil {
		t.Fatal(err)
	}
	if got := Lookup(r.Fields, "x-load"); string(got) != "1" {
		t.Errorf("%q", got)
	}
	if got := Lookup(r.Fields, "x-loa"); got != nil {
		t.Errorf("%q", got)
	}
}
