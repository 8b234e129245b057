package e2e_test

import (
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// served is a local AWS that `fairlead serve` keeps up.
type served struct {
	home
	proc                      *proc
	endpoint, machine, bucket string
	keys                      []string // the environment that serve tells its user to export
}

// serve starts it on a free port and reads what its user reads.
func (h home) serve(t *testing.T) served {
	t.Helper()
	s := served{home: h, proc: h.start(t, h.environ(), built.launcher, "serve", "--addr", "127.0.0.1:0", "--out", h.out)}
	eventually(t, 60*time.Second, "the local AWS is up", func() bool {
		if s.proc.ended() {
			t.Fatalf("serve ended with %d\n%s", s.proc.code, s.proc.err.String())
		}
		return strings.Contains(s.proc.out.String(), "\nCPU")
	})
	said := s.proc.out.String()
	find := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(said)
		if found == nil {
			t.Fatalf("serve does not say %s:\n%s", pattern, said)
		}
		return found[1]
	}
	s.endpoint = find(`--endpoint-url (\S+)`)
	s.machine = find(`--state-machine-arn (\S+)`)
	s.bucket = find(`(s3://[^,\s]+)`)
	s.keys = strings.Fields(find(`export (.*)`))
	return s
}

// execution is the ARN of an execution of the one state machine.
func (s served) execution(name string) string {
	return strings.Replace(s.machine, ":stateMachine:", ":execution:", 1) + ":" + name
}

// stop is Ctrl-C.
func (s served) stop(t *testing.T) {
	t.Helper()
	s.proc.signal(syscall.SIGINT)
	if code := s.proc.wait(t, 45*time.Second); code != 0 {
		t.Errorf("serve ended with %d\n%s", code, s.proc.err.String())
	}
	if left := s.processes(); len(left) > 0 {
		t.Errorf("serve left %v", left)
	}
}

// Ctrl-C of serve while an execution runs ends its fleet, with a receipt.
func TestServeEndsWhatItRuns(t *testing.T) {
	t.Parallel()
	found := clis(t)
	if len(found) == 0 {
		t.Skip("skipped: no aws command on this machine")
	}
	s := newHome(t).serve(t)
	c := found[0].at(t, s)
	c.do(t, "stepfunctions", "start-execution", "--state-machine-arn", s.machine, "--name", "cut-short", "--input", `{"preset": "smoke"}`)
	run := s.inBlocks(t, s.proc)
	s.stop(t)
	s.clean(t, run)
}
