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
	"path/filepath"
	"time"

	"golang.org/x/term"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/local"
)

func main() {
	if code, ok := local.Applet(os.Args); ok {
		os.Exit(code)
	}
	ctx, stop := interrupt.Context(interrupt.Parent())
	code := run(ctx, os.Args[1:], command.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
	stop()
	os.Exit(code)
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
