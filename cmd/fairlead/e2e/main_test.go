// Package e2e_test runs the built command as its users do: as a process, with
// the aws CLI beside it, interrupted, killed, and in hostile environments.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/cmd/fairlead/programs"
)

// built is what TestMain compiled.
var built struct {
	root     string   // of the source tree
	launcher string   // the command
	programs string   // folder of the user's cache that holds what it compiles, for all trees
	engine   string   // what the launcher becomes
	goEnv    []string // where the Go tool keeps its things, whatever HOME a test sets
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if runtime.GOOS != "linux" {
		fmt.Println("skipped: the local AWS needs Linux")
		return 0
	}
	dir, err := os.MkdirTemp("", "fl-e2e-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the command:", err)
		return 1
	}
	return m.Run()
}

func build(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD", "GOCACHE", "GOMODCACHE", "GOPATH", "GOENV").Output()
	if err != nil {
		return err
	}
	v := strings.Split(string(out), "\n")
	built.root = filepath.Dir(v[0])
	built.goEnv = []string{"GOCACHE=" + v[1], "GOMODCACHE=" + v[2], "GOPATH=" + v[3], "GOENV=" + v[4]}
	built.launcher = filepath.Join(dir, "fairlead")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", built.launcher, "./cmd/fairlead")
	cmd.Dir = built.root
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, text)
	}
	compiled, err := programs.Build(ctx, os.Stderr, false)
	built.programs, built.engine = filepath.Dir(compiled), filepath.Join(compiled, programs.Engine)
	return err
}
