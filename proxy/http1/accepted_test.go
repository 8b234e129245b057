package http1

import (
	"math"
	"strings"
	"testing"
)

var acceptedRequests = []struct {
	why, in string
	want    func(r *Request) bool
}{
	{"HTTP/1.1 keeps the connection: 9112, 9.3", get("A: b"), func(r *Request) bool {
		return r.KeepAlive && r.Body == Framing{NoBody, -1} && r.Minor == 1 && r.MaxForwards == -1 && r.Upgrade == nil && !r.Expect100
	}},
	{"HTTP/1.0 does not", "GET / HTTP/1.0\r\n\r\n", func(r *Request) bool { return !r.KeepAlive && r.Minor == 0 && r.Host == nil }},
	{"unless it says so", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", func(r *Request) bool { return r.KeepAlive }},
	{"close", get("Connection: close"), func(r *Request) bool { return !r.KeepAlive }},
	{"close in any case and place", get("Connection: a", "connection: b , CLOSE"), func(r *Request) bool { return !r.KeepAlive }},
	{"close is stronger", get("Connection: keep-alive, close"), func(r *Request) bool { return !r.KeepAlive }},
	{"Proxy-Connection is nothing: 9112, C.2.2", get("Proxy-Connection: close"), func(r *Request) bool { return r.KeepAlive }},
	{"empty members of a list: 9110, 5.6.1.2", get("Connection: ,, close,"), func(r *Request) bool { return !r.KeepAlive }},
	{"one empty line before it: 9112, 2.2", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return r.KeepAlive }},

	{"a path and a query", "GET /a/b?c?d=/e HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool {
		return string(r.Path) == "/a/b" && string(r.Query) == "c?d=/e"
	}},
	{"an empty query is one", "GET /a? HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return r.Query != nil && len(r.Query) == 0 }},
	{"an escape stays as it is", "GET /%2e%2E%00/ HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Path) == "/%2e%2E%00/" }},
	{"a percent sign in a query is just one", "GET /?100% HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Query) == "100%" }},
	{"what browsers do not escape", "GET /?a|b^{c}`\"<>\\ HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Query) == "a|b^{c}`\"<>\\" }},
	{"two slashes are a path", "GET //b/c HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Path) == "//b/c" && string(r.Host) == "a" }},
	{"absolute-form's host counts: 9112, 3.2.2", "GET http://b:80/c?d HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool {
		return string(r.Host) == "b:80" && string(r.Path) == "/c" && string(r.Query) == "d"
	}},
	{"a scheme in any case", "GET HTTPS://b/ HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Host) == "b" }},
	{"absolute-form without a path", "GET http://b HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Path) == "/" && r.Query == nil }},
	{"only with a query", "GET http://b?c HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Path) == "/" && string(r.Query) == "c" }},
	{"absolute-form in HTTP/1.0", "GET http://b/ HTTP/1.0\r\n\r\n", func(r *Request) bool { return string(r.Host) == "b" }},
	{"asterisk-form: 9112, 3.2.4", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Path) == "*" }},
	{"asterisk-form by way of absolute-form", "OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Path) == "*" && string(r.Host) == "b" }},
	{"a method that nobody knows", "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Method) == "BREW" }},
	{"another one", "get / HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return string(r.Method) == "get" }},
	{"an address for a host", "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8000\r\n\r\n", func(r *Request) bool { return string(r.Host) == "[2001:db8::1]:8000" }},

	{"white space around a value is not of it: 9112, 5.1", get("A:b", "C: \t d e \t", "F:"), func(r *Request) bool {
		return string(r.Fields[1].Value) == "b" && string(r.Fields[2].Value) == "d e" && len(r.Fields[3].Value) == 0
	}},
	{"tabs and high bytes within: 9110, 5.5", get("A: \xe4\tb\t\tc\xff", "B: 0123456\t89012345\t7"), func(r *Request) bool {
		return string(r.Fields[1].Value) == "\xe4\tb\t\tc\xff" && string(r.Fields[2].Value) == "0123456\t89012345\t7"
	}},
	{"names of all kinds of characters", get("!#$%&'*+-.^_`|~09azAZ: b"), func(r *Request) bool { return len(r.Fields) == 2 }},
	{"a value like a head", get("A: GET / HTTP/1.1"), func(r *Request) bool { return len(r.Fields) == 2 }},

	{"a length", get("Content-Length: 5"), func(r *Request) bool { return r.Body == Framing{Length, 5} }},
	{"nothing, but said so", get("Content-Length: 0"), func(r *Request) bool { return r.Body == Framing{Length, 0} }},
	{"leading zeros are digits: 9110, 8.6", get("Content-Length: 005"), func(r *Request) bool { return r.Body == Framing{Length, 5} }},
	{"the longest", get("Content-Length: 9223372036854775807"), func(r *Request) bool { return r.Body.Length == math.MaxInt64 }},
	{"chunked", get("Transfer-Encoding: chunked"), func(r *Request) bool { return r.Body == Framing{Chunked, -1} }},
	{"chunked in any case", get("transfer-encoding:  CHUNKed\t"), func(r *Request) bool { return r.Body.Kind == Chunked }},

	{"the client waits: 9110, 10.1.1", get("Expect: 100-Continue", "Content-Length: 5"), func(r *Request) bool { return r.Expect100 }},
	{"without a body it waits for nothing", get("Expect: 100-continue"), func(r *Request) bool { return !r.Expect100 }},
	{"in HTTP/1.0 it knows no 100", "PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", func(r *Request) bool { return !r.Expect100 }},
	{"an upgrade: 7.8", get("Connection: keep-alive, Upgrade", "Upgrade: websocket"), func(r *Request) bool { return string(r.Upgrade) == "websocket" }},
	{"Upgrade needs Connection", get("Upgrade: websocket"), func(r *Request) bool { return r.Upgrade == nil }},
	{"in HTTP/1.0 it is ignored", "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", func(r *Request) bool { return r.Upgrade == nil }},
	{"with a body as well", get("Connection: upgrade", "Upgrade: websocket", "Content-Length: 5"), func(r *Request) bool { return r.Upgrade == nil }},
	{"h2c would pass by the proxy", get("Connection: upgrade", "Upgrade: h2c"), func(r *Request) bool { return r.Upgrade == nil }},
	{"a list has h2c in it, perhaps", get("Connection: upgrade", "Upgrade: websocket, h2c"), func(r *Request) bool { return r.Upgrade == nil }},
	{"trailers are welcome: 10.1.4", get("Connection: TE", "TE: trailers"), func(r *Request) bool { return r.Trailers }},
	{"TE needs Connection", get("TE: trailers"), func(r *Request) bool { return !r.Trailers }},
	{"hops that are left: 7.6.2", "TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n", func(r *Request) bool { return r.MaxForwards == 3 }},
	{"none left", "OPTIONS * HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n", func(r *Request) bool { return r.MaxForwards == 0 }},
	{"other methods do not count hops", get("Max-Forwards: 0"), func(r *Request) bool { return r.MaxForwards == -1 }},

	{"as long a start line as may be", "GET /" + strings.Repeat("a", 50) + " HTTP/1.1\r\nHost: a\r\n\r\n", func(r *Request) bool { return len(r.Path) == 51 }},
	{"as long a head as may be", get("A: " + strings.Repeat("b", 256-len(get("A: ")))), func(r *Request) bool { return len(r.Fields) == 2 }},
	{"as many fields as may be", get("A:", "A:", "A:", "A:", "A:", "A:", "A:"), func(r *Request) bool { return len(r.Fields) == 8 }},
}

func TestAcceptedRequests(t *testing.T) {
	for _, c := range acceptedRequests {
		var r Request
		if n, err := r.Parse([]byte(c.in+"GET"), &tight); n != len(c.in) || err != nil {
			t.Errorf("%s: %q\n%d bytes, error %v", c.why, c.in, n, err)
			continue
		}
		if !c.want(&r) {
			t.Errorf("%s: %q gives\n%s", c.why, c.in, requestIn(c.in))
		}
		sameSplit(t, c.in, requestIn)
	}
}

var acceptedResponses = []struct {
	why, in, method string
	want            func(r *Response) bool
}{
	{"a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", func(r *Response) bool { return r.KeepAlive && r.Body == Framing{Length, 5} && r.Status == 200 }},
	{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", func(r *Response) bool { return r.KeepAlive && r.Body.Kind == Chunked }},
	{"neither: 9112, 6.3", "HTTP/1.1 200 OK\r\n\r\n", "GET", func(r *Response) bool { return !r.KeepAlive && r.Body.Kind == UntilClose }},
	{"neither in HTTP/1.0", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", "GET", func(r *Response) bool { return !r.KeepAlive && r.Body.Kind == UntilClose }},
	{"HTTP/1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", "GET", func(r *Response) bool { return r.KeepAlive }},
	{"HTTP/1.0 that does not", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", func(r *Response) bool { return !r.KeepAlive }},
	{"close", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "GET", func(r *Response) bool { return !r.KeepAlive }},
	{"to HEAD there is no body, but its length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", func(r *Response) bool { return r.KeepAlive && r.Body == Framing{NoBody, 5} }},
	{"to HEAD, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", func(r *Response) bool { return r.KeepAlive && r.Body == Framing{NoBody, -1} }},
	{"to HEAD, neither", "HTTP/1.1 200 OK\r\n\r\n", "HEAD", func(r *Response) bool { return r.KeepAlive && r.Body == Framing{NoBody, -1} }},
	{"304 likewise: 9110, 15.4.5", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", func(r *Response) bool { return r.KeepAlive && r.Body == Framing{NoBody, 5} }},
	{"204", "HTTP/1.1 204 No Content\r\n\r\n", "GET", func(r *Response) bool { return r.KeepAlive && r.Body == Framing{NoBody, -1} }},
	{"204 with a harmless 0, as is seen", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "GET", func(r *Response) bool { return r.Body == Framing{NoBody, -1} }},
	{"100", "HTTP/1.1 100 Continue\r\n\r\n", "PUT", func(r *Response) bool { return r.Status == 100 && r.KeepAlive && r.Body.Kind == NoBody }},
	{"103 with fields: RFC 8297", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "GET", func(r *Response) bool { return r.Status == 103 && len(r.Fields) == 1 }},
	{"101: 9110, 15.2.2", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "GET", func(r *Response) bool { return string(r.Upgrade) == "websocket" && r.Body.Kind == NoBody }},
	{"a name and a version", "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: a/1\r\n\r\n", "GET", func(r *Response) bool { return string(r.Upgrade) == "a/1" }},
	{"426 says to what: 15.5.22", "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: a/2, b\r\nContent-Length: 0\r\n\r\n", "GET", func(r *Response) bool { return string(r.Upgrade) == "a/2, b" }},
	{"no phrase", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "GET", func(r *Response) bool { return len(r.Reason) == 0 }},
	{"no phrase and no space: 9112, 4, wants it, some servers do not", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", func(r *Response) bool { return r.Status == 200 }},
	{"a phrase of high bytes and tabs", "HTTP/1.1 599 \xe4\t b\r\nContent-Length: 0\r\n\r\n", "GET", func(r *Response) bool { return string(r.Reason) == "\xe4\t b" }},
}

func TestAcceptedResponses(t *testing.T) {
	for _, c := range acceptedResponses {
		var r Response
		if n, err := r.Parse([]byte(c.in+"HTTP"), &tight, []byte(c.method)); n != len(c.in) || err != nil {
			t.Errorf("%s: %q\n%d bytes, error %v", c.why, c.in, n, err)
			continue
		}
		if !c.want(&r) {
			t.Errorf("%s: %q gives\n%s", c.why, c.in, responseTo(c.method)(c.in))
		}
		sameSplit(t, c.in, responseTo(c.method))
	}
}

// A head that comes after another one leaves nothing of it.
func TestReset(t *testing.T) {
	var r Request
	long, short := []byte(get("Connection: close, upgrade", "Upgrade: a", "Expect: 100-continue", "A: b")), []byte("GET / HTTP/1.0\r\n\r\n")
	if _, err := r.Parse(long, &tight); err != nil {
		t.Fatal(err)
	}
	r.Reset()
	if _, err := r.Parse(short, &tight); err != nil {
		t.Fatal(err)
	}
	if len(r.Fields) != 0 || r.Host != nil || r.Upgrade != nil || r.Minor != 0 || r.KeepAlive {
		t.Errorf("%+v", r)
	}
}

// A caller that comes again with less is not punished.
func TestFewerBytesThanBefore(t *testing.T) {
	var r Request
	in := []byte(get("A: b"))
	for _, n := range []int{20, 0, 1, 17, len(in) - 1, 5} {
		if got, err := r.Parse(in[:n], &tight); got != 0 || err != nil {
			t.Fatalf("%d bytes of %d, error %v", got, n, err)
		}
	}
	if n, err := r.Parse(in, &tight); n != len(in) || err != nil {
		t.Errorf("%d bytes, error %v", n, err)
	}
}

func TestHosts(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "a.b-c_d~e": true, "192.0.2.1:80": true, "a:": true, "a:0": true, "a:65535": true, "a:00080": true,
		"": false, ":": false, "a:65536": false, "a:99999999999": false, "a%41": false, "a!": false, "a;b": false,
		"[::]": true, "[::1]": true, "[1::]": true, "[1:2:3:4:5:6:7:8]": true, "[1:2:3:4:5:6:7::]": true, "[::2:3:4:5:6:7:8]": true,
		"[::ffff:192.0.2.1]": true, "[1:2:3:4:5:6:1.2.3.4]": true, "[ABCD::ef01]:1": true,
		"[]": false, "[:]": false, "[:::]": false, "[1]": false, "[1:2:3:4:5:6:7]": false, "[1:2:3:4:5:6:7:8:9]": false, "[::12345]": false,
		"[1:2:3:4:5:6:7:8::]": false, "[1::2:3:4:5:6:7:8]": false, "[1::2:3:4:5:6:1.2.3.4]": false, "[::1::]": false, "[1:]": false, "[:1]": false, "[::1.2.3]": false, "[::1.2.3.4.5]": false, "[::1.2.3.256]": false,
		"[1:2:3:4:5:6:7:1.2.3.4]": false, "[::01.2.3.4]": false, "[fe80::1%25eth0]": false, "[v1.a]": false, "[::1": false, "::1": false, "[::1]80": false,
	} {
		if got := isHost([]byte(host)); got != want {
			t.Errorf("%q: %v, want %v", host, got, want)
		}
	}
}
