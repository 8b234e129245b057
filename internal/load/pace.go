package load

import (
	"context"
	"runtime"
	"time"
)

// spin is how long before a send the pacer stops sleeping: waking a thread
// takes tens of microseconds, and the scheduler's timers are coarser still.
const spin = 200 * time.Microsecond

// pacer waits for moments precisely: it sleeps, then spins the last 200 µs.
// One goroutine uses it.
type pacer struct {
	sleeper *sleeper
	spun    time.Duration // CPU burnt on purpose, which is not load
}

func newPacer() (*pacer, error) {
	s, err := newSleeper()
	if err != nil {
		return nil, err
	}
	return &pacer{sleeper: s}, nil
}

func (p *pacer) close() { p.sleeper.close() }

// until returns at t, or with the context's error when that ends first.
func (p *pacer) until(ctx context.Context, t time.Time) error {
	if d := time.Until(t) - spin; d > 0 {
		if err := p.sleeper.sleep(ctx, d); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// With a single processor the answers could not be read meanwhile.
	yield := runtime.GOMAXPROCS(0) == 1
	for now := time.Now(); now.Before(t); {
		if yield {
			runtime.Gosched()
		}
		next := time.Now()
		// A long step is time that somebody else had; it is no spinning.
		if d := next.Sub(now); d < 5*time.Microsecond {
			p.spun += d
		}
		now = next
	}
	return nil
}
