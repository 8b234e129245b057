package forward

import (
	"sync"
	"time"
)

const (
	budgetShare = 0.2 // retries per request
	budgetRate  = 10  // retries per second besides
	budgetMost  = 100 // that can be saved up
)

// budget bounds retries to a share of the requests plus a few each second.
// Without it, a cluster that fails under load gets that load again for each
// failure.
type budget struct {
	mu     sync.Mutex
	tokens float64
	filled time.Time
}

func newBudget(now time.Time) *budget { return &budget{tokens: budgetRate, filled: now} }

// deposit notes one request.
func (b *budget) deposit(now time.Time) { b.add(now, budgetShare) }

// spend takes one retry, if there is one.
func (b *budget) spend(now time.Time) bool {
	b.add(now, 0)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *budget) add(now time.Time, share float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if passed := now.Sub(b.filled); passed > 0 {
		share += passed.Seconds() * budgetRate
		b.filled = now
	}
	b.tokens = min(b.tokens+share, budgetMost)
}
