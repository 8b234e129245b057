package e2e_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func TestBadInputStartsNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why  string
		plan string
		says []string // of standard error: every error, with what would be right
	}{
		{"not JSON", `{"preset": `, []string{"plan.json", "JSON"}},
		{"several errors are told at once", `{
			"clusters": [{"name": "a", "instanceType": "t2.micro", "count": 0}, {"name": "a", "instanceType": "t9.huge", "count": 1}],
			"targets": [{"kind": "proxy", "strategy": "fastest"}],
			"blocks": 0, "loud": true}`,
			[]string{"count", "\"a\"", "t9.huge", "fastest", "peak-ewma", "blocks", "loud"}},
		{"more sockets than there are", `{"preset": "smoke", "load": {"kind": "burst", "requests": 10000000}}`, []string{"requests", "10000000"}},
		{"dearer than allowed", `{"preset": "lab", "maxUSD": 0.0001}`, []string{"maxUSD"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			h := newHome(t)
			plan := filepath.Join(h.dir, "plan.json")
			if err := os.WriteFile(plan, []byte(tt.plan), 0o600); err != nil {
				t.Fatal(err)
			}
			p := h.run(t, 30*time.Second, "run", plan, "--out", h.out)
			if p.code != 2 {
				t.Errorf("exit %d, want 2", p.code)
			}
			contains(t, "the message", p.err.String(), tt.says...)
			if p.out.String() != "" {
				t.Errorf("standard output is not empty: %s", p.out.String())
			}
			for _, path := range []string{h.out, h.clouds()} {
				if exists(path) {
					t.Errorf("%s was made", path)
				}
			}
		})
	}
	for _, args := range [][]string{
		{"run", "no-such-file.json"}, {"run", "--preset", "huge"}, {"run", "--no-such-flag"}, {"fly"},
		{"serve", "--addr", "0.0.0.0:4566"}, {"serve", "--addr", "4566"}, {"report", "no-such-folder"},
	} {
		h := newHome(t)
		if p := h.run(t, 30*time.Second, args...); p.code != 2 || p.err.String() == "" || exists(filepath.Join(h.dir, "results")) || exists(h.clouds()) {
			t.Errorf("%v: exit %d, want 2, a message and no folders\n%s", args, p.code, p.err.String())
		}
	}
}

func TestPortInUseIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := newHome(t)
	p := h.run(t, 60*time.Second, "serve", "--addr", l.Addr().String(), "--out", h.out)
	if p.code != 1 {
		t.Errorf("exit %d, want 1", p.code)
	}
	contains(t, "the message", p.err.String(), l.Addr().String(), "in use")
	if left, _ := filepath.Glob(filepath.Join(h.clouds(), "run-*")); len(left) > 0 {
		t.Errorf("folders are left: %v", left)
	}
}

// A program that listens on every address takes the instances' port.
func TestInstancePortInUseIsNamed(t *testing.T) {
	const port = 8001 // the proxy's admin port
	l, err := net.Listen("tcp4", net.JoinHostPort("0.0.0.0", strconv.Itoa(port)))
	if err != nil {
		t.Skipf("port %d is taken by another program here: %v", port, err)
	}
	defer l.Close()
	h := newHome(t)
	p := h.run(t, 60*time.Second, "run", "--preset", "smoke", "--out", h.out)
	if p.code != 1 {
		t.Errorf("exit %d, want 1", p.code)
	}
	contains(t, "the message", p.err.String(), strconv.Itoa(port), "in use")
	if exists(filepath.Join(h.out, "runs")) {
		t.Error("a run was begun")
	}
}

// The launcher has read standard input before it becomes the engine, which
// needs it too.
func TestPlanFromStandardInputAndDryRun(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	plan := filepath.Join(h.dir, "plan.json")
	if err := os.WriteFile(plan, []byte(`{"preset": "smoke", "dryRun": true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := h.start(t, h.environ(), "/bin/sh", "-c", `cat plan.json | "$0" run - --out "$1"`, built.launcher, h.out)
	if code := p.wait(t, 60*time.Second); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.err.String())
	}
	contains(t, "the answer", p.out.String(), "cluster1/proxy/peak-ewma", "1 × t2.large", "nothing was launched")
	if exists(filepath.Join(h.out, "runs")) {
		t.Error("a dry run wrote something")
	}
}
