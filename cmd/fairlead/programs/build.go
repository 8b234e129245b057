// Package programs compiles the programs that a run needs from the source tree:
// the engine, which holds the local AWS, and the three that it deploys.
package programs

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Engine is the program that does the launcher's work. It is named fairlead,
// as a user who looks for the process expects.
const Engine = "fairlead"

// Deployed are the programs that the template's assets hold, by package folder.
var Deployed = []string{"lambdas", "proxy", "backend"}

// The EC2 client is by far the largest package; without inlining it compiles in
// half the time and memory, and its speed matters to no one.
const flagsEC2 = "-gcflags=github.com/aws/aws-sdk-go-v2/service/ec2/...=-l"

// BuildEngine is Build of the engine alone, which is all that a run in an
// account needs of this machine.
func BuildEngine(ctx context.Context, w io.Writer, terminal bool) (dir string, err error) {
	return build(ctx, w, terminal, nil, "compiling the command: once, for a minute or two")
}

// Build compiles all programs into a folder of the user's cache and returns it.
// The Go tool decides what is stale, so an unchanged tree costs about a second.
// What is being compiled is told on w, at once when nothing has been built yet.
func Build(ctx context.Context, w io.Writer, terminal bool) (dir string, err error) {
	return build(ctx, w, terminal, Deployed, "compiling the local AWS, the functions, the proxy and the backend: once, for a minute or two")
}

func build(ctx context.Context, w io.Writer, terminal bool, deployed []string, about string) (dir string, err error) {
	if runtime.GOOS != "linux" {
		return "", fmt.Errorf("the local AWS needs Linux (namespaces, or at least its process control), and this is %s: use a Linux machine or a virtual one", runtime.GOOS)
	}
	root, err := sourceTree()
	if err != nil {
		return "", err
	}
	if dir, err = folder(root); err != nil {
		return "", err
	}
	tell := newTeller(w, terminal)
	unlock, err := lock(ctx, dir, tell)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	engine := filepath.Join(dir, Engine)
	if _, err := os.Stat(engine); err != nil {
		tell.start(about)
	}
	// One go command for all, so that no core waits; those with the EC2 client,
	// the longest to compile, first.
	args := []string{"-o", dir + string(filepath.Separator)}
	for _, p := range deployed {
		args = append(args, "./"+p)
	}
	if err := goBuild(ctx, root, append(args, enginePackage), tell); err != nil {
		return "", err
	}
	tell.end()
	return dir, rename(filepath.Join(dir, filepath.Base(enginePackage)), engine)
}

const enginePackage = "./cmd/fairlead/engine"

// lock keeps other launchers of the same tree from writing the programs at the
// same time.
func lock(ctx context.Context, dir string, tell *teller) (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for waiting := false; ; waiting = true {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
		}
		if !waiting {
			tell.wait("another fairlead is compiling; waiting for it")
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		case <-tick.C:
		}
	}
}

// rename gives a program a second name: the first stays where the Go tool looks
// for it when it decides whether it is stale.
func rename(from, to string) error {
	a, err := os.Stat(from)
	if err != nil {
		return err
	}
	if b, err := os.Stat(to); err == nil && os.SameFile(a, b) {
		return nil
	}
	next := to + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Link(from, next); err != nil {
		return err
	}
	return os.Rename(next, to)
}

func goBuild(ctx context.Context, root string, args []string, tell *teller) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-v", "-ldflags=-s -w", flagsEC2}, args...)...)
	cmd.Dir = root
	// Static programs for this machine, whatever the caller cross-compiles for.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=", "GOARCH=")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return errors.New("the Go tool is not on the PATH: install Go (https://go.dev/dl/) and try again")
		}
		return err
	}
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		line := lines.Text()
		if isPackage(line) {
			tell.compiled(line)
			continue
		}
		said = append(said, line)
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("the programs do not compile:\n%s", strings.Join(said, "\n"))
	}
	return nil
}

// isPackage tells the lines of -v, import paths, from the compiler's messages
// and from the Go tool's "go: downloading …".
func isPackage(line string) bool {
	return line != "" && !strings.ContainsAny(line, " :#")
}

// sourceTree finds the module by where this very file was compiled from.
func sourceTree() (string, error) {
	_, file, _, ok := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(file), "..", "..", "..")
	if _, err := os.Stat(filepath.Join(root, "go.mod")); !ok || err != nil {
		return "", fmt.Errorf("the source tree that this program was built from (%s) is gone: clone it again and use `go run ./cmd/fairlead` there", root)
	}
	return root, nil
}

// folder is one per source tree, so that two clones do not undo each other's work.
func folder(root string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the compiled programs: %w", err)
	}
	sum := sha256.Sum256([]byte(root))
	dir := filepath.Join(cache, "fairlead", "programs", hex.EncodeToString(sum[:6]))
	return dir, os.MkdirAll(dir, 0o755)
}
