package engine

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Bodies of all sizes arrive as they were sent, both ways, with a length and in chunks.
func TestBodies(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		w.Header().Set("X-Got", fmt.Sprintf("%d %x %v", n, sum.Sum(nil), err))
		var size int
		_, _ = fmt.Sscan(r.Header.Get("X-Want"), &size)
		if r.Header.Get("X-Coded") == "" {
			w.Header().Set("Content-Length", fmt.Sprint(size))
		} else {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(random(size))
	}))
	sizes := []int{0, 1, 100, 4000, 4096, 8191, 16 << 10, 16<<10 - 200, 32 << 10, 32<<10 + 1, 100_000, 3 << 20}
	for _, coded := range []string{"", "yes"} {
		for _, up := range sizes {
			down := sizes[(up*7+len(coded))%len(sizes)]
			body := random(up)
			req, err := http.NewRequest("POST", r.url+"/one", io.MultiReader(strings.NewReader(string(body)))) // of unknown length: chunked
			if err != nil {
				t.Fatal(err)
			}
			if coded == "" {
				req.ContentLength = int64(up)
				if up == 0 {
					req.Body = http.NoBody
				}
			}
			req.Header.Set("X-Want", fmt.Sprint(down))
			req.Header.Set("X-Coded", coded)
			res, err := r.client.Do(req)
			if err != nil {
				t.Fatalf("%d up, %d down, coded %q: %v", up, down, coded, err)
			}
			got, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || string(got) != string(random(down)) {
				t.Errorf("%d up, %d down, coded %q: %d bytes back, %v", up, down, coded, len(got), err)
			}
			if want := fmt.Sprintf("%d %x %v", up, sha256.Sum256(body), nil); res.Header.Get("X-Got") != want {
				t.Errorf("%d up, coded %q: the node got %s, want %s", up, coded, res.Header.Get("X-Got"), want)
			}
		}
	}
	if n := r.settled(t)[0]; n.Errors != 0 {
		t.Errorf("%+v", n)
	}
}

// random gives the same bytes for the same size.
func random(size int) []byte {
	b := make([]byte, size)
	r := rand.NewChaCha8([32]byte{byte(size)})
	_, _ = r.Read(b)
	return b
}

// A long answer passes no faster than the client takes it: what is under way
// is what the sockets hold, and a buffer.
func TestBackpressure(t *testing.T) {
	var mu sync.Mutex
	written := 0
	r := newRig(t, DefaultLimits(), backend(t, func(w http.ResponseWriter, _ *http.Request) {
		piece := make([]byte, 64<<10)
		for range 1024 {
			n, err := w.Write(piece)
			if err != nil {
				return
			}
			mu.Lock()
			written += n
			mu.Unlock()
		}
	}))
	c := r.dial(t)
	if _, err := io.WriteString(c, plain); err != nil {
		t.Fatal(err)
	}
	last, since := -1, time.Now()
	until(t, "the node cannot write more", func() bool {
		mu.Lock()
		defer mu.Unlock()
		if written != last {
			last, since = written, time.Now()
		}
		return last > 0 && time.Since(since) > 200*time.Millisecond
	})
	if last >= 64<<20 {
		t.Errorf("all %d bytes were taken though nobody reads", last)
	}
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Error(err)
	} else if n, err := io.Copy(io.Discard, res.Body); n != 64<<20 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// Both ways at once: the node answers each line as it comes, before the body
// has ended.
func TestBothWays(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		_ = c.EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, strings.ToUpper(lines.Text()))
			_ = c.Flush()
		}
	}))
	send, body := io.Pipe()
	req, err := http.NewRequest("POST", r.url+"/one", send)
	if err != nil {
		t.Fatal(err)
	}
	go func() { fmt.Fprintln(body, "first") }()
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for _, want := range []string{"FIRST", "SECOND", "THIRD"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("%q %v, want %s", lines.Text(), lines.Err(), want)
		}
		if want != "THIRD" {
			fmt.Fprintln(body, map[string]string{"FIRST": "second", "SECOND": "third"}[want])
		}
	}
	body.Close()
	if lines.Scan() || lines.Err() != nil {
		t.Errorf("%q %v, want the end", lines.Text(), lines.Err())
	}
	r.settled(t)
}

// A node that answers before it has read the body is believed, and the client
// need not send the rest.
func TestEarlyAnswer(t *testing.T) {
	r := newRig(t, DefaultLimits(), accepts(t, func(c *net.TCPConn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 1<<20))
	}))
	c := r.dial(t)
	if _, err := io.WriteString(c, "POST /one HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\nbegin"); err != nil {
		t.Fatal(err)
	}
	text := ends(t, c)
	if !strings.HasPrefix(text, "HTTP/1.1 403 ") || !strings.Contains(text, "\r\nConnection: close\r\n") || !strings.HasSuffix(text, "\r\n\r\nno") {
		t.Errorf("answered %q", text)
	}
	if n := r.settled(t)[0]; n.Errors != 0 {
		t.Errorf("%+v", n)
	}
}

// Expect: 100-continue is between client and node; if the node does not
// mind it, the client is told to go on after a while.
func TestExpectContinue(t *testing.T) {
	const head = "POST /one HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
	tests := []struct {
		why    string
		wait   time.Duration // of the proxy for the node's 100
		node   func(*net.TCPConn)
		go100  string // what the client hears first, "" if nothing
		answer string
		closed bool
	}{
		{"the node says go on", patience, func(c *net.TCPConn) {
			b := bufio.NewReader(c)
			req, err := http.ReadRequest(b)
			if err != nil || req.Header.Get("Expect") != "100-continue" {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s", body)
		}, "HTTP/1.1 100 Continue\r\nVia: 1.1 fairlead\r\n\r\n", "200 body", false},
		{"the node does not know it", 30 * time.Millisecond, func(c *net.TCPConn) {
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			body, _ := io.ReadAll(req.Body)
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n%s", body)
		}, "HTTP/1.1 100 Continue\r\n\r\n", "200 body", false},
		{"the node says no", patience, func(c *net.TCPConn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
			_, _ = io.Copy(io.Discard, c)
		}, "", "403 no", true},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			limits := DefaultLimits()
			limits.Continue = tt.wait
			r := newRig(t, limits, accepts(t, tt.node))
			c := r.dial(t)
			if tt.go100 != "" {
				says(t, c, head, tt.go100)
				_, _ = io.WriteString(c, "body")
			} else {
				_, _ = io.WriteString(c, head)
			}
			if res := readAnswer(t, c); res != tt.answer {
				t.Errorf("answered %q, want %q", res, tt.answer)
			}
			if tt.closed {
				ends(t, c)
			}
			if n := r.settled(t)[0]; n.Errors != 0 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// A tunnel passes bytes both ways, those that were sent too early as well, and
// each side's end for itself.
func TestTunnelHalfClose(t *testing.T) {
	r := newRig(t, DefaultLimits(), accepts(t, func(c *net.TCPConn) {
		b := bufio.NewReader(c)
		if _, err := http.ReadRequest(b); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: count\r\n\r\nready ")
		n, _ := io.Copy(io.Discard, b) // until the client's end
		fmt.Fprintf(c, "%d", n)
	}))
	c := r.dial(t)
	if _, err := io.WriteString(c, "GET /one HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: count\r\n\r\nearly"); err != nil {
		t.Fatal(err)
	}
	hears(t, c, "HTTP/1.1 101 Switching Protocols\r\nVia: 1.1 fairlead\r\nUpgrade: count\r\nConnection: Upgrade\r\n\r\nready ")
	if _, err := c.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := c.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := ends(t, c); got != fmt.Sprint(1<<20+5) {
		t.Errorf("the node counted %s", got)
	}
	until(t, "the tunnel is gone", func() bool { return r.sessions.Load() == 0 && r.tunnels.Load() == 0 })
}
