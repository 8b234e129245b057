package supervisor

import (
	"errors"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/local/host/systemd"
)

// service runs one .service unit. Its states are systemd's.
type service struct {
	s       *supervisor
	journal *journal

	mu       sync.Mutex
	unit     *systemd.Unit
	state    string        // inactive, activating, active, deactivating or failed
	sub      string        // dead, start-pre, start, running, exited, auto-restart, stop-sigterm or failed
	result   string        // success, exit-code, signal, timeout, start-limit-hit or resources
	since    time.Time     // of the state
	main     *process      // while one runs
	pid      int           // of the last main process
	stopping chan struct{} // closed to end the activation; nil while inactive
	ended    chan struct{} // closed when the activation has ended
	starts   []time.Time   // within the start limit's interval
	restarts int
}

func newService(s *supervisor, u *systemd.Unit) *service {
	return &service{s: s, unit: u, journal: newJournal(filepath.Join(s.boot.Dir, "journal"), u.Name),
		state: "inactive", sub: "dead", result: "success", since: time.Now()}
}

func (v *service) enter(state, sub string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.state, v.sub, v.since = state, sub, time.Now()
}

func (v *service) log(format string, args ...any) { v.journal.print("systemd", 1, format, args...) }

// errStart is a start that did not succeed; why stands in result.
var errStart = errors.New("start failed")

// start activates the unit and returns when systemd's "systemctl start" would:
// at once for simple and exec, at the end of a oneshot.
func (v *service) start() error {
	v.mu.Lock()
	if v.stopping != nil { // active or on its way
		v.mu.Unlock()
		return nil
	}
	unit, stopping, ended := v.unit, make(chan struct{}), make(chan struct{})
	if !v.allowStart() {
		v.state, v.sub, v.result = "failed", "failed", "start-limit-hit"
		v.mu.Unlock()
		v.log("%s: Start request repeated too quickly.", unit.Name)
		return errStart
	}
	v.stopping, v.ended, v.restarts = stopping, ended, 0
	v.mu.Unlock()
	for _, directive := range unit.NotEnforced {
		v.log("%s: %s is not enforced here", unit.Name, directive)
	}
	started := make(chan error, 1)
	go func() {
		state, sub := v.activate(unit, stopping, started)
		v.mu.Lock()
		v.state, v.sub, v.since, v.main, v.stopping = state, sub, time.Now(), nil, nil
		v.mu.Unlock()
		close(ended)
	}()
	select {
	case err := <-started:
		return err
	case <-ended:
		select {
		case err := <-started:
			return err
		default:
			return errStart
		}
	}
}

// allowStart applies StartLimitBurst within StartLimitIntervalSec. mu is held.
func (v *service) allowStart() bool {
	limit, now := v.unit.Service.StartLimit, time.Now()
	if limit == 0 {
		return true
	}
	recent := v.starts[:0]
	for _, t := range v.starts {
		if now.Sub(t) < v.unit.Service.StartInterval {
			recent = append(recent, t)
		}
	}
	v.starts = append(recent, now)
	return len(v.starts) <= limit
}

// stop ends the activation and waits for it.
func (v *service) stop() {
	v.mu.Lock()
	stopping, ended := v.stopping, v.ended
	if stopping != nil {
		select {
		case <-stopping:
		default:
			close(stopping)
		}
	} else if v.state == "active" { // a oneshot that remains after exit
		v.state, v.sub, v.since = "inactive", "dead", time.Now()
	}
	v.mu.Unlock()
	if stopping != nil {
		<-ended
	}
}

// activate runs the unit's processes, again as Restart= says, until it is
// stopped or ends. It gives the state in which the unit is then.
func (v *service) activate(u *systemd.Unit, stopping <-chan struct{}, started chan<- error) (state, sub string) {
	for {
		v.enter("activating", "start")
		v.log("Starting %s...", describe(u))
		result := v.once(u, stopping, started)
		if result != "success" {
			tell(started, errStart) // a restart may follow, but who started it knows
		}
		v.mu.Lock()
		v.result = result
		v.mu.Unlock()
		select {
		case <-stopping:
			v.log("Stopped %s.", describe(u))
			return "inactive", "dead"
		default:
		}
		if !restarts(u.Service.Restart, result) {
			if result != "success" {
				v.log("%s: Failed with result '%s'.", u.Name, result)
				return "failed", "failed"
			}
			v.log("%s: Deactivated successfully.", u.Name)
			if u.Service.RemainAfterExit {
				return "active", "exited"
			}
			return "inactive", "dead"
		}
		v.enter("activating", "auto-restart")
		select {
		case <-stopping:
			return "inactive", "dead"
		case <-time.After(u.Service.RestartDelay):
		}
		v.mu.Lock()
		v.restarts++
		again := v.allowStart()
		count := v.restarts
		if !again {
			v.result = "start-limit-hit"
		}
		v.mu.Unlock()
		if !again {
			v.log("%s: Start request repeated too quickly.", u.Name)
			return "failed", "failed"
		}
		v.log("%s: Scheduled restart job, restart counter is at %d.", u.Name, count)
	}
}

// tell answers who waits for the start; only the first answer is awaited.
func tell(started chan<- error, err error) {
	select {
	case started <- err:
	default:
	}
}

func restarts(policy, result string) bool {
	switch policy {
	case "always":
		return true
	case "on-success":
		return result == "success"
	case "on-failure":
		return result != "success"
	case "on-abnormal":
		return result == "signal" || result == "timeout"
	}
	return false
}

// once runs the unit's commands one time and gives systemd's result word.
func (v *service) once(u *systemd.Unit, stopping <-chan struct{}, started chan<- error) string {
	env, err := v.environment(u.Service)
	if err != nil {
		v.log("%s: %v", u.Name, err)
		return "resources"
	}
	for _, c := range u.Service.ExecStartPre {
		if result := v.wait(u, c, env, stopping, "start-pre"); result != "success" && !c.IgnoreFailure {
			return result
		}
	}
	if u.Service.Type == "oneshot" {
		for _, c := range u.Service.ExecStart {
			if result := v.wait(u, c, env, stopping, "start"); result != "success" && !c.IgnoreFailure {
				return result
			}
		}
		v.log("Finished %s.", describe(u))
		tell(started, nil)
		return "success"
	}
	c := u.Service.ExecStart[0]
	p, output, err := v.spawn(u, c, env)
	if err != nil {
		v.log("%s: Failed to execute %s: %v", u.Name, c.Args[0], err)
		return "exit-code"
	}
	v.enter("active", "running")
	v.log("Started %s.", describe(u))
	tell(started, nil)
	select {
	case <-p.done:
		if u.Service.KillMode != "process" {
			p.signal(syscall.SIGKILL)
		}
		<-output
	case <-stopping:
		v.enter("deactivating", "stop-sigterm")
		v.log("Stopping %s...", describe(u))
		if v.end(u, p) {
			v.log("%s: State 'stop-sigterm' timed out. Killing.", u.Name)
			return "timeout"
		}
		<-output
	}
	result := outcome(p.status)
	if result != "success" {
		v.log("%s: Main process exited, %s", u.Name, exitText(p.status))
		if c.IgnoreFailure {
			return "success"
		}
	}
	return result
}

// wait runs a command to its end.
func (v *service) wait(u *systemd.Unit, c systemd.Command, env map[string]string, stopping <-chan struct{}, sub string) string {
	v.enter("activating", sub)
	p, output, err := v.spawn(u, c, env)
	if err != nil {
		v.log("%s: Failed to execute %s: %v", u.Name, c.Args[0], err)
		return "exit-code"
	}
	limit := time.NewTimer(u.Service.TimeoutStart)
	if u.Service.Type == "oneshot" {
		limit.Stop() // systemd.service(5): oneshot has no start timeout by default
	}
	defer limit.Stop()
	select {
	case <-p.done:
		<-output
	case <-stopping:
		v.end(u, p)
		return "signal"
	case <-limit.C:
		v.log("%s: start operation timed out. Terminating.", u.Name)
		v.end(u, p)
		return "timeout"
	}
	if result := outcome(p.status); result != "success" {
		v.log("%s: Control process exited, %s", u.Name, exitText(p.status))
		return result
	}
	return "success"
}

func describe(u *systemd.Unit) string {
	if u.Description != "" {
		return u.Name + " - " + u.Description
	}
	return u.Name
}
