package e2e_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The README's commands, as they stand there, do what it says they do.
func TestReadmeCommand(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(built.root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for _, block := range regexp.MustCompile("(?s)```(?:sh|console|bash)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "$ "), " #")
			if fields := strings.Fields(line); len(fields) >= 4 && strings.Join(fields[:4], " ") == "go run ./cmd/fairlead run" {
				commands = append(commands, line)
			}
		}
	}
	if len(commands) == 0 {
		t.Fatal("README.md shows no `go run ./cmd/fairlead run`")
	}
	h := newHome(t)
	p := h.goRun(t, "run", "--preset", "smoke", "--out", h.out)
	if code := p.wait(t, 90*time.Second); code != 0 {
		t.Fatalf("exit %d\n%s\n%s", code, p.out.String(), p.err.String())
	}
	runs, _ := filepath.Glob(filepath.Join(h.out, "runs/smoke-*"))
	if len(runs) != 1 {
		t.Fatalf("runs: %v", runs)
	}
	contains(t, "the result", p.out.String(), "cluster1/proxy/peak-ewma", "cluster2/proxy/peak-ewma", "req/s", "not AWS", "$", filepath.Join(runs[0], "report.html"))
	if strings.Contains(p.out.String()+p.err.String(), "\x1b[") {
		t.Error("there are terminal sequences in output that is no terminal")
	}
	h.report(t, runs[0])
	h.clean(t, runs[0])
}

// report demands what scripts rely on.
func (h home) report(t *testing.T, run string) {
	t.Helper()
	for _, name := range []string{"report.html", "trials.csv", "nodes.csv", "plan.json", "trials/b01-cluster1-proxy-peak-ewma/shard-0.json", "trials/b01-cluster1-proxy-peak-ewma/shard-0.hlog"} {
		if info, err := os.Stat(filepath.Join(run, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	var r struct {
		Status      string
		Environment struct{ Kind string }
		Arms        []struct {
			Name string
			// A busy machine may make a trial invalid; then it is in no figure.
			TrialsValid, TrialsTotal int
			Requests                 int
			Errors                   *int
			RPS                      float64
			LatencyMs                struct{ Mean, P50, P90, P99, Max float64 }
			PerNode                  []struct{}
		}
		Comparisons []struct{ Verdict string }
		Cost        struct{ USD float64 }
	}
	h.read(t, filepath.Join(run, "report.json"), &r)
	if r.Status != "done" || r.Environment.Kind == "" || len(r.Arms) != 2 || len(r.Comparisons) == 0 || r.Comparisons[0].Verdict == "" || r.Cost.USD <= 0 {
		t.Errorf("the report: %+v", r)
	}
	for _, a := range r.Arms {
		l := a.LatencyMs
		if a.TrialsTotal != 2 || a.TrialsValid < 1 || a.Requests != 60*a.TrialsValid || a.Errors == nil || *a.Errors != 0 || a.RPS <= 0 || len(a.PerNode) != 1 ||
			l.Mean <= 0 || l.P50 <= 0 || l.P90 < l.P50 || l.P99 < l.P90 || l.Max < l.P99 {
			t.Errorf("arm %+v: want 60 requests for each valid trial, all answered", a)
		}
	}
}
