// The command fairlead. This program is only the launcher: it reads the command
// line, refuses bad input at once, compiles the rest and becomes it. It imports
// nothing heavy, so that `go run ./cmd/fairlead` soon has something to say.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/term"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/cmd/fairlead/programs"
)

func main() {
	os.Exit(run(os.Args[1:], command.IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}

func run(args []string, s command.IO) int {
	parent := interrupt.Parent()
	ctx, stop := interrupt.Context(parent)
	defer stop()
	type compile func(context.Context, io.Writer, bool) (string, error)
	become := func(ctx context.Context, plan []byte, build compile) (int, error) {
		dir, err := build(ctx, s.Err, term.IsTerminal(int(os.Stderr.Fd())))
		if errors.Is(err, interrupt.Err) {
			fmt.Fprintln(s.Err, "fairlead: interrupted while compiling; nothing was started")
			return command.ExitInterrupted, nil
		}
		if err != nil {
			return command.ExitFailed, err
		}
		return command.ExitFailed, engine(filepath.Join(dir, programs.Engine), args, plan, parent)
	}
	return command.Execute(ctx, args, s, command.Actions{
		Run: func(ctx context.Context, o command.Run) (int, error) {
			if o.AWS != nil {
				return become(ctx, o.PlanJSON, programs.BuildEngine)
			}
			return become(ctx, o.PlanJSON, programs.Build)
		},
		Serve: func(ctx context.Context, _ command.Serve) (int, error) { return become(ctx, nil, programs.Build) },
		Report: func(ctx context.Context, _ command.Report) (int, error) {
			return become(ctx, nil, programs.BuildEngine)
		},
	})
}

// engine replaces this process by the engine with the same arguments. A plan
// that came on standard input has been read already and is handed on in an unlinked file.
func engine(path string, args []string, plan []byte, parent int) error {
	env := append(os.Environ(), interrupt.Variable+"="+strconv.Itoa(parent))
	for _, a := range args {
		if a == "-" && plan != nil {
			if err := feedStdin(plan); err != nil {
				return err
			}
		}
	}
	return syscall.Exec(path, append([]string{path}, args...), env)
}

func feedStdin(plan []byte) error {
	f, err := os.CreateTemp("", "fairlead-plan-*.json")
	if err != nil {
		return err
	}
	if err := os.Remove(f.Name()); err != nil { // the open file stays readable
		return err
	}
	if _, err := f.Write(plan); err != nil {
		return err
	}
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	return syscall.Dup3(int(f.Fd()), 0, 0)
}
