package engine

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/cluster"
)

// A client that sends its head too slowly is told so; one that sends nothing
// is just closed on. Nobody else notices.
func TestSlowloris(t *testing.T) {
	limits := DefaultLimits()
	limits.Head = 100 * time.Millisecond
	r := newRig(t, limits, backend(t, echoPath))
	slow, silent := r.dial(t), r.dial(t)
	stop := make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for _, b := range []byte("GET /one HTTP/1.1\r\nA: " + strings.Repeat("x", 1000)) {
			if _, err := slow.Write([]byte{b}); err != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	if _, text := r.get(t, "/one"); text != "/one" {
		t.Errorf("another client got %q", text)
	}
	if res := readAnswer(t, slow); !strings.HasPrefix(res, "408 ") {
		t.Errorf("the slow one got %q", res)
	}
	if rest := ends(t, silent); rest != "" {
		t.Errorf("the silent one got %q", rest)
	}
	close(stop)
	wait.Wait()
}

// A connection without a request is closed after Limits.Client.
func TestIdleClient(t *testing.T) {
	limits := DefaultLimits()
	limits.Client = 50 * time.Millisecond
	r := newRig(t, limits, backend(t, echoPath))
	c := r.dial(t)
	if _, err := io.WriteString(c, plain); err != nil {
		t.Fatal(err)
	}
	readAnswer(t, c)
	if rest := ends(t, c); rest != "" {
		t.Errorf("then came %q", rest)
	}
}

// A body that stops coming is 408, one that never ends is 413, and one that
// turns out not to be one is 400. It is not the node's fault.
func TestBadBodies(t *testing.T) {
	limits := DefaultLimits()
	limits.Stall = 50 * time.Millisecond
	limits.Body = 1 << 20
	tests := []struct {
		why, head string
		more      string // sent until the answer comes
		status    string
	}{
		{"stops", "Content-Length: 10\r\n\r\nabc", "", "408"},
		{"endless chunks", "Transfer-Encoding: chunked\r\n\r\n", "400\r\n" + strings.Repeat("x", 1024) + "\r\n", "413"},
		{"bad chunks", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "-1\r\n", "400"},
		{"endless extensions", "Transfer-Encoding: chunked\r\n\r\n", "1;" + strings.Repeat("x", 50) + "\r\na\r\n", "413"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			r := newRig(t, limits, backend(t, echoPath))
			c := r.dial(t)
			if _, err := io.WriteString(c, "POST /one HTTP/1.1\r\nHost: h\r\n"+tt.head); err != nil {
				t.Fatal(err)
			}
			var wait sync.WaitGroup
			if tt.more != "" {
				wait.Go(func() {
					// Not all at once: the head has gone to the node by then.
					until(t, "the node is asked", func() bool { return r.cluster.Nodes()[0].InFlight == 1 || r.cluster.Nodes()[0].Requests > 0 })
					for {
						if _, err := io.WriteString(c, tt.more); err != nil {
							return
						}
					}
				})
			}
			if res := readAnswer(t, c); !strings.HasPrefix(res, tt.status+" ") {
				t.Errorf("answered %q, want %s", res, tt.status)
			}
			c.Close()
			wait.Wait()
			if n := r.settled(t)[0]; n.Errors != 0 {
				t.Errorf("it counts against the node: %+v", n)
			}
		})
	}
}

// A client that is reset is noticed while its node thinks, and the node's
// connection is closed, which tells the node.
func TestClientIsReset(t *testing.T) {
	limits := DefaultLimits()
	limits.Leave = 20 * time.Millisecond
	arrived, left := make(chan struct{}), make(chan struct{})
	r := newRig(t, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	}))
	c := r.dial(t)
	if _, err := io.WriteString(c, plain); err != nil {
		t.Fatal(err)
	}
	<-arrived
	_ = c.SetLinger(0)
	c.Close()
	<-left
	n := r.settled(t)[0]
	if n.Requests != 1 || n.Errors != 0 || r.cluster.Totals().Errors != 0 {
		t.Errorf("node %d requests %d errors, clients %d errors; want 1, 0, 0", n.Requests, n.Errors, r.cluster.Totals().Errors)
	}
}

// A client that does not take its answer is cut after Limits.Stall.
func TestClientDoesNotRead(t *testing.T) {
	limits := DefaultLimits()
	limits.Stall = 100 * time.Millisecond
	r := newRig(t, limits, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 64<<20))
	}))
	c := r.dial(t)
	if _, err := io.WriteString(c, plain); err != nil {
		t.Fatal(err)
	}
	until(t, "it has begun", func() bool { return r.meter.InFlight() == 1 })
	if n := r.settled(t)[0]; n.Errors != 0 {
		t.Errorf("it counts against the node: %+v", n)
	}
}

// An answer that stops coming is cut after Limits.Stall, and counts.
func TestNodeStalls(t *testing.T) {
	limits := DefaultLimits()
	limits.Stall = 50 * time.Millisecond
	r := newRig(t, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	res, err := r.client.Get(r.url + "/one")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); string(text) != "begun" || err == nil {
		t.Errorf("%q, %v: want the beginning and an error", text, err)
	}
	if n := r.settled(t)[0]; n.Errors != 1 || r.cluster.Totals().Errors != 1 {
		t.Errorf("node %d errors, clients %d, want 1 and 1", n.Errors, r.cluster.Totals().Errors)
	}
}

// HTTP/1.0 has no other sign of a body that broke off than a reset.
func TestBreaksOffForOldClient(t *testing.T) {
	r := newRig(t, DefaultLimits(), accepts(t, func(c *net.TCPConn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
	}))
	c := r.dial(t)
	if _, err := io.WriteString(c, "GET /one HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v: want a reset", text, err)
	}
}

// A node that answers something else than HTTP is 502, and not asked again for
// this request.
func TestNodeSpeaksNonsense(t *testing.T) {
	for why, answer := range map[string]string{
		"not HTTP":            "SSH-2.0-OpenSSH_9.2\r\n",
		"two framings":        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"an unasked upgrade":  "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
		"an endless head":     "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 100_000),
		"a body without need": "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
	} {
		t.Run(why, func(t *testing.T) {
			node := newTape(t, "\r\n\r\n", answer, answer)
			r := newRig(t, DefaultLimits(), node.addr)
			res, body := r.get(t, "/one")
			if res.StatusCode != http.StatusBadGateway || !strings.Contains(body, `"node":"n0"`) {
				t.Errorf("%d %s", res.StatusCode, body)
			}
			if node.conns != 1 {
				t.Errorf("%d connections, want 1", node.conns)
			}
		})
	}
}

// Connections that the node has closed while they were unused are no error,
// for whatever request: they are looked at before, and where there was no time
// for that the request is sent again.
func TestStaleConnections(t *testing.T) {
	node := &http.Server{Handler: http.HandlerFunc(echoPath)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	go func() { _ = node.Serve(listener) }()
	r := newRig(t, DefaultLimits(), addr)
	for range 20 {
		var wait sync.WaitGroup
		for range 8 {
			wait.Go(func() {
				if res, err := r.client.Get(r.url + "/one"); err != nil || res.StatusCode != 200 {
					t.Errorf("%v %v", res, err)
				} else {
					res.Body.Close()
				}
			})
		}
		wait.Wait()
		node.Close()
		node = &http.Server{Handler: http.HandlerFunc(echoPath)}
		if listener, err = net.Listen("tcp", addr); err != nil {
			t.Fatal(err)
		}
		go func() { _ = node.Serve(listener) }()
		for _, method := range []string{"GET", "POST"} {
			req, _ := http.NewRequest(method, r.url+"/one", nil)
			if res, err := r.client.Do(req); err != nil || res.StatusCode != 200 {
				t.Fatalf("%s after a restart: %v %v", method, res, err)
			} else {
				res.Body.Close()
			}
		}
	}
	node.Close()
}

// One node dies under load: requests that can be repeated do not fail.
func TestNodeDiesUnderLoad(t *testing.T) {
	dying := &http.Server{Handler: http.HandlerFunc(echoPath)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = dying.Serve(listener) }()
	r := newRig(t, DefaultLimits(), listener.Addr().String(), backend(t, echoPath), backend(t, echoPath))
	var done atomic.Int64
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := r.client.Get(r.url + "/one")
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != 200 {
					t.Errorf("status %d", res.StatusCode)
					return
				}
				done.Add(1)
			}
		})
	}
	until(t, "requests pass", func() bool { return done.Load() > 200 })
	dying.Close()
	// What the health checker does, a little later.
	until(t, "it is suspected", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.suspect) > 0 })
	n := r.cluster.Nodes()[0]
	r.cluster.SetHealth(cluster.Member{ID: n.ID, Addr: n.Addr}, false)
	from := done.Load()
	until(t, "requests go on", func() bool { return done.Load() > from+200 })
	close(stop)
	wait.Wait()
}

// More requests than a node may have wait, up to a limit; then it is 503, at
// once, and nobody's fault.
func TestQueue(t *testing.T) {
	limits := DefaultLimits()
	limits.ConnsPerNode, limits.QueuePerNode = 1, 1
	arrived, release := make(chan struct{}, 4), make(chan struct{})
	r := newRig(t, limits, backend(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release }))
	results := make(chan int, 2)
	get := func() {
		res, err := r.client.Get(r.url + "/one")
		if err != nil {
			t.Error(err)
			results <- 0
			return
		}
		res.Body.Close()
		results <- res.StatusCode
	}
	go get()
	<-arrived
	go get()
	until(t, "the second one waits", func() bool { return r.meter.InFlight() == 2 })
	res, body := r.get(t, "/one")
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || !strings.Contains(body, "too many requests") {
		t.Errorf("%d %v %s", res.StatusCode, res.Header, body)
	}
	close(release)
	for range 2 {
		if status := <-results; status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	if n := r.settled(t)[0]; n.Requests != 3 || n.Errors != 0 {
		t.Errorf("%+v", n)
	}
}

// A request in the queue does not wait for ever.
func TestQueueTimeout(t *testing.T) {
	limits := DefaultLimits()
	limits.ConnsPerNode, limits.Queue = 1, 20*time.Millisecond
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	r := newRig(t, limits, backend(t, func(http.ResponseWriter, *http.Request) { arrived <- struct{}{}; <-release }))
	var wait sync.WaitGroup
	wait.Go(func() { r.get(t, "/one") })
	<-arrived
	if res, _ := r.get(t, "/one"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("status %d", res.StatusCode)
	}
	close(release)
	wait.Wait()
}

// All tries together end with Limits.Total.
func TestTotal(t *testing.T) {
	limits := DefaultLimits()
	limits.Total = 50 * time.Millisecond
	r := newRig(t, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	if res, _ := r.get(t, "/one"); res.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("status %d", res.StatusCode)
	}
}

// One connection too many is told so.
func TestTooManyClients(t *testing.T) {
	limits := DefaultLimits()
	limits.Clients = 2
	r := newRig(t, limits, backend(t, echoPath))
	first, second := r.dial(t), r.dial(t)
	for _, c := range []*net.TCPConn{first, second} {
		if _, err := io.WriteString(c, plain); err != nil {
			t.Fatal(err)
		}
		readAnswer(t, c)
	}
	if text := ends(t, r.dial(t)); !strings.HasPrefix(text, "HTTP/1.1 503 ") {
		t.Errorf("the third one got %q", text)
	}
	first.Close()
	until(t, "there is room again", func() bool {
		c := r.dial(t)
		defer c.Close()
		_, _ = io.WriteString(c, plain)
		b := make([]byte, 12)
		n, _ := io.ReadFull(c, b)
		return string(b[:n]) == "HTTP/1.1 200"
	})
}
