package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/refusal"
	"github.com/fairlead/fairlead/proxy/retry"
)

// A burst opens at most as many connections as allowed, the rest wait for one,
// and the next burst opens none.
func TestConnectionsAreLimitedAndKept(t *testing.T) {
	const most, burst = 8, 200
	opened := 0
	var mu sync.Mutex
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			defer mu.Unlock()
			opened++
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	limits := DefaultLimits()
	limits.ConnsPerNode = most
	r := newRig(t, limits, s.URL)
	for range 3 {
		var wait sync.WaitGroup
		for range burst {
			wait.Go(func() {
				res, err := r.client.Get(r.url + "/one")
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("status %d", res.StatusCode)
				}
			})
		}
		wait.Wait()
	}
	mu.Lock()
	defer mu.Unlock()
	if opened > most {
		t.Errorf("%d connections for %d requests at once, want at most %d", opened, burst, most)
	}
}

func TestDialTurns(t *testing.T) {
	d := &dialer{most: 1, turns: make(map[string]chan struct{})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.Addr().String()
	d.turn(addr) <- struct{}{} // somebody is dialling
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.dial(ctx, "tcp", addr); !refusal.IsDial(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a dial error that says cancelled", err)
	}
	<-d.turn(addr)
	conn, err := d.dial(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if len(d.turn(addr)) != 0 {
		t.Error("the turn was not given back")
	}
}

// BenchmarkForward is a whole request over loopback: client, proxy and node in
// one process. allocs/op counts all three; TestAllocations bounds the proxy's.
func BenchmarkForward(b *testing.B) {
	r := newRig(b, DefaultLimits(), node(b, answer100))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := r.client.Get(r.url + "/one")
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	})
}

func answer100(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write(hundred)
}

var hundred = []byte(strings.Repeat("x", 100))

// What this package adds to ReverseProxy is a few small objects per request.
func TestAllocations(t *testing.T) {
	r := newRig(t, DefaultLimits(), "stub:80")
	stub := roundTrip(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
	})
	b := &balanced{cluster: r.cluster, next: stub, budget: retry.NewBudget(time.Now()), suspect: r, now: time.Now}
	req := httptest.NewRequest("GET", "/one", nil)
	allocs := testing.AllocsPerRun(1000, func() {
		res, err := b.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	})
	// Two are the stub's response and header map, one is the body that gives
	// the node back.
	if allocs > 4 {
		t.Errorf("%v allocations per request, want at most 4", allocs)
	}
	buffers := newBuffers()
	if allocs := testing.AllocsPerRun(1000, func() { buffers.Put(buffers.Get()) }); allocs > 0.1 {
		t.Errorf("%v allocations per borrowed buffer, want none", allocs)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
