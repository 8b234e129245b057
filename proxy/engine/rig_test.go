package engine

import (
	"bufio"
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

const patience = 20 * time.Second // for what must happen; nothing waits for it to pass

// rig is a data plane with one cluster, "one".
type rig struct {
	*Engine
	cluster *cluster.Cluster
	meter   *instance.Meter
	addr    string
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
	return newRigWith(t, Config{Limits: l, Log: slog.New(slog.DiscardHandler)}, addrs...)
}

func newRigWith(t testing.TB, with Config, addrs ...string) *rig {
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
	with.Clusters, with.Meter, with.Suspect = []*cluster.Cluster{c}, r.meter, r
	r.Engine = New(with)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = listener.Addr().String()
	r.url = "http://" + r.addr
	served := make(chan error, 1)
	go func() { served <- r.Serve(listener) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, DisableCompression: true}
	r.client = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve: %v", err)
		}
	})
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

// dial gives a connection to the data plane that fails rather than hang.
func (r *rig) dial(t testing.TB) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn)
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

func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if condition() {
			return
		}
	}
	t.Fatalf("not within %s: %s", patience, what)
}

func backend(t testing.TB, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(s.Close)
	return s.URL
}

// refuses is an address that nobody listens on.
func refuses(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// rude accepts connections, reads one request from each, and resets it.
func rude(t *testing.T) string {
	return accepts(t, func(c *net.TCPConn) {
		if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
		}
		_ = c.SetLinger(0)
	})
}

// accepts is a node made by hand: each of its connections is given to f, and
// then closed.
func accepts(t testing.TB, f func(*net.TCPConn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wait.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wait.Go(func() { defer c.Close(); f(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		wait.Wait()
	})
	return l.Addr().String()
}

func echoPath(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, r.URL.Path)
}

// readAnswer gives status and body of the next answer.
func readAnswer(t testing.TB, c net.Conn) string {
	t.Helper()
	// One byte at a time: what follows belongs to the next answer.
	res, err := http.ReadResponse(bufio.NewReaderSize(oneByOne{c}, 16), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, body)
}

type oneByOne struct{ io.Reader }

func (r oneByOne) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(1, len(p))]) }
