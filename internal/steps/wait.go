package steps

import (
	"context"
	"time"
)

// reserve is the part of a function's time that is kept for saying what
// happened: past its timeout the function is killed and says nothing.
const reserve = 3 * time.Second

// within limits ctx to most, and to the function's own time less the reserve.
func within(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	if end, ok := ctx.Deadline(); ok {
		most = min(most, time.Until(end)-reserve)
	}
	return context.WithTimeout(ctx, most)
}

// Pauses between polls: short at first, for a cloud that answers in
// milliseconds, then long enough for AWS's request limits.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
)

// poll calls try until it is done or fails, or ctx ends, which is ctx's error.
func poll(ctx context.Context, try func(context.Context) (done bool, err error)) error {
	for pause := firstPause; ; pause = min(pause*3/2, lastPause) {
		done, err := try(ctx)
		if done || err != nil {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
