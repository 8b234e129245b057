package load

import (
	"context"
	"sync"
	"time"
)

// retryPause keeps a connection that cannot be opened from being tried, and
// counted as an error, thousands of times a second.
const retryPause = 50 * time.Millisecond

// closed keeps the shard's share of the concurrency in flight until the
// duration is over; the last answers are awaited.
func (w *worker) closed(ctx context.Context) {
	_, n := share(w.load.Concurrency, w.spec.Aim.Shards, w.spec.Shard)
	end := w.spec.Aim.T0.Add(time.Duration(w.load.Duration))
	var users sync.WaitGroup
	for i := range n {
		users.Go(func() { w.user(ctx, w.endpoint(i), end) })
	}
	users.Wait()
}

// user sends one request after the other.
func (w *worker) user(ctx context.Context, endpoint int, end time.Time) {
	for ctx.Err() == nil {
		now := time.Now()
		if !now.Before(end) {
			return
		}
		var ok bool
		if c := w.conns.take(endpoint, now); c != nil {
			ok = w.await(c, time.Time{}, now, w.write(c, now))
		} else {
			ok = w.sendCold(ctx, endpoint, time.Time{}, now)
		}
		if !ok && !pause(ctx, retryPause) {
			return
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
