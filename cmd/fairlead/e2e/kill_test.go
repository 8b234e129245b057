package e2e_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestKilledCloudLeavesNoProcessAndTheNextStartCleans(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		why    string
		victim func(p process, engine int) bool
	}{
		{"the engine alone", func(p process, engine int) bool { return p.pid == engine }},
		{"every process named fairlead at once", func(p process, _ int) bool { return p.comm == "fairlead" }},
	} {
		t.Run(tt.why, func(t *testing.T) {
			h := newHome(t)
			p := h.start(t, h.environ(), built.launcher, "run", "--preset", "smoke", "--out", h.out)
			h.inBlocks(t, p)
			engine := p.cmd.Process.Pid // the launcher has become it
			started := tree(engine)
			names := map[string]int{}
			for _, s := range started {
				names[s.comm]++
			}
			if names["backend"] != 2 || names["proxy"] != 1 || names["bootstrap"] < 4 {
				t.Fatalf("what runs in a trial: %v", names)
			}
			killed := time.Now()
			for _, s := range started {
				if tt.victim(s, engine) {
					_ = syscall.Kill(s.pid, syscall.SIGKILL)
				}
			}
			eventually(t, 5*time.Second, "nothing of it runs", func() bool { return len(living(started))+len(h.processes()) == 0 })
			t.Logf("%d processes (%v) were gone after %v", len(started), names, time.Since(killed).Round(time.Millisecond))
			p.wait(t, time.Second)

			old := h.folders(t)
			if len(old) != 1 {
				t.Fatalf("the killed cloud's folders: %v", old)
			}
			s := h.serve(t)
			if exists(old[0]) {
				t.Errorf("the next start left the folder %s", old[0])
			}
			if left := cgroups(t, engine); len(left) > 0 {
				t.Errorf("the next start left cgroups: %v", left)
			}
			if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(mounts), old[0]) {
				t.Errorf("mounts are left (%v):\n%s", err, mounts)
			}
			notes, _ := filepath.Glob(filepath.Join(h.dir, "run/fairlead/*.json"))
			if slices.ContainsFunc(notes, func(n string) bool { return strings.HasPrefix(filepath.Base(n), fmt.Sprint(engine, "-")) }) {
				t.Errorf("the next start left its notes: %v", notes)
			}
			s.stop(t)
			if left := h.folders(t); len(left) > 0 {
				t.Errorf("folders are left: %v", left)
			}
		})
	}
}

func (h home) folders(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(h.clouds(), "run-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// cgroups are those that a cloud process has made.
func cgroups(t *testing.T, engine int) []string {
	t.Helper()
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil { // another's cgroup that has just gone
			return nil //nolint:nilerr
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), fmt.Sprintf("fairlead-%d-", engine)) {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// `go run` leaves its child behind when it is killed; the child notices.
func TestKilledGoRunEndsTheRun(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p := h.goRun(t, "run", "--preset", "smoke", "--out", h.out)
	run := h.inBlocks(t, p)
	before := h.processes()
	if !slices.ContainsFunc(before, func(p process) bool { return p.comm == "fairlead" }) {
		t.Fatalf("no process named fairlead among %v", before)
	}
	p.signal(syscall.SIGKILL) // go alone
	p.wait(t, 5*time.Second)
	eventually(t, 30*time.Second, "all that it started has ended", func() bool { return len(h.processes()) == 0 })
	contains(t, "standard error", p.err.String(), "interrupted; the fleet is ended")
	h.partial(t, run)
}

// goRun is the README's way to start the command.
func (h home) goRun(t *testing.T, args ...string) *proc {
	t.Helper()
	return h.startIn(t, built.root, h.environ(), "go", append([]string{"run", "./cmd/fairlead"}, args...)...)
}
