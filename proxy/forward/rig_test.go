package forward

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
