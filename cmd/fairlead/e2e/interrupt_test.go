package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// partial demands that a run that was ended in its blocks has reported what it
// had measured and left nothing.
func (h home) partial(t *testing.T, run string) {
	t.Helper()
	var r struct {
		Status string
		Arms   []json.RawMessage
	}
	h.read(t, filepath.Join(run, "report.json"), &r)
	if r.Status != "partial" || len(r.Arms) != 2 {
		t.Errorf("the report's status is %q, with %d arms; want partial and 2", r.Status, len(r.Arms))
	}
	if !exists(filepath.Join(run, "report.html")) {
		t.Error("there is no report.html")
	}
	h.clean(t, run)
}

// clean demands a receipt of which nothing is left, and that this is true.
func (h home) clean(t *testing.T, run string) {
	t.Helper()
	var receipt struct{ Left []string }
	h.read(t, filepath.Join(run, "receipt.json"), &receipt)
	if receipt.Left == nil || len(receipt.Left) > 0 {
		t.Errorf("the receipt says that %v is left", receipt.Left)
	}
	if left := h.processes(); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(h.clouds(), "run-*")); len(left) > 0 {
		t.Errorf("folders are left: %v", left)
	}
}

func (h home) read(t *testing.T, path string, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

// A terminal shows where the run is; Ctrl-C there ends it with what it has.
func TestTerminalShowsProgressAndTakesCtrlC(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	terminal, screen := h.terminal(t, "run", "--preset", "smoke", "--out", h.out)
	run := h.inBlocks(t, terminal.proc)
	sees := func(pattern string) {
		t.Helper()
		eventually(t, 20*time.Second, "the terminal shows "+pattern, func() bool { return regexp.MustCompile(pattern).MatchString(screen.String()) })
	}
	sees(`(setting up|launching) · 4 of 4 trials left`)
	sees(`block 1/2 · cluster[12]/proxy/peak-ewma · \w+ · 4 of 4 trials left`)
	if _, err := terminal.keyboard.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	if code := terminal.wait(t, 30*time.Second); code != 130 {
		t.Errorf("exit %d, want 130\n%s", code, screen.String())
	}
	sees(`interrupted; the fleet is ended, what was measured is in .*runs/smoke-`)
	h.partial(t, run)
}

// Output that is no terminal gets the result and nothing on the way; --json is
// one object. SIGTERM is as good as Ctrl-C.
func TestSigtermAndJSON(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p := h.start(t, h.environ(), built.launcher, "run", "--preset", "smoke", "--json", "--out", h.out)
	run := h.inBlocks(t, p)
	p.signal(syscall.SIGTERM)
	if code := p.wait(t, 30*time.Second); code != 130 {
		t.Errorf("exit %d, want 130", code)
	}
	var sum struct {
		Run, Status, Folder string
		ExitCode            int
	}
	if err := json.Unmarshal([]byte(p.out.String()), &sum); err != nil {
		t.Errorf("standard output is not one JSON object: %v\n%s", err, p.out.String())
	}
	if sum.Status != "partial" || sum.ExitCode != 130 || sum.Run != filepath.Base(run) || filepath.Clean(sum.Folder) != run {
		t.Errorf("%+v", sum)
	}
	// The other tests' launchers use the same tree at the same time.
	said := strings.ReplaceAll(p.err.String(), "fairlead: another fairlead is compiling; waiting for it\n", "")
	if said != "" {
		t.Errorf("standard error is not empty: %q", said)
	}
	h.partial(t, run)
}

// The second Ctrl-C ends the command at once, and with it all that it started.
func TestSecondCtrlCEndsAtOnce(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p := h.start(t, h.environ(), built.launcher, "run", "--preset", "smoke", "--out", h.out)
	h.inBlocks(t, p)
	started := tree(p.cmd.Process.Pid)
	eventually(t, 10*time.Second, "the command ends", func() bool {
		p.signal(syscall.SIGINT)
		return p.ended()
	})
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("the command ended with %v, not by the second signal", p.cmd.ProcessState)
	}
	eventually(t, 5*time.Second, "nothing of it runs", func() bool { return len(living(started))+len(h.processes()) == 0 })
}

// Before anything runs there is nothing to report.
func TestCtrlCWhileTheCloudStarts(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	p := h.start(t, h.environ(), built.launcher, "run", "--preset", "smoke", "--out", h.out)
	eventually(t, 60*time.Second, "the cloud's lock", func() bool {
		found, _ := filepath.Glob(filepath.Join(h.clouds(), "run-*", "lock"))
		return len(found) > 0 || p.ended()
	})
	p.signal(syscall.SIGINT)
	if code := p.wait(t, 45*time.Second); code != 130 {
		t.Errorf("exit %d, want 130\n%s", code, p.err.String())
	}
	if left, _ := filepath.Glob(filepath.Join(h.clouds(), "run-*")); len(left) > 0 || len(h.processes()) > 0 {
		t.Errorf("left: %v, %v", left, h.processes())
	}
}

// console is the command on a terminal of its own.
type console struct {
	*proc
	keyboard *os.File
}

// terminal starts the command on a pseudo terminal, whose screen it returns.
func (h home) terminal(t *testing.T, args ...string) (*console, output) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("skipped: no pseudo terminal here: %v", err)
	}
	var number int
	if err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err == nil {
		number, err = unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 160})
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	screen, err := os.Create(filepath.Join(h.dir, "screen"))
	if err != nil {
		t.Fatal(err)
	}
	p := &proc{cmd: exec.Command(built.launcher, args...), out: output(screen.Name()), err: output(screen.Name())}
	p.cmd.Dir, p.cmd.Env = h.dir, append(h.environ(), "TERM=xterm")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = slave, slave, slave
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	copied := make(chan struct{})
	t.Cleanup(func() {
		master.Close()
		<-copied
		screen.Close()
	})
	p.begin(t)
	go func() { // ends when the last process with the terminal does
		defer close(copied)
		_, _ = screen.ReadFrom(onlyReader{master})
	}()
	return &console{p, master}, output(screen.Name())
}

// onlyReader keeps ReadFrom from calls that a terminal does not know.
type onlyReader struct{ f *os.File }

func (r onlyReader) Read(p []byte) (int, error) { return r.f.Read(p) }
