package steps

import (
	"context"
	"encoding/json"
	"fmt"
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

// site is a fleet of real servers: nodes and a proxy that passes requests on in
// turn. Addresses are those of the fleet; its client finds the servers behind them.
type site struct {
	t       *testing.T
	fleet   bench.Fleet
	servers map[string]string // fleet address to listener

	mu       sync.Mutex
	calls    []string          // of the proxy's admin port
	health   map[string]string // by node: "" healthy, "unhealthy", "unseen"
	mute     map[string]bool   // nodes that the proxy never chooses
	partial  bool              // programs tell of the present second too
	cpu      float64           // CPU seconds that each program tells for each second
	turn     atomic.Int64
	strategy string
	reset    chan struct{} // one for each reset of the proxy
}

func newSite(t *testing.T, nodes int) *site {
	s := &site{t: t, servers: map[string]string{}, health: map[string]string{}, mute: map[string]bool{}, partial: true, cpu: 0.1, reset: make(chan struct{}, 100)}
	for n := range nodes {
		id := fmt.Sprintf("i-%d", n+1)
		i := bench.Instance{ID: id, Group: "one", Role: bench.RoleNode, Type: "t2.micro", PrivateIP: fmt.Sprintf("10.0.0.%d", n+1)}
		s.fleet.Instances = append(s.fleet.Instances, i)
		s.serve(nodeAddr(i), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.node(w, r, id) }))
	}
	p := bench.Instance{ID: "i-p", Group: bench.ProxyGroup, Role: bench.RoleProxy, Type: "c7i.large", PrivateIP: "10.0.0.99"}
	s.fleet.Instances = append(s.fleet.Instances, p)
	s.serve(proxyAddr(p), http.HandlerFunc(s.pass))
	s.serve(controlAddr(p), http.HandlerFunc(s.admin))
	return s
}

func (s *site) serve(addr string, h http.Handler) {
	server := httptest.NewServer(h)
	s.t.Cleanup(server.Close)
	s.servers[addr] = strings.TrimPrefix(server.URL, "http://")
}

func (s *site) client() *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		s.mu.Lock()
		real, ok := s.servers[addr]
		s.mu.Unlock()
		if !ok {
			return nil, fmt.Errorf("dial %s: connection refused", addr)
		}
		return new(net.Dialer).DialContext(ctx, network, real)
	}}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// lose makes an instance's addresses unreachable.
func (s *site) lose(i bench.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.servers, nodeAddr(i))
	delete(s.servers, controlAddr(i))
}

func (s *site) node(w http.ResponseWriter, r *http.Request, id string) {
	if r.URL.Path == "/stats" {
		s.stats(w, nil)
		return
	}
	w.Header().Set("X-Fairlead-Node", id)
	fmt.Fprintln(w, "{}")
}

func (s *site) pass(w http.ResponseWriter, r *http.Request) {
	var nodes []string
	s.mu.Lock()
	for _, i := range members(s.fleet, "one") {
		if !s.mute[i.ID] {
			nodes = append(nodes, i.ID)
		}
	}
	s.mu.Unlock()
	if len(nodes) == 0 || !strings.HasPrefix(r.URL.Path, "/one") {
		http.Error(w, "no node", http.StatusServiceUnavailable)
		return
	}
	s.node(w, r, nodes[int(s.turn.Add(1))%len(nodes)])
}

func (s *site) admin(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "PUT /strategy":
		var in struct{ Strategy string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		s.strategy = in.Strategy
		s.calls = append(s.calls, "strategy "+in.Strategy)
	case "POST /reset":
		s.calls = append(s.calls, "reset")
		s.reset <- struct{}{}
	case "GET /stats":
		var nodes []map[string]any
		for _, i := range members(s.fleet, "one") {
			if h := s.health[i.ID]; h != "unseen" {
				nodes = append(nodes, map[string]any{"id": i.ID, "healthy": h == ""})
			}
		}
		s.stats(w, map[string]any{"one": map[string]any{"nodes": nodes}})
	default:
		http.NotFound(w, r)
	}
}

// stats tells of the last five seconds.
func (s *site) stats(w http.ResponseWriter, clusters any) {
	now := time.Now().Unix()
	var seconds []bench.Second
	for at := now - 5; at <= now; at++ {
		if at < now || s.partial {
			seconds = append(seconds, bench.Second{T: at, CPU: s.cpu, Steal: 0.5, Requests: 7})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"vcpus": 2, "cpus": 0.5, "emulation": map[string]any{"emulator": "test", "scale": 0.25}, "seconds": seconds, "clusters": clusters,
	})
}
