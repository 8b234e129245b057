package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/local/host/systemd"
)

// end stops a process as KillMode says and tells whether it had to be killed.
func (v *service) end(u *systemd.Unit, p *process) (killed bool) {
	if u.Service.KillMode == "control-group" {
		return p.stop(u.Service.KillSignal, u.Service.TimeoutStop)
	}
	_ = syscall.Kill(p.pid, u.Service.KillSignal)
	timer := time.NewTimer(u.Service.TimeoutStop)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		killed = true
	}
	if u.Service.KillMode == "mixed" {
		p.signal(syscall.SIGKILL)
	} else {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	<-p.done
	return killed
}

// spawn starts a command of the unit. The channel is closed when its output has
// been written to the journal, or shortly after its end when something else
// still holds the pipe.
func (v *service) spawn(u *systemd.Unit, c systemd.Command, env map[string]string) (*process, <-chan struct{}, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer write.Close()
	cmd := command{path: v.s.resolve(c.Args[0]), args: c.Expand(env), dir: "/", noFile: u.Service.NoFile}
	if u.Service.WorkingDirectory != "" {
		cmd.dir = v.s.resolve(u.Service.WorkingDirectory)
	}
	for name, value := range env {
		cmd.env = append(cmd.env, name+"="+value)
	}
	if u.Service.StdoutJournal {
		cmd.out = write
	}
	if u.Service.StderrJournal {
		cmd.err = write
	}
	p, err := v.s.processes.start(cmd)
	if err != nil {
		return nil, nil, errors.Join(err, read.Close())
	}
	v.mu.Lock()
	v.main, v.pid = p, p.pid
	v.mu.Unlock()
	copied, output := make(chan struct{}), make(chan struct{})
	go func() {
		v.journal.copy(filepath.Base(c.Args[0]), p.pid, read)
		close(copied)
	}()
	go func() {
		defer close(output)
		<-p.done
		select {
		case <-copied:
		case <-time.After(200 * time.Millisecond):
		}
	}()
	return p, output, nil
}

// environment is the instance's, then Environment=, then the files'.
func (v *service) environment(s *systemd.Service) (map[string]string, error) {
	env := map[string]string{}
	add := func(assignment string) {
		if name, value, ok := strings.Cut(assignment, "="); ok {
			env[name] = value
		}
	}
	for _, a := range append(append([]string{}, v.s.boot.Env...), s.Environment...) {
		add(a)
	}
	for _, file := range s.EnvironmentFiles {
		f, err := os.Open(v.s.resolve(file.Path))
		if err != nil {
			if file.Optional {
				continue
			}
			return nil, fmt.Errorf("Failed to load environment files: %w", err) //nolint:staticcheck // systemd's own wording
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			line := strings.TrimSpace(lines.Text())
			if line == "" || line[0] == '#' || line[0] == ';' {
				continue
			}
			words, err := systemd.Words(strings.ReplaceAll(line, "%", "%%"))
			if err != nil {
				return nil, errors.Join(fmt.Errorf("%s: %w", file.Path, err), f.Close())
			}
			add(strings.Join(words, " "))
		}
		if err := errors.Join(lines.Err(), f.Close()); err != nil {
			return nil, err
		}
	}
	return env, nil
}

// outcome is systemd's result for an exit. SIGHUP, SIGINT, SIGTERM and SIGPIPE
// count as clean (systemd.service(5), Restart=).
func outcome(w syscall.WaitStatus) string {
	switch {
	case w.Exited() && w.ExitStatus() == 0:
		return "success"
	case w.Exited():
		return "exit-code"
	}
	switch w.Signal() {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE:
		return "success"
	}
	return "signal"
}

func exitText(w syscall.WaitStatus) string {
	if w.Exited() {
		return fmt.Sprintf("code=exited, status=%d/FAILURE", w.ExitStatus())
	}
	return fmt.Sprintf("code=killed, status=%d (%v)", w.Signal(), w.Signal())
}
