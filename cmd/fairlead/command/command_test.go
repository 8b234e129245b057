package command

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// line runs one command line whose actions only note that they were called.
func line(t *testing.T, stdin string, args ...string) (code int, out, errs string, called string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Execute(context.Background(), args, IO{In: strings.NewReader(stdin), Out: &o, Err: &e}, Actions{
		Run: func(_ context.Context, r Run) (int, error) {
			called = "run " + r.Plan.Preset + " " + r.Out
			return ExitDone, nil
		},
		Serve:  func(_ context.Context, s Serve) (int, error) { called = "serve " + s.Addr; return ExitDone, nil },
		Report: func(_ context.Context, r Report) (int, error) { called = "report"; return ExitDone, nil },
	})
	return code, o.String(), e.String(), called
}

func TestGoodLines(t *testing.T) {
	plan := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(plan, []byte(`{"preset": "smoke"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"run"}, "run lab results"},
		{"", []string{"run", "--preset", "smoke", "--out", "x"}, "run smoke x"},
		{"", []string{"run", plan}, "run smoke results"},
		{`{"preset": "smoke"}`, []string{"run", "-"}, "run smoke results"},
		{"", []string{"serve"}, "serve 127.0.0.1:4566"},
		{"", []string{"report", t.TempDir()}, "report"},
	} {
		code, _, errs, called := line(t, tt.stdin, tt.args...)
		if code != ExitDone || called != tt.want {
			t.Errorf("%v: exit %d, did %q, want %q; %s", tt.args, code, called, tt.want, errs)
		}
	}
}

func TestBadLinesExitTwoAndDoNothing(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"blocks": 0, "clusters": [], "targets": [{"kind": "proxy", "strategy": "x"}], "nope": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		why   string
		stdin string
		args  []string
		want  []string
	}{
		{"every mistake of the plan at once", "", []string{"run", bad}, []string{"4 mistakes", "bad.json", "nope is unknown", "blocks is 0", "clusters has 0", `"x": use one of round-robin`}},
		{"plan checks the same", "", []string{"plan", bad}, []string{"4 mistakes"}},
		{"broken JSON on standard input", "{", []string{"run", "-"}, []string{"standard input: the plan has a mistake", "ends too early"}},
		{"no such file", "", []string{"run", filepath.Join(dir, "none.json")}, []string{"none.json"}},
		{"two files", "", []string{"run", bad, bad}, []string{"at most one plan file"}},
		{"file and preset", "", []string{"run", bad, "--preset", "lab"}, []string{"not both"}},
		{"unknown preset", "", []string{"run", "--preset", "big"}, []string{`"big": use one of lab, lab-alb, smoke`}},
		{"unknown flag", "", []string{"run", "--fast"}, []string{"--fast", "fairlead run --help"}},
		{"unknown command", "", []string{"rnu"}, []string{`unknown command "rnu"`}},
		{"scale out of range", "", []string{"serve", "--cpu-scale", "2"}, []string{"--cpu-scale is 2"}},
		{"every mistake of the delays at once", "", []string{"run", "--delays", "boot=25,alb=1h,sleep=3s,lead=1ms,boot=1s"},
			[]string{`"boot=25" has no duration: write boot=25s`, "alb is 1h0m0s: use 0s to 10m0s", `"sleep=3s" is none of`, "lead is 1ms"}},
		{"delays of serve", "", []string{"serve", "--delays", "fast"}, []string{`"fast" is none of aws`}},
		{"an account's flags on this machine", "", []string{"run", "--stack", "x", "--region", "us-east-1"}, []string{"--stack is for runs in an account: add --aws", "--region is for"}},
		{"this machine's flags in an account", "", []string{"run", "--aws", "--delays", "aws", "-v", "--stack", "a b"}, []string{"--delays is of the local AWS", "--verbose is of", `--stack "a b"`}},
		{"serve takes no plan", "", []string{"serve", "x.json"}, []string{`"x.json" was given`, "serve --help"}},
		{"report of nothing", "", []string{"report"}, []string{"report takes one"}},
		{"report of what is not there", "", []string{"report", filepath.Join(dir, "x")}, []string{"no such file"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			code, _, errs, called := line(t, tt.stdin, tt.args...)
			if code != ExitBadInput || called != "" {
				t.Errorf("exit %d, did %q; want exit 2 and nothing done", code, called)
			}
			for _, w := range tt.want {
				if !strings.Contains(errs, w) {
					t.Errorf("message %q does not say %q", errs, w)
				}
			}
		})
	}
}

func TestPlanPrintsArmsTimeAndCost(t *testing.T) {
	code, out, errs, _ := line(t, "", "plan")
	if code != ExitDone || errs != "" {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, w := range []string{"4 × t2.micro", "cluster2/proxy/peak-ewma", "10: 5 blocks of 2 arms", "1,000 requests at once", "1,360 instance-seconds", "refused above $1.00"} {
		if !strings.Contains(out, w) {
			t.Errorf("the plan does not say %q:\n%s", w, out)
		}
	}
}

func TestDelays(t *testing.T) {
	for text, want := range map[string]Delays{
		"":                            {},
		"aws":                         {Boot: 25 * time.Second, Registration: 20 * time.Second, LoadBalancer: 2 * time.Minute, Lead: 10 * time.Second},
		"shutdown=30s, lead=1s":       {Shutdown: 30 * time.Second, Lead: time.Second},
		"boot=0s,registration=1500ms": {Registration: 1500 * time.Millisecond},
	} {
		if got, err := parseDelays(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func TestActionsErrorKeepsItsCode(t *testing.T) {
	var e bytes.Buffer
	code := Execute(context.Background(), []string{"run"}, IO{In: strings.NewReader(""), Out: &e, Err: &e}, Actions{
		Run: func(context.Context, Run) (int, error) { return ExitLeaked, errors.New("an instance is left") },
	})
	if code != ExitLeaked || !strings.Contains(e.String(), "fairlead: an instance is left") {
		t.Errorf("exit %d, %q", code, e.String())
	}
}
