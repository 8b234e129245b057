package main

import (
	"bufio"
	"context"
	"io"
	"sync"
	"time"
)

// logBuffer holds about 400 lines of the request log.
const logBuffer = 64 << 10

// buffered gathers log lines, so that a request does not cost a system call
// for its line. It is safe for concurrent use.
type buffered struct {
	mu sync.Mutex
	w  *bufio.Writer
}

func newBuffered(w io.Writer) *buffered {
	return &buffered{w: bufio.NewWriterSize(w, logBuffer)}
}

func (b *buffered) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.w.Write(line)
}

// flush writes out what is there. The first error stays and comes back each time.
func (b *buffered) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.w.Flush()
}

// run flushes at an interval until ctx ends. Its errors come back from the
// last flush.
func (b *buffered) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = b.flush()
		case <-ctx.Done():
			return
		}
	}
}
