package lambda

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// starter starts processes that die with this one. The kernel sends a child its
// parent-death signal when the *thread* that created it ends, not the process.
// Go ends a thread when a goroutine that is locked to it returns, and a
// goroutine of another package may do that on a thread which once created one
// of our children. So all children are created by one goroutine that owns its
// thread and stays until the last of them is gone.
type starter struct {
	requests chan startRequest
	done     sync.WaitGroup
}

type startRequest struct {
	cmd   *exec.Cmd
	reply chan error
}

func newStarter() *starter {
	s := &starter{requests: make(chan startRequest)}
	s.done.Go(func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for r := range s.requests {
			r.reply <- r.cmd.Start()
		}
	})
	return s
}

// start runs cmd in a process group of its own, to be killed with this process.
func (s *starter) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	reply := make(chan error, 1)
	s.requests <- startRequest{cmd, reply}
	if err := <-reply; err != nil {
		return err
	}
	// Lambda gives a function 1,024 file descriptors, which bounds its sockets.
	limit := &unix.Rlimit{Cur: 1024, Max: 1024}
	if err := unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_NOFILE, limit, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		killGroup(cmd.Process.Pid)
		return errors.Join(err, cmd.Wait())
	}
	return nil
}

// close ends the starter; every process it started must have been waited for.
func (s *starter) close() {
	close(s.requests)
	s.done.Wait()
}

// killGroup ends a process and what it started. It must be called before the
// process has been waited for: afterwards its number may belong to another.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }
