package loadprobe

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a backend that tells a load, and counts connections and probes.
type node struct {
	*httptest.Server
	probes, conns atomic.Int64
	member        cluster.Member
}

func start(t *testing.T, h http.HandlerFunc) *node {
	t.Helper()
	n := new(node)
	n.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.probes.Add(1)
		if r.Method != http.MethodGet || r.URL.Path != "/load" {
			t.Errorf("asked for %s %s", r.Method, r.URL)
		}
		h(w, r)
	}))
	n.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			n.conns.Add(1)
		}
	}
	n.Start()
	t.Cleanup(n.Close)
	n.member = cluster.Member{ID: "i-1", Addr: strings.TrimPrefix(n.URL, "http://")}
	return n
}

func tells(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set(cluster.LoadHeader, text)
		w.WriteHeader(http.StatusNoContent)
	}
}

// answers gives the answers of k probes of a node, asked again until it has told.
func answers(t *testing.T, s Settings, n *node, k int) []strategy.Load {
	t.Helper()
	c, err := cluster.New("c", "prequal", strategy.Options{Rand: rand.New(rand.NewPCG(1, 2)), Penalty: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	p := New(s, c)
	defer p.Close()
	told := make(chan strategy.Load, 100)
	p.tell = func(_ time.Time, m cluster.Member, l strategy.Load) {
		if m != n.member {
			t.Errorf("told of %+v, want %+v", m, n.member)
		}
		told <- l
	}
	var got []strategy.Load
	ask := time.NewTicker(100 * time.Microsecond)
	defer ask.Stop()
	patience := time.After(20 * time.Second)
	for len(got) < k {
		select {
		case <-ask.C:
			p.ask(n.member)
		case l := <-told:
			got = append(got, l)
		case <-patience:
			t.Fatalf("%d answers of %d", len(got), k)
		}
	}
	return got
}

func TestAsksOverOneConnection(t *testing.T) {
	n := start(t, tells("3;1250"))
	for _, l := range answers(t, Defaults(), n, 20) {
		if want := (strategy.Load{InFlight: 3, Latency: 1250 * time.Microsecond}); l != want {
			t.Fatalf("told %+v, want %+v", l, want)
		}
	}
	if k := n.conns.Load(); k != 1 {
		t.Errorf("%d connections, want one", k)
	}
}

func TestProbesAreBounded(t *testing.T) {
	s := Defaults()
	s.Gap = 20 * time.Millisecond
	n := start(t, tells("0;1"))
	begun := time.Now()
	answers(t, s, n, 6) // asked for a hundred times as often
	if took := time.Since(begun); took < 5*s.Gap {
		t.Errorf("6 probes within %s, want a gap of %s between two", took, s.Gap)
	}
}

// Whatever a node answers, the next probe is not confused by it.
func TestAnswers(t *testing.T) {
	tests := []struct {
		why   string
		conns int64 // for two probes
		h     http.HandlerFunc
	}{
		{"a short body is read", 1, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(cluster.LoadHeader, "1;2")
			_, _ = io.WriteString(w, strings.Repeat("x", 1000))
		}},
		{"a long body ends the connection", 2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(cluster.LoadHeader, "1;2")
			w.Header().Set("Content-Length", "100000")
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		}},
		{"so does a chunked one", 2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(cluster.LoadHeader, "1;2")
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "x")
		}},
		{"and a node that wants to", 2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			tells("1;2")(w, nil)
		}},
	}
	for _, tt := range tests {
		n := start(t, tt.h)
		for _, l := range answers(t, Defaults(), n, 2) {
			if want := (strategy.Load{InFlight: 1, Latency: 2 * time.Microsecond}); l != want {
				t.Errorf("%s: told %+v, want %+v", tt.why, l, want)
			}
		}
		// The prober may have begun a third probe.
		if k := n.conns.Load(); k < tt.conns || k > n.probes.Load() {
			t.Errorf("%s: %d connections, want %d", tt.why, k, tt.conns)
		}
	}
}

// A node without the endpoint, or that answers nonsense, is not asked
// incessantly; one that comes back is asked again.
func TestNodesThatDoNotTell(t *testing.T) {
	s := Defaults()
	s.Retry = 20 * time.Millisecond
	var asked atomic.Int64
	n := start(t, func(w http.ResponseWriter, r *http.Request) {
		switch asked.Add(1) {
		case 1:
			http.NotFound(w, r)
		case 2:
			tells("many;soon")(w, r)
		case 3:
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			fmt.Fprint(conn, "HTTP/1.1 204 No Content\r\nX-Fairlead-Load 1;1\r\n\r\n")
			conn.Close()
		default:
			tells("7;8")(w, r)
		}
	})
	begun := time.Now()
	if l := answers(t, s, n, 1)[0]; l.InFlight != 7 {
		t.Errorf("told %+v, want the first answer that makes sense", l)
	}
	if took := time.Since(begun); took < 2*s.Retry { // the third is asked again at once, over a new connection
		t.Errorf("three bad answers and a good one within %s, want two pauses of %s", took, s.Retry)
	}
}

// A goroutine whose node is not asked any more ends, and comes back when it is.
func TestIdleLinesEnd(t *testing.T) {
	s := Defaults()
	s.Idle = 10 * time.Millisecond
	n := start(t, tells("0;1"))
	c, err := cluster.New("c", "prequal", strategy.Options{Rand: rand.New(rand.NewPCG(1, 2))})
	if err != nil {
		t.Fatal(err)
	}
	p := New(s, c)
	defer p.Close()
	for round := range int64(2) {
		p.ask(n.member)
		deadline := time.Now().Add(20 * time.Second)
		for {
			p.mu.Lock()
			left := len(p.lines)
			p.mu.Unlock()
			if left == 0 && n.probes.Load() == round+1 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %d lines, %d probes", round, left, n.probes.Load())
			}
			time.Sleep(time.Millisecond) // polls
		}
	}
	p.Close()
	p.ask(n.member) // after the end: nothing
	if len(p.lines) != 0 {
		t.Error("asked after Close")
	}
}
