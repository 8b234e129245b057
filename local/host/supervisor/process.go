package supervisor

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// processes starts and reaps. As process 1 it also inherits orphans, so one
// reaper waits for every child and hands each status to who started it.
type processes struct {
	mu     sync.Mutex // held over fork and register: a child may end before its start returns
	byPID  map[int]*process
	reaped time.Duration // CPU time of all that ended
}

// process is one started child.
type process struct {
	pid    int
	done   chan struct{}      // closed when it has ended
	status syscall.WaitStatus // set before done is closed
}

// command is what to start. Nil files are /dev/null.
type command struct {
	path   string
	args   []string
	dir    string
	env    []string
	out    *os.File
	err    *os.File
	noFile uint64
}

func newProcesses() *processes { return &processes{byPID: map[int]*process{}} }

// reap runs for as long as the supervisor lives.
func (p *processes) reap() {
	sigchld := make(chan os.Signal, 1)
	signal.Notify(sigchld, syscall.SIGCHLD)
	for {
		for p.reapOne() {
		}
		<-sigchld
	}
}

func (p *processes) reapOne() bool {
	var status syscall.WaitStatus
	var usage syscall.Rusage
	p.mu.Lock()
	defer p.mu.Unlock()
	pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, &usage)
	if errors.Is(err, syscall.EINTR) {
		return true
	}
	if err != nil || pid <= 0 {
		return false
	}
	p.reaped += time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	if child, ok := p.byPID[pid]; ok {
		delete(p.byPID, pid)
		child.status = status
		close(child.done)
	}
	return true
}

func (p *processes) usage() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reaped
}

// start runs a command in a session of its own, so that its process group can
// be signalled as one.
func (p *processes) start(c command) (*process, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), null.Fd(), null.Fd()}
	if c.out != nil {
		files[1] = c.out.Fd()
	}
	if c.err != nil {
		files[2] = c.err.Fd()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.noFile > 0 {
		restore, err := limitFiles(c.noFile)
		if err != nil {
			return nil, err
		}
		defer restore()
	}
	pid, err := syscall.ForkExec(c.path, c.args, &syscall.ProcAttr{Dir: c.dir, Env: c.env, Files: files,
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}})
	if err != nil {
		return nil, err
	}
	child := &process{pid: pid, done: make(chan struct{})}
	p.byPID[pid] = child
	return child, nil
}

// limitFiles sets the limit that the next child inherits: fork takes the
// parent's, and there is no other way to have it in place before exec.
func limitFiles(n uint64) (restore func(), err error) {
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		return nil, err
	}
	// The hard limit stays: an unprivileged supervisor could not raise it again.
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: min(n, old.Max), Max: old.Max}); err != nil {
		return nil, err
	}
	return func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old) }, nil // going back is always allowed
}

// signal goes to the child's whole process group, if there is one still.
func (c *process) signal(s syscall.Signal) { _ = syscall.Kill(-c.pid, s) }

// stop asks with s, then after grace kills the group, and returns when the
// child has been reaped.
func (c *process) stop(s syscall.Signal, grace time.Duration) (killed bool) {
	c.signal(s)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		killed = true
	}
	c.signal(syscall.SIGKILL) // also what the child left behind in its group
	<-c.done
	return killed
}
