//go:build !linux

package load

import (
	"context"
	"time"
)

// sleeper sleeps on Go's timers, which may be a millisecond late here; the
// send lag says how late the requests were.
type sleeper struct{}

func newSleeper() (*sleeper, error) { return &sleeper{}, nil }

func (*sleeper) close() {}

func (*sleeper) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
