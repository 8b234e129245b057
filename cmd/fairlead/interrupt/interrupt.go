// Package interrupt ends a command's context when its user wants it to end: at
// Ctrl-C, SIGTERM or SIGHUP, and when the `go run` that started it is gone.
package interrupt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Err is the cause of a context that ended this way.
var Err = errors.New("interrupted")

// Variable names the environment variable in which the launcher tells the
// engine that it becomes which process's death ends it too.
const Variable = "FAIRLEAD_PARENT"

// Parent is the process to watch: the one that the launcher named, else our
// parent if that is a `go` command; 0 if there is none. `go run` does not pass
// on signals that are sent to it alone, and leaves its child behind when it is
// killed. Call it first, while the parent is likely to live.
func Parent() int {
	if pid, err := strconv.Atoi(os.Getenv(Variable)); err == nil {
		return pid
	}
	pid := os.Getppid()
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil || strings.TrimSpace(string(name)) != "go" {
		return 0
	}
	return pid
}

// Context ends at the first signal, or when the parent (0: none) is gone; its
// cause is Err. After that signals have their default action again, so that a
// second Ctrl-C ends the process at once. Stop gives everything back.
func Context(parent int) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer signal.Stop(signals)
		var gone <-chan time.Time // never, without a parent to watch
		if parent != 0 {
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			gone = tick.C
		}
		for {
			select {
			case <-done:
				return
			case <-signals:
				cancel(Err)
				return
			case <-gone:
				if os.Getppid() != parent {
					cancel(Err)
					return
				}
			}
		}
	}()
	return ctx, func() {
		close(done)
		<-ended
		cancel(nil)
	}
}
