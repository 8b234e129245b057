// Package retry says how often a request may be repeated: which requests, on
// how many nodes, and within which budget.
package retry

import (
	"sync"
	"time"
)

// MostTries is how many nodes one request is sent to at most.
const MostTries = 3

// Idempotent tells of a method whose request may be sent again if the first
// one broke off before any answer (RFC 9110, section 9.2.2).
func Idempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

const (
	budgetShare = 0.2 // retries per request
	budgetRate  = 10  // retries per second besides
	budgetMost  = 100 // that can be saved up
)

// Budget bounds retries to a share of the requests plus a few each second.
// Without it, a cluster that fails under load gets that load again for each
// failure.
type Budget struct {
	mu     sync.Mutex
	tokens float64
	filled time.Time
}

// NewBudget gives one that allows a second's worth of retries at first.
func NewBudget(now time.Time) *Budget { return &Budget{tokens: budgetRate, filled: now} }

// Deposit notes one request.
func (b *Budget) Deposit(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	b.tokens = min(b.tokens+budgetShare, budgetMost)
}

// Spend takes one retry, if there is one.
func (b *Budget) Spend(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (b *Budget) fill(now time.Time) {
	if passed := now.Sub(b.filled); passed > 0 {
		b.tokens = min(b.tokens+passed.Seconds()*budgetRate, budgetMost)
		b.filled = now
	}
}
