package e2e_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// home is a user's machine for one test: caches, results and registry of its
// own, so that tests see nothing of each other.
type home struct {
	dir string // short, and in the environment of every process of the test
	out string // the results folder
}

func newHome(t *testing.T) home {
	t.Helper()
	dir, err := os.MkdirTemp("", "fl-")
	if err != nil {
		t.Fatal(err)
	}
	h := home{dir: dir, out: filepath.Join(dir, "results")}
	for _, d := range []string{"cache/fairlead", "run", "tmp", "home"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(built.programs, filepath.Join(dir, "cache/fairlead/programs")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left := h.processes(); len(left) > 0 {
			t.Errorf("left running: %v", left)
			for _, p := range left {
				p.kill()
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return h
}

// clouds is where the engine keeps the folders of its clouds.
func (h home) clouds() string { return filepath.Join(h.dir, "cache/fairlead/clouds") }

// environ is the environment of a process in this home.
func (h home) environ(more ...string) []string {
	env := append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(h.dir, "home"), "TMPDIR=" + filepath.Join(h.dir, "tmp"),
		"XDG_CACHE_HOME=" + filepath.Join(h.dir, "cache"), "XDG_RUNTIME_DIR=" + filepath.Join(h.dir, "run"),
	}, built.goEnv...)
	for _, name := range []string{"GOFLAGS", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOTOOLCHAIN"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, more...)
}

// proc is a started process. Its output goes to files, which are there for as
// long as anything writes to them: a pipe would break with its reader.
type proc struct {
	cmd      *exec.Cmd
	out, err output
	done     chan struct{}
	code     int // once done; -1: ended by a signal
}

// output is the file with what a process wrote.
type output string

func (o output) String() string {
	text, _ := os.ReadFile(string(o))
	return string(text)
}

// start starts a program in the home. It is ended with the test at the latest:
// politely, so that what it started ends too, then by force.
func (h home) start(t *testing.T, env []string, name string, args ...string) *proc {
	t.Helper()
	return h.startIn(t, h.dir, env, name, args...)
}

func (h home) startIn(t *testing.T, dir string, env []string, name string, args ...string) *proc {
	t.Helper()
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(h.dir, "output-")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	p := &proc{cmd: exec.Command(name, args...), out: output(files[0].Name()), err: output(files[1].Name())}
	p.cmd.Dir, p.cmd.Env = dir, env
	p.cmd.Stdout, p.cmd.Stderr = files[0], files[1]
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C at the tests is not for it
	p.begin(t)
	return p
}

// begin starts the process and sees to its end.
func (p *proc) begin(t *testing.T) {
	t.Helper()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.done = make(chan struct{})
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code tells
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() {
		for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
			if p.ended() {
				return
			}
			p.signal(s)
			select {
			case <-p.done:
			case <-time.After(45 * time.Second):
			}
		}
	})
}

// run starts the command and waits for its end.
func (h home) run(t *testing.T, within time.Duration, args ...string) *proc {
	t.Helper()
	p := h.start(t, h.environ(), built.launcher, args...)
	p.wait(t, within)
	return p
}

func (p *proc) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// wait waits for the end and gives the exit code.
func (p *proc) wait(t *testing.T, within time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.code
	case <-time.After(within):
		t.Fatalf("%v did not end within %v\nstdout: %s\nstderr: %s", p.cmd.Args, within, p.out.String(), p.err.String())
		return -1
	}
}

func (p *proc) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// eventually polls until ok is true; the error of a test that fails names what.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", within, what)
		case <-tick.C:
		}
	}
}

// inBlocks waits until the run's first trial is being measured, and gives the
// run's folder.
func (h home) inBlocks(t *testing.T, p *proc) string {
	t.Helper()
	var found []string
	eventually(t, 60*time.Second, "the first trial", func() bool {
		if p.ended() {
			t.Fatalf("ended with %d before its first trial\nstdout: %s\nstderr: %s", p.code, p.out.String(), p.err.String())
		}
		found, _ = filepath.Glob(filepath.Join(h.out, "runs/*/trials/*/aim.json"))
		return len(found) > 0
	})
	return filepath.Dir(filepath.Dir(filepath.Dir(found[0])))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not say %q:\n%s", what, part, text)
		}
	}
}
