package admin

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

func TestAdmin(t *testing.T) {
	var clusters []*cluster.Cluster
	for _, name := range []string{"one", "two"} {
		c, err := cluster.New(name, "random", strategy.Options{Rand: rand.New(rand.NewPCG(1, 2))})
		if err != nil {
			t.Fatal(err)
		}
		clusters = append(clusters, c)
	}
	node := cluster.Member{ID: "i-1", Addr: "10.0.0.1:8000"}
	clusters[0].Sync([]cluster.Member{node})
	clusters[0].SetHealth(node, true)
	clusters[0].Served(time.Second, false)
	n, err := clusters[0].Acquire(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	clusters[0].Release(time.Now(), n, 2*time.Millisecond, strategy.Success)

	meter := new(instance.Meter)
	usage := func() (float64, float64) { return 0, 0 }
	recorder := instance.NewRecorder(instance.Identity{ID: "i-p", VCPUs: 2, CPUs: .5}, meter, usage, time.Unix(100, 0))
	recorder.Tick(time.Unix(103, 0))
	draining := false
	var log bytes.Buffer
	s := httptest.NewServer(New(Config{
		Clusters: clusters, Recorder: recorder, Metrics: http.NotFoundHandler(),
		Draining: func() bool { return draining }, Log: slog.New(slog.NewTextHandler(&log, nil)),
	}))
	defer s.Close()

	// The steps build on each other.
	steps := []struct {
		method, path, body string
		status             int
		want               string
		why                string
	}{
		{"PUT", "/strategy", `{"strategy":"p2c"}`, 200, `{"strategy":"p2c"}`, "set"},
		{"PUT", "/strategy", `{"strategy":"best"}`, 400, `"strategies":["c3","least-outstanding","lowest-latency-probe","p2c","peak-ewma","prequal","random","round-robin","weighted-round-robin"]`, "an unknown name lists those that exist"},
		{"PUT", "/strategy", `{}`, 400, `unknown strategy \"\"`, "no name"},
		{"PUT", "/strategy", `{"rule":"p2c"}`, 400, `unknown field`, "a misspelled member"},
		{"PUT", "/strategy", `p2c`, 400, `the body is not`, "not JSON"},
		{"PUT", "/strategy", `{"strategy":"p2c"}{}`, 400, `more than one`, "two values"},
		{"PUT", "/strategy", strings.Repeat(" ", 5000) + `{"strategy":"random"}`, 400, `too large`, "a body that goes on and on"},
		{"POST", "/strategy", `{"strategy":"random"}`, 405, ``, "not the method"},
		{"GET", "/stats", "", 200, `"strategy":"p2c","clusters":{"one":{"nodes":[{"id":"i-1","addr":"10.0.0.1:8000","healthy":true,"inFlight":0,"requests":1,"errors":0,"latencyMs":{"mean":2`, "the last good strategy, and the node's figures"},
		{"GET", "/stats", "", 200, `"two":{"nodes":[],"herding":{"windows":0,"mean":0,"worst":0,"even":0}}`, "a cluster without nodes is an empty list"},
		{"GET", "/stats?since=102", "", 200, `"seconds":[{"t":102,`, "only what is asked for"},
		{"GET", "/stats?since=now", "", 400, `whole seconds`, "not a time"},
		{"POST", "/reset", "", 204, ``, "reset"},
		{"GET", "/stats", "", 200, `"requests":0,"errors":0,"latencyMs":{"mean":0`, "the figures are gone"},
		{"GET", "/healthz", "", 200, `{"clusters":{"one":{"healthy":1,"nodes":1},"two":{"healthy":0,"nodes":0}},"status":"ok"}`, "health"},
		{"GET", "/", "", 404, ``, "nothing else"},
	}
	for _, st := range steps {
		status, text := do(t, st.method, s.URL+st.path, st.body)
		if status != st.status || !strings.Contains(text, st.want) {
			t.Errorf("%s %s %s: %d %s\nwant %d with %s: %s", st.method, st.path, st.body, status, text, st.status, st.want, st.why)
		}
	}
	traced := []struct {
		method, body string
		status       int
		want         string
		why          string
	}{
		{"GET", "", 200, `"one":{"running":false,"picks":[]}`, "nothing was asked for"},
		{"POST", `{"picks":-1}`, 400, `from 0 to 1000`, "less than nothing"},
		{"POST", `{"picks":1001}`, 400, `from 0 to 1000`, "too many"},
		{"POST", `{"pick":1}`, 400, `unknown field`, "a misspelled member"},
		{"POST", `{"picks":1}`, 204, ``, "the next pick"},
		{"GET", "", 200, `"one":{"running":true,"picks":[]}`, "it has not been made"},
	}
	for _, st := range traced {
		if status, text := do(t, st.method, s.URL+"/trace", st.body); status != st.status || !strings.Contains(text, st.want) {
			t.Errorf("%s /trace %s: %d %s\nwant %d with %s: %s", st.method, st.body, status, text, st.status, st.want, st.why)
		}
	}
	if _, err := clusters[0].Acquire(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, text := do(t, "GET", s.URL+"/trace", ""); !strings.Contains(text, `"strategy":"p2c","chosen":"i-1","why":"fewer in flight per weight, of two drawn","nodes":[{"id":"i-1","inFlight":0,"weight":1,"score":0}]`) {
		t.Errorf("the pick was recorded as\n%s", text)
	}
	for _, c := range clusters {
		if c.Strategy() != "p2c" {
			t.Errorf("%s follows %s, want p2c", c.Name, c.Strategy())
		}
	}
	draining = true
	if status, _ := do(t, "GET", s.URL+"/healthz", ""); status != 503 {
		t.Errorf("draining: %d, want 503", status)
	}
	if strings.Count(log.String(), "strategy=p2c") != 1 || strings.Contains(log.String(), "best") {
		t.Errorf("log:\n%s\nwant the one change that was made", log.String())
	}
	var stats Stats
	if _, text := do(t, "GET", s.URL+"/stats", ""); json.Unmarshal([]byte(text), &stats) != nil || stats.Instance != "i-p" || stats.CPUs != .5 {
		t.Errorf("stats do not survive a round trip: %+v", stats)
	}
}

func do(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}
