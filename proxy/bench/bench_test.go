//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// stubArgument makes the test program a proxy: stub LISTEN NODE PIDFILE.
const stubArgument = "stub"

func TestMain(m *testing.M) {
	switch {
	case slices.Equal(os.Args[1:], []string{bedArgument}):
		os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	case len(os.Args) == 5 && os.Args[1] == stubArgument:
		if err := os.WriteFile(os.Args[4], []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
			panic(err)
		}
		to := &url.URL{Scheme: "http", Host: os.Args[3]}
		panic(http.ListenAndServe(os.Args[2], httputil.NewSingleHostReverseProxy(to)))
	}
	goleak.VerifyTestMain(m)
}

// stub is a peer that this program is itself; it leaves its pid in a file.
func stub(t *testing.T, name string) (peer, string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pidFile := filepath.Join(t.TempDir(), "pid")
	return peer{name, func(_ context.Context, s *setting) (command, error) {
		return command{args: []string{self, stubArgument, s.Listen, s.Nodes[0], pidFile}}, nil
	}}, pidFile
}

func gone(t *testing.T, pidFile string) {
	t.Helper()
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(procRoot, string(pid))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("process %s has outlived the bench (%v)", pid, err)
	}
}

func TestMeasuresAProxy(t *testing.T) {
	p, pidFile := stub(t, ours)
	absent := peer{"absent", func(context.Context, *setting) (command, error) { return command{}, &absentError{"not there"} }}
	var notes bytes.Buffer
	results, err := measure(t.Context(), options{seconds: 0.2, rounds: 2, connections: 4, seed: 1}, []peer{absent, p}, &notes)
	if err != nil {
		t.Fatalf("%v\n%s", err, notes.String())
	}
	r := results[ours]
	if len(results) != 1 || r.RPS < 10 || r.CPU < 1 || r.Busy <= 0 || r.Rounds != 2 || r.Bad != 0 || r.DirectP99 < r.DirectP50 {
		t.Errorf("measured %+v", results)
	}
	if r.ToFairlead == nil || r.ToFairlead.RPS != 1 || r.ToFairlead.CPU != 1 {
		t.Errorf("compared with itself: %+v", r.ToFairlead)
	}
	if !strings.Contains(notes.String(), "without absent: not there") {
		t.Errorf("says %q", notes.String())
	}
	gone(t, pidFile)
}

func TestEndsItsChildrenWhenItIsInterrupted(t *testing.T) {
	p, pidFile := stub(t, "slow")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := measure(ctx, options{seconds: 30, rounds: 9, connections: 4, seed: 1}, []peer{p}, new(bytes.Buffer))
		done <- err
	}()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for pid, _ := os.ReadFile(pidFile); len(pid) == 0; pid, _ = os.ReadFile(pidFile) {
		<-poll.C
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("goes on")
	}
	gone(t, pidFile)
}

func TestTellsWhyAProxyDoesNotStart(t *testing.T) {
	p := peer{"broken", func(context.Context, *setting) (command, error) {
		return command{args: []string{"/bin/sh", "-c", "echo no such option >&2; exit 1"}}, nil
	}}
	_, err := measure(t.Context(), options{seconds: 0.1, rounds: 1, connections: 1, seed: 1}, []peer{p}, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "broken: ") || !strings.Contains(err.Error(), "no such option") {
		t.Errorf("the error is %v", err)
	}
}

func TestCountsBadAnswersApart(t *testing.T) {
	b, err := startBed(t.Context(), seat{core: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer b.stop()
	refused, err := freeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.load(task{Addr: refused, Path: "/", Connections: 1, Seconds: 0.1}); err == nil ||
		!strings.Contains(err.Error(), "connect to "+refused) {
		t.Errorf("nobody listens: %v", err)
	}
	for _, rate := range []float64{0, 500} {
		done, err := b.load(task{Addr: b.nodes[1], Path: "/", Connections: 2, Rate: rate, Warm: 0.05, Seconds: 0.3})
		if err != nil || done.Bad != 0 || done.Good == 0 || done.P50 <= 0 || done.P99 < done.P50 || done.Elapsed < 0.29 {
			t.Errorf("rate %g: %+v, %v", rate, done, err)
		}
		if rate > 0 && (done.Good < 75 || done.Good > 300) {
			t.Errorf("rate %g for 0.3 s gave %d answers", rate, done.Good)
		}
	}
}

func TestParseStat(t *testing.T) {
	for _, c := range []struct {
		why, line string
		want      process
		bad       bool
	}{
		{"a plain name", "12 (nginx) S 7 12 12 0 -1 4194560 1 0 0 0 150 50 3 2 20 0 1 0 100 0 0\n", process{7, 2 * time.Second, 50 * time.Millisecond}, false},
		{"a name with blanks and brackets", "12 (a) b (c) R 1 12 12 0 -1 0 1 0 0 0 1 2 0 0 20 0", process{1, 30 * time.Millisecond, 0}, false},
		{"no name", "12 nginx S 7", process{}, true},
		{"cut off", "12 (nginx) S 7 12 12 0 -1 4194560 1 0 0 0 150", process{}, true},
		{"not a number", "12 (nginx) S 7 12 12 0 -1 0 1 0 0 0 x 50 3 2 20", process{}, true},
	} {
		got, err := parseStat([]byte(c.line))
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %+v, %v", c.why, got, err)
		}
	}
}

func TestTreeCPUAddsDescendantsOnly(t *testing.T) {
	root := t.TempDir()
	for pid, line := range map[string]string{
		"10": "10 (master) S 1 0 0 0 0 0 0 0 0 0 1 1 3 0 0",
		"11": "11 (worker) S 10 0 0 0 0 0 0 0 0 0 20 10 0 0 0",
		"12": "12 (helper) S 11 0 0 0 0 0 0 0 0 0 100 0 0 0 0",
		"13": "13 (other) S 1 0 0 0 0 0 0 0 0 0 1000 0 0 0 0",
	} {
		if err := os.Mkdir(filepath.Join(root, pid), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, pid, "stat"), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := treeCPU(root, 10); err != nil || got != 135*tick {
		t.Errorf("%v, %v; 135 ticks were used", got, err)
	}
	if _, err := treeCPU(root, 14); !errors.Is(err, errEnded) {
		t.Errorf("an ended process: %v", err)
	}
	if _, err := treeCPU(procRoot, os.Getpid()); err != nil {
		t.Errorf("this process: %v", err)
	}
}

func TestPeersFilesHaveTheSetting(t *testing.T) {
	s := &setting{Dir: t.TempDir(), Listen: "127.0.0.1:4711", Nodes: []string{"127.0.0.2:99", "127.0.0.3:99"}, Connections: 17}
	for name, parts := range map[string][]string{
		"haproxy.cfg": {"maxconn " + strconv.Itoa(s.Most()) + " ", "bind 127.0.0.1:4711\n", "server node0 127.0.0.2:99\n", "server node1 127.0.0.3:99\n"},
		"nginx.conf":  {"listen 127.0.0.1:4711 ", "server 127.0.0.2:99;\n", "server 127.0.0.3:99;\n", "keepalive 17;", "pid " + s.Dir + "/nginx.pid;"},
		"express.js":  {"require('axios')"},
	} {
		file, err := s.render(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range parts {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q:\n%s", name, part, text)
			}
		}
		if strings.Contains(string(text), "{{") {
			t.Errorf("%s has a template left:\n%s", name, text)
		}
	}
}

func TestMeasureAnswer(t *testing.T) {
	for _, c := range []struct {
		why, text    string
		status, size int
		bad          bool
	}{
		{"whole", "HTTP/1.1 200 OK\r\nA: b\r\ncontent-LENGTH:  5 \r\n\r\nhello", 200, 51, false},
		{"head not complete", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", 0, 0, false},
		{"no length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 0, true},
		{"not HTTP", "hello\r\n\r\n", 0, 0, true},
		{"a bad length", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", 0, 0, true},
	} {
		status, size, err := measureAnswer([]byte(c.text))
		if (err != nil) != c.bad || !c.bad && (status != c.status || size != c.size) {
			t.Errorf("%s: %d, %d, %v", c.why, status, size, err)
		}
	}
}

func TestSummariseTakesMediansAndPairsRounds(t *testing.T) {
	// The machine was twice as slow in the second round: the ratio is the same.
	rounds := []map[string]sample{
		{ours: {RPS: 100, CPU: 10, P50: 5, P99: 40}, "nginx": {RPS: 50, CPU: 20, P50: 10, P99: -1, Bad: 1}},
		{ours: {RPS: 50, CPU: 20, P50: 10, P99: 80}, "nginx": {RPS: 25, CPU: 40, P50: 20, P99: -1, Bad: 2}},
		{ours: {RPS: 90, CPU: 11, P50: 6, P99: 41}, "nginx": {RPS: 45, CPU: 22, P50: 12, P99: 3}},
	}
	got := summarise(rounds)
	if r := got[ours]; r.RPS != 90 || r.CPU != 11 || r.P99 != 41 || r.Rounds != 3 {
		t.Errorf("ours: %+v", r)
	}
	r := got["nginx"]
	if r.Bad != 3 || r.ToFairlead == nil || r.ToFairlead.RPS != 0.5 || r.ToFairlead.CPU != 2 || r.ToFairlead.P50 != 2 || r.ToFairlead.P99 != 0 {
		t.Errorf("nginx: %+v %+v", r, r.ToFairlead)
	}
	text := table(got)
	if ours, others := strings.Index(text, ours), strings.Index(text, "nginx"); ours < 0 || others < ours || !strings.Contains(text, "22.0 (2.00)") {
		t.Errorf("the cheapest is not first, or the ratio is missing:\n%s", text)
	}
	if got := summarise([]map[string]sample{{"nginx": {RPS: 1}}}); got["nginx"].ToFairlead != nil {
		t.Error("a ratio to what was not measured")
	}
	line, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"fairlead":{"rps":90,`, `"cpuMicrosPerRequest":11,`, `"p50Micros":6,`, `"p99Micros":41,`} {
		if !strings.Contains(string(line), key) {
			t.Errorf("the JSON lacks %s: %s", key, line)
		}
	}
}

func TestRefusesWrongFlags(t *testing.T) {
	for args, part := range map[string]string{
		"-only apache":     `"apache" is none of fairlead, httputil`,
		"-seconds 0":       "-seconds 0",
		"-rounds 0":        "-rounds 0",
		"-connections 401": "-connections 401",
		"extra":            `"extra"`,
	} {
		var errs bytes.Buffer
		if code := run(t.Context(), strings.Fields(args), nil, new(bytes.Buffer), &errs); code != 2 || !strings.Contains(errs.String(), part) {
			t.Errorf("%s: exit %d, %s", args, code, errs.String())
		}
	}
}
