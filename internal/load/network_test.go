package load

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

func addrOf(s *httptest.Server) string { return s.Listener.Addr().String() }

// A thousand requests at once from four workers to real servers, every one
// answered, counted by node, in both framings of a body.
func TestBurstOverTheNetwork(t *testing.T) {
	var served, arrived atomic.Int64
	node := func(id, body string, chunked bool) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served.Add(1)
			if r.URL.RequestURI() != "/cluster1?cpu=1ms" {
				t.Errorf("asked for %s", r.URL.RequestURI())
			}
			w.Header().Set("X-Fairlead-Node", id)
			for part := range strings.SplitSeq(body, " ") {
				io.WriteString(w, part)
				if chunked {
					w.(http.Flusher).Flush()
				}
			}
		}))
	}
	a, b := node("i-a", "0123456789 0123456789", false), node("i-b", "abc def ghi", true)
	defer a.Close()
	defer b.Close()
	aim := bench.Aim{
		T0: time.Now().Add(200 * time.Millisecond), Shards: 4, Path: "/cluster1?cpu=1ms",
		Load:      bench.Load{Kind: bench.LoadBurst, Requests: 1000},
		Endpoints: []bench.Endpoint{{Node: "i-a", Addr: addrOf(a)}, {Node: "i-b", Addr: addrOf(b)}},
	}
	pace, err := newPacer()
	if err != nil {
		t.Fatal(err)
	}
	defer pace.close()
	var mu sync.Mutex // the workers share this test's pacer
	sum, _ := runShards(t, aim, seams{
		dial: func(ctx context.Context, addr string) (net.Conn, error) {
			arrived.Add(1)
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
		wait: func(ctx context.Context, at time.Time) error {
			mu.Lock()
			defer mu.Unlock()
			return pace.until(ctx, at)
		},
		cpu: processCPU,
	})
	if sum.Planned != 1000 || sum.Requests != 1000 || sum.Errors != 0 || served.Load() != 1000 {
		t.Errorf("counts %+v, served %d", sum.Counts, served.Load())
	}
	if sum.Nodes["i-a"].Requests != 500 || sum.Nodes["i-b"].Requests != 500 {
		t.Errorf("nodes %v", sum.Nodes)
	}
	if want := int64(500*20 + 500*9); sum.Bytes != want {
		t.Errorf("%d body bytes, want %d", sum.Bytes, want)
	}
	if sum.FirstSend.Before(aim.T0) {
		t.Errorf("sent %v before T0", aim.T0.Sub(sum.FirstSend))
	}
	if arrived.Load() != 1000 {
		t.Errorf("%d connections for a burst of 1000", arrived.Load())
	}
	if sum.LatencyMs.P50 <= 0 || sum.LatencyMs.Max < sum.LatencyMs.P99 || sum.ActualMs != sum.LatencyMs {
		t.Errorf("latency %+v, actual %+v", sum.LatencyMs, sum.ActualMs)
	}
}

func TestRefusedConnectionsAreRecorded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close() // nobody listens there now
	r, err := Run(t.Context(), Spec{Worker: "w", Aim: bench.Aim{
		T0: time.Now().Add(20 * time.Millisecond), Shards: 1, Path: "/", Load: bench.Load{Kind: bench.LoadBurst, Requests: 20},
		Endpoints: []bench.Endpoint{{Node: "i-gone", Addr: addr}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Tally.Failures[FailureRefused] != 20 || r.Tally.Errors != 20 || r.Tally.Nodes["i-gone"].Errors != 20 {
		t.Errorf("counts %+v", r.Tally.Counts)
	}
}

// A server may close a kept connection when it likes. If it did so before the
// request was written, the request goes on another one and nothing failed.
func TestConnectionClosedWhileIdleIsNoFailure(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	closed := make(chan struct{}, 100)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	p := newPool(bench.Aim{Path: "/", Endpoints: []bench.Endpoint{{Addr: addrOf(server)}}}, func(ctx context.Context, addr string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", addr)
	})
	defer p.abort()
	w := &worker{timeout: time.Minute, conns: p, rec: newRecorder(false, time.Minute)}
	if !w.sendCold(t.Context(), 0, time.Time{}, time.Now()) {
		t.Fatalf("the first request failed: %+v", w.rec.counts)
	}
	server.CloseClientConnections()
	<-closed
	soon := time.Now().Add(2 * idleTrust)
	if c := p.take(0, soon); c != nil {
		t.Error("the closed connection was given out again")
	}
	w.send(t.Context(), 0, time.Time{})
	w.sends.Wait()
	if c := w.rec.counts; c.Requests != 2 || c.Errors != 0 {
		t.Errorf("counts %+v", c)
	}
}

func TestServerErrorsAndBrokenAnswers(t *testing.T) {
	for _, tc := range []struct {
		why, answer string
		status      string
		failure     string
	}{
		{"a 503 is an answer and an error", "HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno", "503", ""},
		{"an interim answer is not the answer", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200", ""},
		{"no length: the body ends with the connection", "HTTP/1.0 200 OK\r\n\r\nall of it", "200", ""},
		{"204 has no body", "HTTP/1.1 204 No Content\r\n\r\n", "204", ""},
		{"chunks with extensions and trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: v\r\n\r\n", "200", ""},
		{"half a body", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "", FailureClosed},
		{"half a head", "HTTP/1.1 200 OK\r\nConte", "", FailureClosed},
		{"nothing at all", "", "", FailureClosed},
		{"another protocol", "SSH-2.0-OpenSSH_9.6\r\n", "", FailureMalformed},
		{"a chunk that lies about its size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n0\r\n\r\n", "", FailureMalformed},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "", FailureMalformed},
		{"an endless header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 9000) + "\r\n\r\n", "", FailureMalformed},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var serving sync.WaitGroup
		serving.Go(func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			if _, err := http.ReadRequest(newReader(c)); err == nil {
				io.WriteString(c, tc.answer)
				c.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, c) // until the client is through, so that no reset cuts the answer
			}
		})
		r, err := Run(t.Context(), Spec{Aim: bench.Aim{T0: time.Now(), Shards: 1, Path: "/", Load: bench.Load{Kind: bench.LoadBurst, Requests: 1},
			Endpoints: []bench.Endpoint{{Addr: l.Addr().String()}}}})
		l.Close()
		serving.Wait()
		if err != nil {
			t.Fatal(err)
		}
		c := r.Tally.Counts
		if tc.failure != "" && c.Failures[tc.failure] != 1 || tc.status != "" && c.Status[tc.status] != 1 || c.Requests != 1 {
			t.Errorf("%s: %+v", tc.why, c)
		}
	}
}

func TestSpecsThatCannotRun(t *testing.T) {
	good := bench.Aim{Shards: 2, Path: "/", Load: bench.Load{Kind: bench.LoadBurst, Requests: 10}, Endpoints: []bench.Endpoint{{Addr: "127.0.0.1:1"}}}
	for _, tc := range []struct {
		want   string
		change func(*Spec)
	}{
		{"shard 2 of 2", func(s *Spec) { s.Shard = 2 }},
		{"no endpoint", func(s *Spec) { s.Aim.Endpoints = nil }},
		{"not a request path", func(s *Spec) { s.Aim.Path = "/x HTTP/1.1\r\nEvil: 1" }},
		{"needs 1000 sockets", func(s *Spec) { s.Aim.Load.Requests = 2000 }},
		{"lacks its size", func(s *Spec) { s.Aim.Load = bench.Load{Kind: bench.LoadRate} }},
		{"unknown", func(s *Spec) { s.Aim.Load.Kind = "capacity" }},
	} {
		s := Spec{Aim: good}
		tc.change(&s)
		if _, err := Run(t.Context(), s); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want %q", err, tc.want)
		}
	}
}

// The pacer never returns early, and an ended context ends it.
func TestPacer(t *testing.T) {
	p, err := newPacer()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	for _, d := range []time.Duration{-time.Second, 0, 50 * time.Microsecond, 3 * time.Millisecond, 120 * time.Millisecond} {
		at := time.Now().Add(d)
		if err := p.until(t.Context(), at); err != nil || time.Now().Before(at) {
			t.Errorf("%v: error %v, %v early", d, err, time.Until(at))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := p.until(ctx, time.Now().Add(time.Hour)); err != context.Canceled {
		t.Errorf("error %v", err)
	}
	at := time.Now().Add(2 * time.Millisecond) // it still works afterwards
	if err := p.until(t.Context(), at); err != nil || time.Now().Before(at) {
		t.Errorf("after a cancelled wait: %v", err)
	}
}

// The balancer's own share, whatever its cores: 0.75 CPU seconds of 1 core.
func TestObserve(t *testing.T) {
	t0 := time.Unix(1_800_000_000, 0)
	sample := func(cpu float64) bench.NodeSamples {
		return bench.NodeSamples{Instance: bench.Instance{ID: "i-p", Group: "proxy", Role: bench.RoleProxy}, CPUs: 0.5,
			Seconds: []bench.Second{{T: t0.Unix() - 1, CPU: 0.5}, {T: t0.Unix(), CPU: cpu}, {T: t0.Unix() + 2, CPU: 0.5}}}
	}
	for _, tc := range []struct {
		cpu, share float64
		invalid    string
	}{
		{0.25, 0.5, "[]"},
		{0.49, 0.98, "[the balancer used 98 % of its CPU, the bound is 85 %: its nodes were not what was measured]"},
		{0.6, 1, "[the balancer used 100 % of its CPU, the bound is 85 %: its nodes were not what was measured]"}, // a sample may straddle
	} {
		tally := bench.Tally{FirstSend: t0.Add(time.Millisecond), LastDone: t0.Add(1500 * time.Millisecond)}
		Observe(&tally, []bench.NodeSamples{sample(tc.cpu)})
		if tally.BalancerCPU != tc.share || fmt.Sprint(tally.Invalid) != tc.invalid {
			t.Errorf("cpu %v: share %v, invalid %q", tc.cpu, tally.BalancerCPU, tally.Invalid)
		}
	}
	tally := bench.Tally{}
	Observe(&tally, []bench.NodeSamples{{Instance: bench.Instance{ID: "i-1", Group: "cluster1"}, Error: "connection refused"}})
	if fmt.Sprint(tally.Invalid) != "[i-1 of cluster1 is lost: connection refused]" {
		t.Errorf("invalid %q", tally.Invalid)
	}
}
