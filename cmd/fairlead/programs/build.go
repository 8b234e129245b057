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

// Build compiles all programs into a folder of the user's cache and returns it.
// The Go tool decides what is stale, so an unchanged tree costs about a second.
// What is being compiled is told on w, at once when nothing has been built yet.
func Build(ctx context.Context, w io.Writer, terminal bool) (dir string, err error) {
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
	if _, err := os.Stat(filepath.Join(dir, Engine)); err != nil {
		tell.start("compiling the local AWS, the functions, the proxy and the backend: once, about two minutes")
	}
	deployed := []string{"-o", dir + string(filepath.Separator)}
	for _, p := range Deployed {
		deployed = append(deployed, "./"+p)
	}
	for _, args := range [][]string{
		{"-o", filepath.Join(dir, Engine), "./cmd/fairlead/engine"},
		deployed,
	} {
		if err := goBuild(ctx, root, args, tell); err != nil {
			return "", err
		}
	}
	tell.end()
	return dir, nil
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
