package supervisor

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// runScript runs a script with bash until its end, its timeout or ctx's end,
// and leaves script.sh, stdout and stderr in the script's folder.
func (s *supervisor) runScript(ctx context.Context, script Script) Response {
	if script.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, script.Timeout)
		defer cancel()
	}
	r, err := s.bash(ctx, script)
	if err != nil {
		return Response{Code: 1, Stderr: err.Error() + "\n"}
	}
	return r
}

func (s *supervisor) bash(ctx context.Context, script Script) (Response, error) {
	if err := os.MkdirAll(script.Dir, 0o755); err != nil {
		return Response{}, err
	}
	file := filepath.Join(script.Dir, "script.sh")
	if err := os.WriteFile(file, []byte(script.Text), 0o755); err != nil {
		return Response{}, err
	}
	c := command{path: "/bin/bash", args: []string{"bash", file}, dir: script.Dir, env: s.boot.Env}
	if script.WorkingDirectory != "" {
		c.dir = s.resolve(script.WorkingDirectory)
	}
	if _, err := os.Stat(c.path); err != nil {
		c.path = "/usr/bin/bash"
	}
	stdout, err := capture(filepath.Join(script.Dir, "stdout"))
	if err != nil {
		return Response{}, err
	}
	defer stdout.close()
	stderr, err := capture(filepath.Join(script.Dir, "stderr"))
	if err != nil {
		return Response{}, err
	}
	defer stderr.close()
	c.out, c.err = stdout.write, stderr.write
	p, err := s.processes.start(c)
	if err != nil {
		return Response{}, err
	}
	stdout.started()
	stderr.started()
	select {
	case <-p.done:
		// What the script left in the background keeps running, as on a real
		// instance, but no longer holds up the answer.
		stdout.settle()
		stderr.settle()
	case <-ctx.Done():
		p.stop(syscall.SIGTERM, stopGrace)
	}
	code := p.status.ExitStatus()
	if p.status.Signaled() {
		code = 128 + int(p.status.Signal())
	}
	return Response{Code: code, Timeout: errors.Is(ctx.Err(), context.DeadlineExceeded)}, nil
}

// output copies a stream to a file, up to MaxOutput bytes.
type output struct {
	write *os.File // the child's end
	read  *os.File
	file  *os.File
	done  chan struct{}

	copying bool
}

func capture(path string) (*output, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &output{write: write, read: read, file: file, done: make(chan struct{})}, nil
}

// started closes our copy of the child's end and begins to copy.
func (o *output) started() {
	o.write.Close()
	o.copying = true
	go func() {
		defer close(o.done)
		_, _ = io.Copy(o.file, io.LimitReader(o.read, MaxOutput))
		_, _ = io.Copy(io.Discard, o.read) // the writer must not block, nor get SIGPIPE
	}()
}

// settle waits until all that the ended script wrote is in the file. A pipe
// that a background process still holds gives it up after a moment.
func (o *output) settle() {
	if o.read.SetReadDeadline(soon()) != nil {
		o.read.Close()
	}
	<-o.done
}

func (o *output) close() {
	o.write.Close()
	o.read.Close()
	if o.copying {
		<-o.done
	}
	o.file.Close()
}
