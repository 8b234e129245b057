// The engine of the command fairlead: it holds the local AWS, deploys the
// template on it, starts and follows executions. The launcher, in the folder
// above, compiles it and becomes it.
//
// On the instances of the local AWS the same program stands in for aws,
// systemctl and their like.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/local"
)

func main() {
	if code, ok := local.Applet(os.Args); ok {
		os.Exit(code)
	}
	ctx, stop := interruptible()
	code := run(ctx, os.Args[1:], command.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
}

// interruptible is a context that ends at the first Ctrl-C, SIGTERM or SIGHUP,
// or when the `go run` that started us is gone. A second Ctrl-C takes the
// default action; then the instances end with this process.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		parent, _ := strconv.Atoi(os.Getenv(command.ParentVariable)) // 0: none to watch
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-signals:
				signal.Stop(signals)
				cancel(errInterrupted)
				return
			case <-tick.C:
				if parent != 0 && os.Getppid() != parent {
					cancel(errInterrupted)
					return
				}
			}
		}
	}()
	return ctx, func() {
		close(done)
		<-ended
		signal.Stop(signals)
		cancel(nil)
	}
}

func run(ctx context.Context, args []string, s command.IO) int {
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(s.Err, "fairlead:", err)
		return command.ExitFailed
	}
	e := engine{
		IO:       s,
		programs: filepath.Dir(exe),
		terminal: func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) },
		now:      time.Now,
	}
	return command.Execute(ctx, args, s, command.Actions{Run: e.run, Serve: e.serve, Report: e.report})
}

// engine is what the actions share.
type engine struct {
	command.IO
	programs string // folder of the compiled programs
	terminal func(*os.File) bool
	now      func() time.Time
}

// columns is the width of a terminal, or 100 where there is none.
func columns(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 {
		return w
	}
	return 100
}
