package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/admin"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// twoClusters starts a world of 4 + 1 nodes with a proxy, and waits until all
// are healthy.
func twoClusters(t *testing.T, more ...string) (*world, []*node, *proxy) {
	t.Helper()
	w := newWorld(t)
	nodes := make([]*node, 4)
	for i := range nodes {
		nodes[i] = w.start(fmt.Sprintf("i-a%d", i), "cluster1", fmt.Sprintf("127.71.0.%d", i+1))
	}
	w.start("i-b0", "cluster2", "127.71.0.9")
	p := w.launch("cluster1,cluster2", more...)
	p.healthy("cluster1", 4)
	p.healthy("cluster2", 1)
	return w, nodes, p
}

// eachEngine runs a test with each data plane.
func eachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	for _, e := range engines() {
		t.Run(e, func(t *testing.T) { test(t, e) })
	}
}

func (p *proxy) healthy(cluster string, want int) {
	p.t.Helper()
	until(p.t, fmt.Sprintf("%d healthy nodes in %s", want, cluster), func() bool {
		healthy, _ := p.health(cluster)
		return healthy == want
	})
}

func (p *proxy) stats() admin.Stats {
	p.t.Helper()
	status, text := p.do(http.MethodGet, p.admin+"/stats", "")
	var s admin.Stats
	if err := json.Unmarshal([]byte(text), &s); err != nil || status != http.StatusOK {
		p.t.Fatalf("GET /stats: %d %v\n%s", status, err, text)
	}
	return s
}

func TestRoutesByCluster(t *testing.T) { eachEngine(t, routesByCluster) }

func routesByCluster(t *testing.T, engine string) {
	w, _, p := twoClusters(t, "-engine", engine)
	tests := []struct {
		path   string
		status int
		want   string // part of the body
		why    string
	}{
		{"/cluster1", 200, "i-a", "the cluster's own path"},
		{"/cluster1/deep/er?cpu=1ms&x=%2F", 200, " /cluster1/deep/er?cpu=1ms&x=%2F", "path and query arrive unchanged"},
		{"/cluster1/a%2Fb", 200, " /cluster1/a%2Fb", "what is escaped stays escaped"},
		{"/cluster2/", 200, "i-b0", "the other cluster"},
		{"/cluster10", 404, `{"error":"not found"}`, "a prefix is not a segment"},
		{"/", 404, `{"error":"not found"}`, "fixed 404 by default"},
		{"/health", 404, `{"error":"not found"}`, "nothing else is here"},
		{"//cluster1", 404, `{"error":"not found"}`, "the first segment is empty"},
	}
	for _, tt := range tests {
		if status, body := p.get(tt.path); status != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %q, want %d with %q: %s", tt.path, status, body, tt.status, tt.want, tt.why)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	want := []string{"instance-state-name=running;", "tag:fairlead:group=cluster1;cluster2;", "tag:fairlead:run=run-1;", "tag:fairlead:stack=lab;"}
	if !slices.Equal(w.filters, want) {
		t.Errorf("asked EC2 for %v, want %v", w.filters, want)
	}
}

// The main job's load: 1,000 requests at once, each on its own connection.
// None may fail, and every strategy but the one that herds uses all nodes.
func TestBurstOfThousand(t *testing.T) { eachEngine(t, burstOfThousand) }

func burstOfThousand(t *testing.T, engine string) {
	const requests = 1000
	_, nodes, p := twoClusters(t, "-engine", engine)
	work := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 1024)) })
	for _, n := range nodes {
		n.handle.Store(&work)
	}
	last := ""
	for _, rule := range strategy.Names() {
		last = rule
		t.Run(rule, func(t *testing.T) {
			if status, text := p.do(http.MethodPut, p.admin+"/strategy", `{"strategy":"`+rule+`"}`); status != http.StatusOK {
				t.Fatalf("PUT /strategy: %d %s", status, text)
			}
			if status, _ := p.do(http.MethodPost, p.admin+"/reset", ""); status != http.StatusNoContent {
				t.Fatalf("POST /reset: %d", status)
			}
			var wait sync.WaitGroup
			start := make(chan struct{})
			errs := make(chan error, requests)
			for range requests {
				wait.Go(func() {
					<-start
					res, err := p.client.Get(p.data + "/cluster1/burst")
					if err != nil {
						errs <- err
						return
					}
					res.Body.Close()
					if res.StatusCode != http.StatusOK {
						errs <- fmt.Errorf("status %d", res.StatusCode)
					}
				})
			}
			close(start)
			wait.Wait()
			close(errs)
			for err := range errs {
				t.Error(err)
			}
			var total, errors int64
			used := 0
			until(t, "all requests are counted", func() bool {
				total, errors, used = 0, 0, 0
				for _, n := range p.stats().Clusters["cluster1"].Nodes {
					total, errors = total+n.Requests, errors+n.Errors
					if n.Requests > 0 {
						used++
					}
				}
				return total >= requests
			})
			if total != requests || errors != 0 {
				t.Errorf("the nodes' counts say %d requests and %d errors, want %d and 0", total, errors, requests)
			}
			asked := int64(0)
			for _, n := range nodes {
				asked += n.asked.Swap(0)
			}
			if rule == "prequal" && asked == 0 {
				t.Error("no node was asked for its load")
			}
			if rule != "lowest-latency-probe" && used != len(nodes) {
				t.Errorf("%d nodes were used, want all %d", used, len(nodes))
			}
		})
	}
	if s := p.stats(); s.Strategy != last || s.Instance != testProxy {
		t.Errorf("stats say strategy %s on %s", s.Strategy, s.Instance)
	}
}

// Nodes leave, die and join while requests run: none fails.
func TestNodesComeAndGo(t *testing.T) { eachEngine(t, nodesComeAndGo) }

func nodesComeAndGo(t *testing.T, engine string) {
	w, nodes, p := twoClusters(t, "-engine", engine)
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
				res, err := p.client.Get(p.data + "/cluster1")
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				if res.StatusCode != http.StatusOK {
					t.Errorf("status %d", res.StatusCode)
					return
				}
			}
		})
	}
	w.leave(nodes[0])
	until(t, "a node that left is known no more", func() bool { _, n := p.health("cluster1"); return n == 3 })
	nodes[1].server.Close() // dies; EC2 still shows it
	p.healthy("cluster1", 2)
	w.start("i-a9", "cluster1", "127.71.0.5")
	p.healthy("cluster1", 3)
	close(stop)
	wait.Wait()
}

// While EC2 does not answer, the proxy goes on with the nodes that it knows.
func TestOutageOfEC2(t *testing.T) {
	w, _, p := twoClusters(t)
	w.setOutage(true)
	p.log.wait(t, "API fails")
	if status, body := p.get("/cluster1"); status != http.StatusOK {
		t.Errorf("during the outage: %d %s", status, body)
	}
	w.setOutage(false)
	p.log.wait(t, "API works again")
	if healthy, nodes := p.health("cluster1"); healthy != 4 || nodes != 4 {
		t.Errorf("after the outage: %d of %d healthy, want 4 of 4", healthy, nodes)
	}
}

// SIGTERM: what has begun is answered, nothing new is taken, the exit code is
// 0, and the minute that was running is published.
func TestDrain(t *testing.T) { eachEngine(t, drain) }

func drain(t *testing.T, engine string) {
	w, nodes, p := twoClusters(t, "-engine", engine)
	arrived, release := make(chan struct{}, 4), make(chan struct{})
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		fmt.Fprint(w, "late but whole")
	})
	for _, n := range nodes {
		n.handle.Store(&slow)
	}
	result := make(chan string, 1)
	go func() {
		status, body := p.get("/cluster1/slow")
		result <- fmt.Sprint(status, " ", body)
	}()
	<-arrived
	p.stop()
	until(t, "new connections are refused", func() bool {
		fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
		res, err := fresh.Get(p.data + "/cluster1")
		if err == nil {
			res.Body.Close()
		}
		return err != nil
	})
	if status, _ := p.do(http.MethodGet, p.admin+"/healthz", ""); status != http.StatusServiceUnavailable {
		t.Errorf("while draining /healthz says %d, want 503", status)
	}
	close(release)
	if got := <-result; got != "200 late but whole" {
		t.Errorf("the request that was running got %q", got)
	}
	if code := <-p.exit; code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if w.metrics.Load() == 0 {
		t.Error("the last minute's metrics were not published")
	}
}

// A node is worth its processors.
func TestWeight(t *testing.T) {
	for name, want := range map[string]float64{"t2.micro": 1, "t2.large": 2, "c7i.2xlarge": 8, "x99.huge": 1, "": 1} {
		if got := weight(name); got != want {
			t.Errorf("%q weighs %v, want %v", name, got, want)
		}
	}
}

func TestMetricsAndHealthOverHTTP(t *testing.T) { eachEngine(t, metricsAndHealthOverHTTP) }

func metricsAndHealthOverHTTP(t *testing.T, engine string) {
	_, _, p := twoClusters(t, "-engine", engine)
	for range 3 {
		p.get("/cluster2")
	}
	until(t, "Prometheus sees the requests", func() bool {
		_, text := p.do(http.MethodGet, p.admin+"/metrics", "")
		return strings.Contains(text, `fairlead_requests_total{cluster="cluster2"} 3`) &&
			strings.Contains(text, `fairlead_healthy_nodes{cluster="cluster1"} 4`) &&
			strings.Contains(text, `fairlead_node_requests_total{cluster="cluster2",node="i-b0"} 3`)
	})
}

func TestExitCodes(t *testing.T) {
	w := newWorld(t)
	w.start("i-a0", "cluster1", "127.71.0.1")
	p := w.launch("cluster1")
	serving := strings.TrimPrefix(p.admin, "http://")
	taken := []string{"-stack", "s", "-run", "r", "-clusters", "c", "-instance", "i", "-listen", strings.TrimPrefix(p.data, "http://"), "-admin", "127.0.0.1:0"}
	tests := []struct {
		args []string
		code int
		want []string // in what it prints
		why  string
	}{
		{[]string{"-check", "5s", "-admin", serving}, 0, []string{"is healthy"}, "the proxy is up"},
		{[]string{"-check", "50ms", "-admin", "127.0.0.1:1"}, 1, []string{"did not become healthy within 50ms", "refused"}, "nobody there"},
		{[]string{"-h"}, 0, []string{"-clusters"}, "help is not a failure"},
		{[]string{"-strategy", "best", "-clusters", "a,,a,b/c", "-engine", "steam", "-access-log", "NaN"}, 2,
			[]string{"-access-log NaN is not between 0 and 1", `-engine "steam" is none of fairlead, net`, "-stack is missing", "-run is missing", `"best"`, "peak-ewma", "empty name", "twice", `"b/c"`}, "all mistakes at once"},
		{[]string{"-no-such-flag"}, 2, []string{"no-such-flag"}, "unknown flag"},
		{[]string{"serve"}, 2, []string{`"serve"`}, "no arguments but flags"},
		{taken, 1, []string{"cannot listen on " + taken[9], "address already in use"}, "a port in use is named"},
	}
	for _, tt := range tests {
		out := newLogs()
		if code := run(t.Context(), tt.args, nil, out, out); code != tt.code {
			t.Errorf("%v: exit code %d, want %d: %s\n%s", tt.args, code, tt.code, tt.why, out.text)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.text, want) {
				t.Errorf("%v: prints no %q:\n%s", tt.args, want, out.text)
			}
		}
	}
}

// Without addresses by flag the proxy binds the one of the metadata service.
func TestBindsTheInstancesAddress(t *testing.T) {
	newWorld(t)
	out := newLogs()
	if code := run(t.Context(), []string{"-check", "1ms"}, nil, out, out); code != 1 || !strings.Contains(out.text, "http://127.0.0.1:8001/healthz") {
		t.Errorf("exit code %d, want 1 and the address from the metadata service:\n%s", code, out.text)
	}
}

// Outside EC2 the error names the flags that are missing.
func TestOutsideEC2(t *testing.T) {
	w := newWorld(t)
	w.metadata.Config.Handler = http.NotFoundHandler()
	out := newLogs()
	start := time.Now()
	code := run(t.Context(), []string{"-stack", "s", "-run", "r", "-clusters", "c"}, nil, out, out)
	if code != 1 || !strings.Contains(out.text, "give -instance, -listen and -admin") {
		t.Errorf("exit code %d, want 1 and the flags:\n%s", code, out.text)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s to say so", took)
	}
}
