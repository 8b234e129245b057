package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// stopTime is how long a child may take to end when it is asked to.
const stopTime = 3 * time.Second

// child is a process that the bench has started. It has a process group of its
// own: Ctrl-C reaches the bench alone, which stops its children itself.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
	once  sync.Once
}

// seat is where a child runs.
type seat struct {
	core     int // < 0: any
	realtime bool
}

// take runs start in the seat, for the child that it starts.
func (s seat) take(start func() error) error {
	if !s.realtime {
		return onCore(s.core, start)
	}
	return asRealtime(func() error { return onCore(s.core, start) })
}

// spawn starts a command.
func spawn(c command, at seat, stdin *os.File, stdout, stderr io.Writer) (*child, error) {
	// It outlives the call that starts it; stop ends it.
	cmd := exec.Command(c.args[0], c.args[1:]...) //nolint:noctx // see above
	cmd.Env = append(os.Environ(), c.env...)
	if stdin != nil {
		cmd.Stdin = stdin
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = stopTime
	if err := at.take(cmd.Start); err != nil {
		return nil, err
	}
	p := &child{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // how it ended says nothing that its output does not
	}()
	return p, nil
}

func (p *child) pid() int { return p.cmd.Process.Pid }

// stop ends the child, and whatever it has started, and waits for that.
func (p *child) stop() {
	p.once.Do(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(stopTime):
		}
		// What is left of its group, if anything is.
		if err := syscall.Kill(-p.pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			_ = p.cmd.Process.Kill()
		}
		<-p.ended
	})
}

// tail keeps the end of what a child prints, for the error if it fails.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if n := len(t.text) - tailSize; n > 0 {
		t.text = t.text[n:]
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
