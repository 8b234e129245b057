package forward

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a data plane with one cluster, "one", and a server in front of it.
type rig struct {
	cluster *cluster.Cluster
	meter   *instance.Meter
	url     string
	client  *http.Client

	mu      sync.Mutex
	suspect []string // ids, in the order of suspicion
}

func (r *rig) Suspect(_ string, m cluster.Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.suspect = append(r.suspect, m.ID)
}

// newRig puts the addresses behind a data plane, as healthy nodes n0, n1, …
// which round-robin takes in this order.
func newRig(t testing.TB, l Limits, addrs ...string) *rig {
	t.Helper()
	c, err := cluster.New("one", "round-robin", strategy.Options{Rand: rand.New(rand.NewPCG(1, 2)), Penalty: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	members := make([]cluster.Member, len(addrs))
	for i, a := range addrs {
		members[i] = cluster.Member{ID: fmt.Sprintf("n%d", i), Addr: strings.TrimPrefix(a, "http://")}
	}
	c.Sync(members)
	for _, m := range members {
		c.SetHealth(m, true)
	}
	r := &rig{cluster: c, meter: new(instance.Meter)}
	p := New(Config{Clusters: []*cluster.Cluster{c}, Meter: r.meter, Suspect: r, Limits: l, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	t.Cleanup(p.Close)
	s := httptest.NewServer(p)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	r.url, r.client = s.URL, s.Client()
	return r
}

func (r *rig) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	res, err := r.client.Get(r.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// settled waits until nothing is in flight, and gives the nodes' figures.
func (r *rig) settled(t *testing.T) []cluster.NodeStats {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 10_000 {
		nodes := r.cluster.Nodes()
		if r.meter.InFlight() == 0 && !slices.ContainsFunc(nodes, func(n cluster.NodeStats) bool { return n.InFlight != 0 }) {
			return nodes
		}
		<-tick.C
	}
	t.Fatalf("something stays in flight: %d %+v", r.meter.InFlight(), r.cluster.Nodes())
	return nil
}

func node(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	return s.URL
}

// refused is an address that nobody listens on.
func refused(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// rude accepts connections, reads one request's head from each, and resets it.
func rude(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				_, _ = io.Copy(io.Discard, req.Body)
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wait.Wait() })
	return l.Addr().String()
}

func TestHeaders(t *testing.T) {
	var got *http.Request
	r := newRig(t, DefaultLimits(), node(t, func(w http.ResponseWriter, req *http.Request) {
		got = req
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("X-End", "2")
		w.Header().Set("Via", "1.1 origin")
	}))
	req, err := http.NewRequest("GET", r.url+"/one/a%2Fb?q=1;2&z", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example:8080"
	for name, value := range map[string]string{
		"Connection": "X-Mine", "X-Mine": "1", "Proxy-Authorization": "secret", "Te": "gzip", "X-Other": "2",
		"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil", "X-Forwarded-Proto": "https", "Forwarded": "for=6.6.6.6", "Via": "1.0 fred",
	} {
		req.Header.Set(name, value)
	}
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got.RequestURI != "/one/a%2Fb?q=1;2&z" {
		t.Errorf("the node was asked for %s, want it unchanged", got.RequestURI)
	}
	wantRequest := map[string]string{
		"X-Mine": "", "Proxy-Authorization": "", "Te": "", "Connection": "", "X-Other": "2",
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "shop.example:8080", "X-Forwarded-Proto": "http", "Forwarded": "",
		"Via": "1.0 fred, 1.1 fairlead",
	}
	for name, want := range wantRequest {
		if v := got.Header.Get(name); v != want {
			t.Errorf("request %s = %q, want %q", name, v, want)
		}
	}
	if got.Host != "shop.example:8080" {
		t.Errorf("Host = %s, want the client's", got.Host)
	}
	for name, want := range map[string]string{"X-Hop": "", "Keep-Alive": "", "X-End": "2", "Via": "1.1 origin, 1.1 fairlead"} {
		if v := res.Header.Get(name); v != want {
			t.Errorf("response %s = %q, want %q", name, v, want)
		}
	}
}

func TestFailures(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	limits := DefaultLimits()
	limits.Answer = 30 * time.Millisecond
	tests := []struct {
		why    string
		addr   string // none: no nodes at all
		path   string
		status int
		body   string
		failed bool // counts against the node
	}{
		{"no such cluster", "", "/two", 404, `{"error":"not found"}`, false},
		{"no nodes", "", "/one", 503, `{"error":"Service Unavailable","reason":"one has no running nodes","cluster":"one"}`, false},
		{"nobody listens", refused(t), "/one", 502, `{"error":"Bad Gateway","reason":"the node refuses connections","cluster":"one","node":"n0"}`, true},
		{"resets", rude(t), "/one", 502, `"node":"n0"`, true},
		{"hangs", node(t, hang), "/one", 504, `{"error":"Gateway Timeout","reason":"the node does not answer in time","cluster":"one","node":"n0"}`, true},
		{"the node's own 500 passes", node(t, status(500)), "/one", 500, ``, true},
		{"too many requests is a failure too", node(t, status(429)), "/one", 429, ``, true},
		{"the client's mistake is not", node(t, status(400)), "/one", 400, ``, false},
		{"nothing to send", node(t, status(204)), "/one", 204, ``, false},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			var addrs []string
			if tt.addr != "" {
				addrs = []string{tt.addr}
			}
			r := newRig(t, limits, addrs...)
			res, body := r.get(t, tt.path)
			if res.StatusCode != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("%d %s, want %d %s", res.StatusCode, body, tt.status, tt.body)
			}
			if tt.body != "" && res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type %q", res.Header.Get("Content-Type"))
			}
			if tt.status == 503 && res.Header.Get("Retry-After") == "" {
				t.Error("503 without Retry-After")
			}
			for _, n := range r.settled(t) {
				if (n.Errors > 0) != tt.failed {
					t.Errorf("the node has %d errors in %d requests, want failed %v", n.Errors, n.Requests, tt.failed)
				}
			}
			wantErrors := int64(0)
			if tt.failed || tt.status == 503 {
				wantErrors = 1
			}
			if total := r.cluster.Totals(); tt.status != 404 && (total.Requests != 1 || total.Errors != wantErrors) {
				t.Errorf("clients saw %d requests and %d errors, want 1 and %d", total.Requests, total.Errors, wantErrors)
			}
		})
	}
}

func TestRetries(t *testing.T) {
	good := node(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	failing := node(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	none := refused(t)
	tests := []struct {
		why          string
		method, body string
		nodes        []string
		status       int
		requests     []int64 // per node
	}{
		{"not sent: another node", "GET", "", []string{none, good}, 200, []int64{1, 1}},
		{"not sent: even if it is not idempotent, body and all", "POST", "order", []string{none, good}, 200, []int64{1, 1}},
		{"nobody else to try", "GET", "", []string{none, none}, 502, []int64{1, 1}},
		{"three tries and no more", "GET", "", []string{none, none, none, none}, 502, []int64{1, 1, 1, 0}},
		{"broke off before the answer: idempotent", "GET", "", []string{rude(t), good}, 200, []int64{1, 1}},
		{"broke off: an order may have been taken", "POST", "order", []string{rude(t), good}, 502, []int64{1, 0}},
		{"broke off: how much of the body went is not known", "PUT", "state", []string{rude(t), good}, 502, []int64{1, 0}},
		{"an answer is an answer", "GET", "", []string{failing, good}, 503, []int64{1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			r := newRig(t, DefaultLimits(), tt.nodes...)
			req, err := http.NewRequest(tt.method, r.url+"/one", io.NopCloser(strings.NewReader(tt.body)))
			if err != nil {
				t.Fatal(err)
			}
			if tt.body == "" {
				req.Body = nil
			}
			res, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != tt.status || tt.status == 200 && string(text) != tt.body {
				t.Errorf("%d %q, want %d %q", res.StatusCode, text, tt.status, tt.body)
			}
			for i, n := range r.settled(t) {
				if n.Requests != tt.requests[i] {
					t.Errorf("%s had %d requests, want %d", n.ID, n.Requests, tt.requests[i])
				}
			}
			if tt.nodes[0] == none && (len(r.suspect) == 0 || r.suspect[0] != "n0") {
				t.Errorf("suspected %v, want n0, which refuses connections", r.suspect)
			}
		})
	}
}

// Retries stop when the budget is spent: 10 at first, and 1 for 5 requests.
func TestBudget(t *testing.T) {
	at := time.Unix(0, 0)
	b := newBudget(at)
	spent := func(tries int) (n int) {
		for range tries {
			if b.spend(at) {
				n++
			}
		}
		return n
	}
	if n := spent(100); n != 10 {
		t.Errorf("%d retries at first, want 10", n)
	}
	for range 50 {
		b.deposit(at)
	}
	if n := spent(100); n < 9 || n > 10 {
		t.Errorf("%d retries after 50 requests, want 20 %%", n)
	}
	at = at.Add(2 * time.Second)
	if n := spent(100); n != 20 {
		t.Errorf("%d retries after 2 s, want 20", n)
	}
	at = at.Add(time.Hour)
	if n := spent(1000); n != budgetMost {
		t.Errorf("%d retries after an hour, want no more than %d", n, budgetMost)
	}
	if at = at.Add(-time.Hour); b.spend(at) {
		t.Error("a clock that goes back gives a retry")
	}
}

// A client that gives up neither counts as an error nor against the node.
func TestClientGivesUp(t *testing.T) {
	arrived := make(chan struct{})
	r := newRig(t, DefaultLimits(), node(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done() // the proxy passes it on
	}))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/one", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-arrived; cancel() }()
	if _, err := r.client.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	n := r.settled(t)[0]
	if n.Requests != 1 || n.Errors != 0 || r.cluster.Totals().Errors != 0 {
		t.Errorf("node %d requests %d errors, clients %d errors; want 1, 0, 0", n.Requests, n.Errors, r.cluster.Totals().Errors)
	}
}

// An answer that breaks off is an error for the client and for the node.
func TestAnswerBreaksOff(t *testing.T) {
	r := newRig(t, DefaultLimits(), node(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, "only this")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	res, err := r.client.Get(r.url + "/one")
	if err == nil {
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("the client saw no error")
	}
	if n := r.settled(t)[0]; n.Errors != 1 || r.cluster.Totals().Errors != 1 {
		t.Errorf("node %d errors, clients %d, want 1 and 1", n.Errors, r.cluster.Totals().Errors)
	}
}

// A long answer passes while it is being made, and the node counts as busy
// until its end.
func TestStreams(t *testing.T) {
	step := make(chan struct{})
	r := newRig(t, DefaultLimits(), node(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "first")
		_ = http.NewResponseController(w).Flush()
		<-step
		fmt.Fprint(w, strings.Repeat("x", 1<<20))
	}))
	res, err := r.client.Get(r.url + "/one")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	five := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, five); err != nil || string(five) != "first" {
		t.Fatalf("%q %v, want the first part before the rest exists", five, err)
	}
	if n := r.cluster.Nodes()[0]; n.InFlight != 1 || n.Requests != 0 {
		t.Errorf("%d in flight, %d ended, want 1 and 0", n.InFlight, n.Requests)
	}
	close(step)
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) != 1<<20 {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
	if n := r.settled(t)[0]; n.Requests != 1 || n.Errors != 0 {
		t.Errorf("%+v", n)
	}
}

func TestLargeUpload(t *testing.T) {
	r := newRig(t, DefaultLimits(), node(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d %v", n, err)
	}))
	const size = 8 << 20
	res, err := r.client.Post(r.url+"/one", "text/plain", io.LimitReader(zeros{}, size)) // chunked
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != fmt.Sprintf("%d <nil>", size) {
		t.Errorf("the node saw %s, %v", text, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// An upgraded connection is a tunnel; it does not count as a request in flight.
func TestUpgrade(t *testing.T) {
	r := newRig(t, DefaultLimits(), node(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := buf.ReadString('\n')
		fmt.Fprint(conn, strings.ToUpper(line))
	}))
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /one HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	buf := bufio.NewReader(conn)
	res, err := http.ReadResponse(buf, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", res, err)
	}
	if n := r.cluster.Nodes()[0]; n.InFlight != 0 || n.Requests != 1 || n.Errors != 0 {
		t.Errorf("%+v, want the request ended and the tunnel not in flight", n)
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := buf.ReadString('\n'); err != nil || line != "HELLO\n" {
		t.Errorf("%q %v", line, err)
	}
}

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
	if _, err := d.dial(ctx, "tcp", addr); !isDialError(err) || !errors.Is(err, context.Canceled) {
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
	b := &balanced{cluster: r.cluster, next: stub, budget: newBudget(time.Now()), suspect: r, now: time.Now}
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
