package lambda

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// phase is where a sandbox stands in its life.
//
//	starting ──next──► idle ──event──► running ──response|error──► answered ──next──► idle
//	any ──process ends──► dead
type phase int

const (
	starting phase = iota
	idle
	running
	answered
)

// sandbox is one execution environment: a process and its conversation with
// the Runtime API. Whoever acquired it from the pool owns it until release.
type sandbox struct {
	id      string // its path in the Runtime API; random, so that no other process can guess it
	fn      *function
	stream  string // log stream
	tmp     string // the function's own /tmp, removed with the sandbox
	expires time.Time
	log     *sandboxLog

	work   chan *event   // the owner hands the next event to the process that polls
	ready  chan struct{} // closed at the first poll
	exited chan struct{} // closed when the process is gone and its output read

	mu        sync.Mutex
	phase     phase
	current   *event
	initError []byte    // what the runtime posted to init/error
	pid       int       // 0 before the start and after the end
	exitErr   error     // set before exited is closed
	idleSince time.Time // under Service.mu
}

// event is one invocation on its way through a process.
type event struct {
	requestID string
	arn       string
	traceID   string
	payload   []byte
	deadline  time.Time
	done      chan struct{} // closed when the process has answered and polls again

	// Written under the sandbox's mutex, read after done or exited.
	response []byte
	failed   bool
	answered bool
}

// launch starts the sandbox's process. The error is in AWS's words.
func (s *Service) launch(sb *sandbox, env []string) error {
	if err := os.MkdirAll(sb.tmp, 0o700); err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	cmd := exec.Command(sb.fn.bundle.dir + "/bootstrap")
	cmd.Dir = sb.fn.bundle.dir
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = w, w
	err = s.starter.start(cmd)
	w.Close()
	if err != nil {
		r.Close()
		return errors.Join(err, os.RemoveAll(sb.tmp))
	}
	sb.mu.Lock()
	sb.pid = cmd.Process.Pid
	sb.mu.Unlock()
	sb.log.read(r)
	s.processes.Go(func() { sb.wait(cmd, r) })
	return nil
}

// wait collects the process when it ends.
func (sb *sandbox) wait(cmd *exec.Cmd, output *os.File) {
	// Looked at before it is collected: until then its number stays its own and
	// what it started can be killed with it.
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	sb.mu.Lock()
	killGroup(sb.pid)
	sb.exitErr = cmd.Wait()
	sb.pid = 0
	sb.mu.Unlock()
	sb.log.flush()
	output.Close()
	sb.log.wait()
	_ = os.RemoveAll(sb.tmp) // leftovers of the function; Clean removes what resists
	close(sb.exited)
}

// kill ends the process at once, as AWS does; exited is closed soon after.
func (sb *sandbox) kill() {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.pid != 0 {
		killGroup(sb.pid)
	}
}

// next is called when the process polls: it ends the event in hand. It reports
// false when the process polls without having answered.
func (sb *sandbox) next() bool {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	switch sb.phase {
	case running:
		return false
	case starting:
		close(sb.ready)
	case answered:
		close(sb.current.done)
		sb.current = nil
	}
	sb.phase = idle
	return true
}

// begin makes e the event in hand.
func (sb *sandbox) begin(e *event) {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.phase, sb.current = running, e
}

// answer keeps what the process posted for the event in hand; it reports false
// when that is another event, or none.
func (sb *sandbox) answer(requestID string, body []byte, failed bool) bool {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.phase != running || sb.current.requestID != requestID {
		return false
	}
	e := sb.current
	e.response, e.failed, e.answered = body, failed, true
	sb.phase = answered
	return true
}

func (sb *sandbox) failInit(body []byte) bool {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	if sb.phase != starting {
		return false
	}
	sb.initError = body
	return true
}
