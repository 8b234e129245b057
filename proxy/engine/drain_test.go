package engine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// Under load, strategies change, nodes leave and come back, and the proxy
// drains: every request that was sent is answered well.
func TestChangeAndDrainUnderLoad(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, echoPath), backend(t, echoPath), backend(t, echoPath))
	var members []cluster.Member
	for _, n := range r.cluster.Nodes() {
		members = append(members, cluster.Member{ID: n.ID, Addr: n.Addr})
	}
	var answered, last atomic.Int64
	var wait sync.WaitGroup
	for range 16 {
		wait.Go(func() {
			for {
				c, err := net.Dial("tcp", r.addr)
				if err != nil {
					return // it takes no new connections: the drain has begun
				}
				if !r.ask(t, c, &answered) {
					last.Add(1)
				}
				c.Close()
			}
		})
	}
	more := func() {
		from := answered.Load()
		until(t, "requests go on", func() bool { return answered.Load() > from+300 })
	}
	for i, rule := range strategy.Names() {
		if err := r.cluster.SetStrategy(rule); err != nil {
			t.Fatal(err)
		}
		more()
		away := i % len(members)
		r.cluster.Sync(append(append([]cluster.Member{}, members[:away]...), members[away+1:]...))
		more()
		r.cluster.Sync(members)
		r.cluster.SetHealth(members[away], true)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	wait.Wait()
	if last.Load() < 16 {
		t.Errorf("%d connections were told that an answer is the last one, want all 16", last.Load())
	}
	if errs := r.cluster.Totals().Errors; errs != 0 {
		t.Errorf("%d errors", errs)
	}
}

// ask makes requests on c until it is told that the connection ends; false.
// An end without being told is an error.
func (r *rig) ask(t *testing.T, c net.Conn, answered *atomic.Int64) bool {
	in := bufio.NewReader(c)
	for {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, plain); err != nil {
			t.Error(err)
			return true
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			// A connection that was in the accept queue when the listener closed.
			if answered.Load() > 0 && r.draining.Load() && in.Buffered() == 0 && errors.Is(err, io.ErrUnexpectedEOF) {
				return true
			}
			t.Error(err)
			return true
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("status %d", res.StatusCode)
		}
		answered.Add(1)
		if res.Close {
			return false
		}
	}
}

// While it drains: a connection without a request is closed after Quiet, one
// whose request comes before that gets its answer, and a tunnel does not keep
// the proxy.
func TestDrain(t *testing.T) {
	limits := DefaultLimits()
	limits.Quiet = 300 * time.Millisecond
	release := make(chan struct{})
	r := newRig(t, limits, accepts(t, func(c *net.TCPConn) {
		b := bufio.NewReader(c)
		for {
			req, err := http.ReadRequest(b)
			if err != nil {
				return
			}
			switch req.URL.Path {
			case "/one/tunnel":
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
				_, _ = io.Copy(io.Discard, b)
				return
			case "/one/slow":
				<-release
			}
			_, _ = io.WriteString(c, short)
		}
	}))
	quiet, late, slow, tunnel := r.dial(t), r.dial(t), r.dial(t), r.dial(t)
	for _, c := range []*net.TCPConn{quiet, late} {
		says(t, c, plain, shortBack)
	}
	_, _ = io.WriteString(tunnel, "GET /one/tunnel HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	hears(t, tunnel, "HTTP/1.1 101 Switching Protocols\r\n")
	_, _ = io.WriteString(slow, strings.Replace(plain, "/one", "/one/slow", 1))
	until(t, "the slow request is on its way", func() bool { return r.meter.InFlight() == 1 })

	done := make(chan error, 1)
	go func() { done <- r.Shutdown(t.Context()) }()
	until(t, "it drains", r.draining.Load)
	const closing = "HTTP/1.1 200 OK\r\nVia: 1.1 fairlead\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
	says(t, late, plain, closing)
	if rest := ends(t, late); rest != "" {
		t.Errorf("then came %q", rest)
	}
	if rest := ends(t, quiet); rest != "" {
		t.Errorf("the quiet one got %q", rest)
	}
	select {
	case err := <-done:
		t.Fatalf("it did not wait for the slow request: %v", err)
	default:
	}
	close(release)
	hears(t, slow, closing)
	if err := <-done; err != nil {
		t.Error(err)
	}
	_, _ = io.ReadAll(tunnel) // ends
}

// A drain that runs out of time cuts what is left, and says so.
func TestDrainRunsOut(t *testing.T) {
	r := newRig(t, DefaultLimits(), backend(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	c := r.dial(t)
	_, _ = io.WriteString(c, plain)
	until(t, "the request is on its way", func() bool { return r.meter.InFlight() == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if n := r.settled(t)[0]; n.Errors != 0 {
		t.Errorf("it counts against the node: %+v", n)
	}
}
