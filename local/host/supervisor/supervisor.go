package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/local/host/cpu"
)

// The pipes that the host gives: Boot comes in, Ready goes out.
const (
	bootFD  = 3
	readyFD = 4
)

// stopGrace is how long processes may take to end when the instance is ended:
// EC2 gives an operating system minutes, a laptop's user would not wait.
const stopGrace = time.Second

// soon is by when output of an ended process must have arrived.
func soon() time.Time { return time.Now().Add(100 * time.Millisecond) }

type supervisor struct {
	boot      Boot
	root      string // prefix of private folders where they could not be mounted
	booted    time.Time
	processes *processes
	units     units
	off       chan struct{} // closed when the instance is to end
	offOnce   sync.Once
}

// Main is the supervisor's whole life. Its exit code is 0 when the instance
// was shut down from inside or by the host's request.
func Main() int {
	s := &supervisor{booted: time.Now(), processes: newProcesses(), off: make(chan struct{}),
		units: units{services: map[string]*service{}, timers: map[string]*timer{}}}
	// Caught and dropped, not ignored: what a process ignores its children ignore.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGHUP, syscall.SIGPIPE)
	// The pipes are ours alone: a child that held one would outlive us unseen.
	syscall.CloseOnExec(bootFD)
	syscall.CloseOnExec(readyFD)
	pipe := os.NewFile(bootFD, "boot")
	decoder := json.NewDecoder(pipe)
	if err := decoder.Decode(&s.boot); err != nil {
		fmt.Fprintln(os.Stderr, "supervisor: boot:", err)
		return 1
	}
	listener, err := s.prepare()
	ready := os.NewFile(readyFD, "ready")
	answer := Ready{Root: s.root}
	if err != nil {
		answer.Error = err.Error()
	}
	err = errors.Join(json.NewEncoder(ready).Encode(answer), ready.Close())
	if answer.Error != "" || err != nil {
		return 1
	}
	go func() { // the host's end of the pipe closes when the host dies
		var none json.RawMessage
		_ = decoder.Decode(&none) // nothing comes but the end
		s.killTree()
		os.Exit(1)
	}()
	go s.processes.reap()
	go s.serve(listener)
	if s.boot.Throttle > 0 {
		go cpu.Throttle(context.Background(), s.boot.Throttle) // until the process ends
	}
	if strings.HasPrefix(string(s.boot.UserData), "#!") {
		go s.cloudInit()
	}
	<-s.off
	stopped := make(chan struct{})
	go func() {
		s.stopAll()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(stopGrace):
	}
	listener.Close()
	s.killTree()
	return 0
}

// prepare makes the instance's own view of the machine.
func (s *supervisor) prepare() (net.Listener, error) {
	if s.boot.Namespaced {
		// Nothing is mounted before this has succeeded: on most machines mounts of
		// a new namespace still reach the one it was copied from.
		err := keepMounts()
		procErr := err
		if err == nil {
			procErr = ownProc()
			err = privatize(s.boot.Dir, s.boot.Private)
		}
		if procErr != nil {
			fmt.Fprintln(os.Stderr, "supervisor:", procErr)
			if s.boot.Throttle > 0 {
				return nil, procErr // it would find no process to stop
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "supervisor:", err)
			s.root = filepath.Join(s.boot.Dir, "root")
		}
	} else {
		s.root = filepath.Join(s.boot.Dir, "root")
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return nil, fmt.Errorf("subreaper: %w", err)
		}
	}
	if s.root != "" {
		s.boot.Env = slices.DeleteFunc(s.boot.Env, func(v string) bool { return strings.HasPrefix(v, "TMPDIR=") })
		s.boot.Env = append(s.boot.Env, "FAIRLEAD_ROOT="+s.root, "TMPDIR="+s.root+"/tmp")
	}
	for _, dir := range append([]string{s.journalDir()}, s.privateDirs()...) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
	}
	return listen(s.boot.Dir)
}

func (s *supervisor) privateDirs() []string {
	var dirs []string
	for _, dir := range s.boot.Private {
		dirs = append(dirs, s.root+dir)
	}
	return dirs
}

func (s *supervisor) journalDir() string { return filepath.Join(s.boot.Dir, "journal") }

// resolve finds a file of the instance: programs that we provide, and, where
// private folders could not be mounted, their place below the root.
func (s *supervisor) resolve(path string) string {
	switch filepath.Dir(path) {
	case "/bin", "/sbin", "/usr/bin", "/usr/sbin":
		own := filepath.Join(s.boot.Dir, "bin", filepath.Base(path))
		if _, err := os.Lstat(own); err == nil {
			return own
		}
	}
	return s.resolveNew(path)
}

// resolveNew is where a file of the instance is, or is to be made.
func (s *supervisor) resolveNew(path string) string {
	if s.root == "" || strings.HasPrefix(path, s.boot.Dir+"/") {
		return path
	}
	for _, dir := range s.boot.Private {
		if strings.HasPrefix(path+"/", dir+"/") {
			return s.root + path
		}
	}
	return path
}

// cloudInit runs the user data as cloud-init's final stage does, with its
// output where cloud-init leaves it.
func (s *supervisor) cloudInit() {
	dir := s.resolveNew("/var/log/cloud-init")
	log := newJournal(s.journalDir(), "cloud-final.service")
	r := s.runScript(context.Background(), Script{Text: string(s.boot.UserData), Dir: dir})
	log.print("cloud-init", 1, "user data ended with code %d %s", r.Code, strings.TrimSpace(r.Stderr))
	var all []byte
	for _, name := range []string{"stdout", "stderr"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			log.print("cloud-init", 1, "%v", err)
		}
		all = append(all, text...)
	}
	if err := os.WriteFile(s.resolveNew("/var/log/cloud-init-output.log"), all, 0o644); err != nil {
		log.print("cloud-init", 1, "%v", err)
	}
}

func (s *supervisor) powerOff() { s.offOnce.Do(func() { close(s.off) }) }

// killTree ends everything below the supervisor. As process 1 the kernel would
// do it when we exit; a subreaper must do it, and again until nothing forks.
func (s *supervisor) killTree() {
	for range 100 {
		pids := cpu.Tree()
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(time.Millisecond) // the reaper needs a moment
	}
}
