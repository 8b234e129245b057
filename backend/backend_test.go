package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead/fairlead/internal/instance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseWork(t *testing.T) {
	l := limits{cpu: time.Second, sleep: 10 * time.Second, bytes: 10 << 20}
	ms := time.Millisecond
	tests := []struct {
		query string
		want  work
		wrong []string // parameter: part of the problem
		why   string
	}{
		{"", work{}, nil, "nothing asked for"},
		{"cpu=1ms&sleep=5ms&bytes=1024&fail=0.01", work{ms, 5 * ms, 1024, .01}, nil, "everything"},
		{"cpu=1s&sleep=10s&bytes=10485760&fail=1", work{time.Second, 10 * time.Second, 10 << 20, 1}, nil, "exactly the limits"},
		{"cpu=250us", work{cpu: 250 * time.Microsecond}, nil, "parts of a millisecond"},
		{"user=7&cpu=1ms", work{cpu: ms}, nil, "what it does not know is not its business"},
		{"cpu=1001ms&sleep=11s&bytes=10485761&fail=1.1", work{}, []string{"cpu: to 1s", "sleep: to 10s", "bytes: to 10485760", "fail: 0 to 1"}, "all beyond, all told"},
		{"cpu=-1ms&sleep=-1s&bytes=-1&fail=-0.1", work{}, []string{"cpu: from 0s", "sleep: from 0s", "bytes: from 0", "fail: 0 to 1"}, "negative"},
		{"cpu=fast&sleep=5&bytes=1k&fail=NaN", work{}, []string{"cpu: duration", "sleep: duration", "bytes: whole number", "fail: probability"}, "not numbers"},
		{"cpu=1ms&cpu=2ms", work{}, []string{"cpu: more than once"}, "which one?"},
		{"cpu=%zz", work{}, []string{": cannot be read"}, "not a query"},
	}
	for _, tt := range tests {
		got, wrong := parseWork(tt.query, l)
		if len(wrong) != len(tt.wrong) {
			t.Errorf("%q: mistakes %v, want %d: %s", tt.query, wrong, len(tt.wrong), tt.why)
			continue
		}
		for i, m := range wrong {
			name, problem, _ := strings.Cut(tt.wrong[i], ": ")
			if m.Parameter != name || !strings.Contains(m.Problem, problem) {
				t.Errorf("%q: mistake %+v, want %s: %s", tt.query, m, tt.wrong[i], tt.why)
			}
		}
		if wrong == nil && got != tt.want {
			t.Errorf("%q: %+v, want %+v: %s", tt.query, got, tt.want, tt.why)
		}
	}
}

// FuzzParseWork: whatever the query, the work stays within the limits.
func FuzzParseWork(f *testing.F) {
	f.Add("cpu=1ms&sleep=5ms&bytes=1024&fail=0.01")
	f.Add("cpu=9999999h&fail=Inf&bytes=99999999999999999999")
	f.Fuzz(func(t *testing.T, query string) {
		w, wrong := parseWork(query, limits{cpu: time.Second, sleep: time.Second, bytes: 100})
		if wrong == nil && (w.cpu < 0 || w.cpu > time.Second || w.sleep < 0 || w.sleep > time.Second || w.bytes < 0 || w.bytes > 100 || !(w.fail >= 0 && w.fail <= 1)) {
			t.Errorf("%q gives %+v", query, w)
		}
	})
}

func TestBurn(t *testing.T) {
	if spin(0, 1) != 0xE220A8397B1DCDAF {
		t.Errorf("spin(0, 1) = %#x, want splitmix64's first output for seed 0", spin(0, 1))
	}
	ctx := t.Context()
	whole := burn(ctx, 2500*time.Microsecond)
	if whole != spin(0x9E3779B97F4A7C15, 5*roundsPerMilli/2) {
		t.Error("2.5 ms are not 2.5 times the rounds of 1 ms")
	}
	if burn(ctx, time.Millisecond) == burn(ctx, 2*time.Millisecond) || burn(ctx, 0) == 0 {
		t.Error("the result does not depend on the work")
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if burn(gone, time.Hour) != burn(ctx, 0) {
		t.Error("it works on for a client that is gone")
	}
}

func newTestApp(t *testing.T, log io.Writer) (*app, *httptest.Server) {
	t.Helper()
	me := instance.Identity{ID: "i-1", Type: "t2.micro", VCPUs: 1, CPUs: .1875}
	meter := new(instance.Meter)
	recorder := instance.NewRecorder(me, meter, func() (float64, float64) { return 0, 0 }, time.Unix(100, 0))
	a := newApp(me, "cluster1", limits{cpu: time.Second, sleep: 10 * time.Second, bytes: 10 << 20}, meter, recorder,
		slog.New(slog.NewTextHandler(log, nil)))
	s := httptest.NewServer(a.handler())
	t.Cleanup(s.Close)
	return a, s
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	res, err := http.Get(url)
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

func TestAnswers(t *testing.T) {
	var log strings.Builder
	a, s := newTestApp(t, &log)
	chance := .5
	a.chance = func() float64 { return chance }
	tests := []struct {
		path   string
		status int
		want   string
		why    string
	}{
		{"/", 200, `"instance":"i-1","cluster":"cluster1","method":"GET","path":"/","work":{"cpu":"0s","sleep":"0s","bytes":0,"fail":0}}`, "any path"},
		{"/cluster1/a?cpu=10us&sleep=1ms&bytes=5", 200, `"path":"/cluster1/a","work":{"cpu":"10µs","sleep":"1ms","bytes":5,"fail":0},"hash":"`, "what was asked"},
		{"/cluster1/a?bytes=5", 200, `,"padding":"....."}`, "padding"},
		{"/x?fail=0.5", 200, `"fail":0.5`, "the draw is not below the probability"},
		{"/x?fail=0.51&cpu=1s", 500, `"error":"failed as asked"`, "the draw is below it"},
		{"/x?fail=2&cpu=2s", 400, `"mistakes":[{"parameter":"cpu","given":"2s","problem":"must be from 0s to 1s"},{"parameter":"fail","given":"2",`, "all mistakes"},
		{"/health", 200, `{"status":"ok","instance":"i-1","cluster":"cluster1"}`, "health"},
		{"/stats?since=x", 400, `whole seconds`, "not a time"},
		{"/stats", 200, `{"instance":"i-1","type":"t2.micro","vcpus":1,"cpus":0.1875,"emulation":null,"inFlight":0,"requests":6,"seconds":[]}`, "stats, without health and itself"},
	}
	for _, tt := range tests {
		res, body := get(t, s.URL+tt.path)
		if res.StatusCode != tt.status || !strings.Contains(body, tt.want) {
			t.Errorf("%s: %d %s\nwant %d with %s: %s", tt.path, res.StatusCode, body, tt.status, tt.want, tt.why)
		}
		if res.Header.Get(nodeHeader) != "i-1" || res.Header.Get(clusterHeader) != "cluster1" || !json.Valid([]byte(body)) {
			t.Errorf("%s: %v %s, want JSON with node and cluster in the header", tt.path, res.Header, body)
		}
	}
	lines := slices.Collect(strings.Lines(log.String()))
	if len(lines) != 6 {
		t.Fatalf("%d lines logged, want one for each of 6 requests:\n%s", len(lines), log.String())
	}
	for _, want := range []string{"instance=i-1", "cluster=cluster1", "method=GET", "path=/x", "status=500", "ms="} {
		if !strings.Contains(lines[4], want) {
			t.Errorf("the line of the failed request has no %s: %s", want, lines[4])
		}
	}
}

func TestLargePadding(t *testing.T) {
	_, s := newTestApp(t, io.Discard)
	const size = 10 << 20
	res, body := get(t, fmt.Sprintf("%s/?bytes=%d", s.URL, size))
	if int64(len(body)) != res.ContentLength || strings.Count(body, ".") < size || !json.Valid([]byte(body)) {
		t.Errorf("%d bytes, %d announced", len(body), res.ContentLength)
	}
}

// Requests are in flight while they sleep; one whose client leaves ends.
func TestInFlightAndGone(t *testing.T) {
	lines := newLines()
	a, s := newTestApp(t, lines)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for range 3 {
		wait.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/?sleep=10s", nil)
			if err != nil {
				t.Error(err)
				return
			}
			if res, err := http.DefaultClient.Do(req); err == nil {
				res.Body.Close()
				t.Error("a cancelled request was answered")
			}
		})
	}
	poll(t, func() bool { return a.meter.InFlight() == 3 })
	cancel()
	wait.Wait()
	poll(t, func() bool { return a.meter.InFlight() == 0 })
	poll(t, func() bool { return strings.Count(lines.String(), "status=499") == 3 })
	if s := a.recorder.Stats(0); s.Requests != 3 {
		t.Errorf("%d requests, want 3", s.Requests)
	}
}

func poll(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 10_000 {
		if condition() {
			return
		}
		<-tick.C
	}
	t.Fatal("what was waited for has not come")
}

// lines collects what a program prints.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func newLines() *lines { return new(lines) }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// The whole program: it serves, proves itself by -check, and on SIGTERM
// answers what it has begun, writes its log out and exits with 0.
func TestProgram(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, errs := newLines(), newLines()
	exit := make(chan int, 1)
	go func() {
		exit <- run(ctx, []string{"-cluster", "cluster1", "-instance", "i-1", "-listen", "127.0.0.1:0"}, nil, out, errs)
	}()
	addr := ""
	poll(t, func() bool {
		_, rest, _ := strings.Cut(out.String(), "address=")
		addr, _, _ = strings.Cut(rest, "\n")
		return addr != ""
	})

	checked := newLines()
	if code := run(t.Context(), []string{"-check", "10s", "-listen", addr}, nil, checked, checked); code != 0 {
		t.Errorf("-check: exit code %d\n%s", code, checked)
	}
	taken := newLines()
	if code := run(t.Context(), []string{"-cluster", "c", "-instance", "i-2", "-listen", addr}, nil, taken, taken); code != 1 || !strings.Contains(taken.String(), addr) {
		t.Errorf("port in use: exit code %d\n%s", code, taken)
	}

	const requests = 5
	var wait sync.WaitGroup
	for range requests {
		wait.Go(func() {
			if res, _ := get(t, "http://"+addr+"/slow?sleep=1s"); res.StatusCode != http.StatusOK {
				t.Errorf("status %d while it stops, want 200", res.StatusCode)
			}
		})
	}
	poll(t, func() bool { _, body := get(t, "http://"+addr+"/stats"); return strings.Contains(body, `"inFlight":5`) })
	cancel()
	wait.Wait()
	if code := <-exit; code != 0 {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	if n := strings.Count(out.String(), "path=/slow status=200"); n != requests || !strings.Contains(out.String(), "msg=stopped requests=5") {
		t.Errorf("%d requests in the log, want %d and the end:\n%s", n, requests, out)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestCalledWrongly(t *testing.T) {
	tests := []struct {
		args []string
		code int
		want []string
		why  string
	}{
		{nil, 2, []string{"-cluster is missing"}, "no cluster"},
		{[]string{"-drain", "0s", "-max-cpu", "-1s", "-max-sleep", "-1s"}, 2, []string{"-cluster", "-drain", "-max-cpu", "-max-sleep"}, "all mistakes at once"},
		{[]string{"-max-bytes", "many"}, 2, []string{"not a size"}, "not a size"},
		{[]string{"-cluster", "c", "now"}, 2, []string{`"now"`}, "no arguments but flags"},
		{[]string{"-check", "-1s"}, 2, []string{"negative"}, "time does not run backwards"},
		{[]string{"-h"}, 0, []string{"-max-cpu", "10MiB"}, "help"},
		{[]string{"-check", "30ms", "-listen", "127.0.0.1:1"}, 1, []string{"did not become healthy within 30ms"}, "nobody there"},
	}
	for _, tt := range tests {
		out := newLines()
		if code := run(t.Context(), tt.args, nil, out, out); code != tt.code {
			t.Errorf("%v: exit code %d, want %d: %s", tt.args, code, tt.code, tt.why)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v: prints no %q:\n%s", tt.args, want, out)
			}
		}
	}
}

// In EC2 nothing needs to be said but the cluster; outside, the error names
// the flags.
func TestPlace(t *testing.T) {
	inside := true
	imds := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := strings.TrimPrefix(r.URL.Path, "/latest/"); {
		case !inside:
			http.NotFound(w, r)
		case path == "api/token":
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
			fmt.Fprint(w, "t")
		case path == "meta-data/local-ipv4":
			fmt.Fprint(w, "127.0.0.1")
		case path == "meta-data/emulation":
			http.NotFound(w, r)
		default:
			fmt.Fprint(w, "i-from-metadata")
		}
	}))
	t.Cleanup(imds.Close)
	t.Setenv(instance.EndpointVariable, imds.URL+"/")
	out := newLines()
	if code := run(t.Context(), []string{"-check", "1ms"}, nil, out, out); code != 1 || !strings.Contains(out.String(), "http://127.0.0.1:8000/health") {
		t.Errorf("inside: exit code %d, want it to look at the instance's address:\n%s", code, out)
	}
	inside = false
	out = newLines()
	if code := run(t.Context(), []string{"-cluster", "c"}, nil, out, out); code != 1 || !strings.Contains(out.String(), "outside EC2, give -instance and -listen") {
		t.Errorf("outside: exit code %d\n%s", code, out)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestSize(t *testing.T) {
	for text, want := range map[string]string{"0": "0B", "1024": "1KiB", "64KiB": "64KiB", "10MiB": "10MiB", "1GiB": "1GiB", "1000": "1000B", "7B": "7B",
		"-1": "", "1.5MiB": "", "": "", "9999999999GiB": "", "1kb": ""} {
		var s size
		err := s.Set(text)
		if got := s.String(); (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%q: %s, %v, want %q", text, got, err, want)
		}
	}
}
