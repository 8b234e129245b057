package engine

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// tape is a node that answers by script and records what it is sent. Each
// request, up to and including its marker, gets the next answer, over however
// many connections.
type tape struct {
	addr   string
	marker string // that ends a request

	mu      sync.Mutex
	heard   bytes.Buffer
	answers []string
	conns   int
}

func newTape(t testing.TB, marker string, answers ...string) *tape {
	p := &tape{marker: marker, answers: answers}
	p.addr = accepts(t, p.serve)
	return p
}

func (p *tape) serve(c *net.TCPConn) {
	p.mu.Lock()
	p.conns++
	p.mu.Unlock()
	var request []byte
	b := make([]byte, 64<<10)
	for {
		n, err := c.Read(b)
		if err != nil {
			return
		}
		request = append(request, b[:n]...)
		p.mu.Lock()
		p.heard.Write(b[:n])
		answer := ""
		if bytes.HasSuffix(request, []byte(p.marker)) && len(p.answers) > 0 {
			request = nil
			answer, p.answers = p.answers[0], p.answers[1:]
		}
		p.mu.Unlock()
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
		if answer != "" && (strings.Contains(answer, "Connection: close") || strings.HasPrefix(answer, "HTTP/1.0")) {
			return
		}
	}
}

func (p *tape) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard.String()
}

// says writes to c and reads until want has come, or more than that.
func says(t testing.TB, c *net.TCPConn, request, want string) {
	t.Helper()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	hears(t, c, want)
}

// hears reads until want has come, or something else.
func hears(t testing.TB, c *net.TCPConn, want string) {
	t.Helper()
	got := make([]byte, 0, len(want))
	for len(got) < len(want) && strings.HasPrefix(want, string(got)) {
		n, err := c.Read(got[len(got):cap(got)])
		got = got[:len(got)+n]
		if err != nil {
			break
		}
	}
	if string(got) != want {
		t.Fatalf("heard\n%q\nwant\n%q", got, want)
	}
}

// ends reads until the other side ends, and gives what came before.
func ends(t testing.TB, c *net.TCPConn) string {
	t.Helper()
	rest, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection stays open after %q", rest)
	}
	return string(rest)
}

const (
	plain     = "GET /one HTTP/1.1\r\nHost: h\r\n\r\n"
	added     = "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: h\r\nX-Forwarded-Proto: http\r\nVia: 1.1 fairlead\r\n"
	forwarded = "GET /one HTTP/1.1\r\nHost: h\r\n" + added + "\r\n"
	short     = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	shortBack = "HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nContent-Length: 2\r\n\r\nok"
)

// What goes to the node and what comes back to the client, byte by byte.
func TestWire(t *testing.T) {
	tests := []struct {
		why     string
		request string
		sent    string // to the node
		marker  string // that ends it
		answer  string
		back    string // to the client
		closed  bool   // the connection to the client ends
		conns   int    // to the node, after the request was made twice (1: it was used again)
	}{
		{"a plain request", plain, forwarded, "\r\n\r\n", short, shortBack, false, 1},
		{"nothing of the client's hop is passed on",
			"GET /one?a HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, X-Mine\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nX-Forwarded-For: 6.6.6.6\r\nB: 2\r\n\r\n",
			"GET /one?a HTTP/1.1\r\nHost: h\r\nB: 2\r\n" + added + "\r\n", "\r\n\r\n", short, shortBack, false, 1},
		{"a body of known length, with the head in one piece",
			"POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
			"POST /one HTTP/1.1\r\nHost: h\r\n" + added + "Content-Length: 5\r\n\r\nhello", "hello", short, shortBack, false, 1},
		{"a chunked body, written anew: no extensions, sizes as they should be",
			"POST /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n003;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n",
			"POST /one HTTP/1.1\r\nHost: h\r\n" + added + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n", "0\r\nX-Sum: 7\r\n\r\n", short, shortBack, false, 1},
		{"a chunked answer with trailer",
			plain, forwarded, "\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n",
			"HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n", false, 1},
		{"an answer until the connection ends gets an end that can be seen",
			plain, forwarded, "\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
			"HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false, 2},
		{"HEAD: a length and no body",
			"HEAD /one HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD /one HTTP/1.1\r\nHost: h\r\n" + added + "\r\n", "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nContent-Length: 99\r\n\r\n", false, 1},
		{"204 has neither", plain, forwarded, "\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content\r\nVia: 1.1 fairlead\r\n\r\n", false, 1},
		{"304 tells the length of what it has not", plain, forwarded, "\r\n\r\n",
			"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nVia: 1.1 fairlead\r\nContent-Length: 7\r\n\r\n", false, 1},
		{"103 passes before the answer", plain, forwarded, "\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + short, "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\nVia: 1.1 fairlead\r\n\r\n" + shortBack, false, 1},
		{"the node closes: the client's connection stays", plain, forwarded, "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", shortBack, false, 2},
		{"the client closes: the node's stays",
			"GET /one HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", forwarded, "\r\n\r\n", short,
			"HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", true, 1},
		{"HTTP/1.0 closes", "GET /one HTTP/1.0\r\nHost: h\r\n\r\n",
			"GET /one HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: h\r\nX-Forwarded-Proto: http\r\nVia: 1.0 fairlead\r\n\r\n", "\r\n\r\n", short,
			"HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", true, 1},
		{"HTTP/1.0 knows no chunks, and no 1xx", "GET /one HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
			"GET /one HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: h\r\nX-Forwarded-Proto: http\r\nVia: 1.0 fairlead\r\n\r\n", "\r\n\r\n",
			"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
			"HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nConnection: close\r\n\r\nhello", true, 1},
		{"HTTP/1.0 may stay", "GET /one HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
			"GET /one HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Host: h\r\nX-Forwarded-Proto: http\r\nVia: 1.0 fairlead\r\n\r\n", "\r\n\r\n", short,
			"HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok", false, 1},
		{"a node that says more than its answer is not used again", plain, forwarded, "\r\n\r\n", short + "HTTP/1.1 200 OK\r\n", shortBack, false, 2},
		{"an answer that asks for HTTP/1.0's end", plain, forwarded, "\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nold",
			"HTTP/1.1 200 OK\r\nVia: 1.0 fairlead\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nold\r\n0\r\n\r\n", false, 2},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			node := newTape(t, tt.marker, tt.answer, tt.answer)
			r := newRig(t, DefaultLimits(), node.addr)
			c := r.dial(t)
			for i := range 2 {
				if i > 0 && tt.closed {
					c = r.dial(t)
				}
				says(t, c, tt.request, tt.back)
				if tt.closed {
					if rest := ends(t, c); rest != "" {
						t.Errorf("after the answer came %q", rest)
					}
				}
				r.settled(t)
			}
			if got, want := node.text(), tt.sent+tt.sent; got != want {
				t.Errorf("the node heard\n%q\nwant\n%q", got, want)
			}
			node.mu.Lock()
			defer node.mu.Unlock()
			if node.conns != tt.conns {
				t.Errorf("%d connections to the node, want %d", node.conns, tt.conns)
			}
		})
	}
}

// What is not HTTP/1.1 as it should be is answered here, ends the connection,
// and no node hears of it.
func TestRefusedRequests(t *testing.T) {
	limits := DefaultLimits()
	limits.HTTP.Line, limits.HTTP.Head, limits.Body = 1000, 4000, 10_000
	long := strings.Repeat("x", 5000)
	tests := []struct{ why, request, status string }{
		{"two framings", "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400 Bad Request"},
		{"two lengths", "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "400 Bad Request"},
		{"no host", "GET /one HTTP/1.1\r\n\r\n", "400 Bad Request"},
		{"a lone line feed", "GET /one HTTP/1.1\nHost: h\r\n\r\n", "400 Bad Request"},
		{"folded", "GET /one HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", "400 Bad Request"},
		{"a bad chunk size", "POST /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400 Bad Request"},
		{"too long a line", "GET /one/" + long + " HTTP/1.1\r\nHost: h\r\n\r\n", "414 Request URI Too Long"},
		{"too large a head", "GET /one HTTP/1.1\r\nHost: h\r\nA: " + long + "\r\n\r\n", "431 Request Header Fields Too Large"},
		{"too large a head, never ending", "GET /one HTTP/1.1\r\nHost: h\r\nA: " + long, "431 Request Header Fields Too Large"},
		{"too large a body", "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 10001\r\n\r\n", "413 Request Entity Too Large"},
		{"an unknown coding", "POST /one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501 Not Implemented"},
		{"a tunnel", "CONNECT one:443 HTTP/1.1\r\nHost: h\r\n\r\n", "501 Not Implemented"},
		{"a later version", "GET /one HTTP/2.0\r\nHost: h\r\n\r\n", "505 HTTP Version Not Supported"},
		{"an unknown expectation", "POST /one HTTP/1.1\r\nHost: h\r\nExpect: miracles\r\nContent-Length: 1\r\n\r\n", "417 Expectation Failed"},
		{"a handshake of TLS", "\x16\x03\x01\x02\x00\x01\x00", "400 Bad Request"},
	}
	node := newTape(t, "\r\n\r\n", short)
	r := newRig(t, limits, node.addr)
	for _, tt := range tests {
		c := r.dial(t)
		if _, err := io.WriteString(c, tt.request); err != nil {
			t.Fatal(err)
		}
		answer := ends(t, c)
		if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.status+"\r\n") || !strings.Contains(answer, "\r\nConnection: close\r\n") {
			t.Errorf("%s: answered %q, want %s and the end", tt.why, answer, tt.status)
		}
	}
	if heard := node.text(); heard != "" {
		t.Errorf("the node heard %q", heard)
	}
}

// Bytes that come one by one make the same request.
func TestByteByByte(t *testing.T) {
	node := newTape(t, "cde", short, short)
	r := newRig(t, DefaultLimits(), node.addr)
	c := r.dial(t)
	request := "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nabcde"
	for range 2 {
		for i := range len(request) {
			if _, err := io.WriteString(c, request[i:i+1]); err != nil {
				t.Fatal(err)
			}
		}
		hears(t, c, shortBack)
	}
	want := "POST /one HTTP/1.1\r\nHost: h\r\n" + added + "Content-Length: 5\r\n\r\nabcde"
	if got := node.text(); got != want+want {
		t.Errorf("the node heard %q", got)
	}
}

// Requests that are sent before the answers have come are answered in order.
func TestPipelining(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, echoPath))
	c := r.dial(t)
	var all strings.Builder
	const most = 300
	for i := range most {
		path := "/one/" + strings.Repeat("x", i)
		if i%7 == 3 {
			path = "/nowhere"
		}
		all.WriteString("POST " + path + " HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
	}
	go func() { _, _ = io.WriteString(c, all.String()) }()
	for i := range most {
		res := readAnswer(t, c)
		if i%7 == 3 {
			if res != "404 {\"error\":\"not found\"}\n" {
				t.Fatalf("answer %d is %q", i, res)
			}
		} else if res != "200 /one/"+strings.Repeat("x", i) {
			t.Fatalf("answer %d is %q", i, res)
		}
	}
}

// A client that ends its side after its request still gets the answer, and then
// the end, without a wait for the idle limit.
func TestHalfClose(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, echoPath))
	for _, earlier := range []int{0, 3} { // the first request on a connection, and a later one
		c := r.dial(t)
		for range earlier {
			if _, err := io.WriteString(c, plain); err != nil {
				t.Fatal(err)
			}
			readAnswer(t, c)
		}
		start := time.Now()
		if _, err := io.WriteString(c, plain); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if res := readAnswer(t, c); res != "200 /one" {
			t.Errorf("answered %q", res)
		}
		if rest := ends(t, c); rest != "" {
			t.Errorf("then came %q", rest)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the end came after %s", took)
		}
	}
}
