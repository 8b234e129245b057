package retry

import (
	"testing"
	"time"
)

// Retries stop when the budget is spent: 10 at first, and 1 for 5 requests.
func TestBudget(t *testing.T) {
	at := time.Unix(0, 0)
	b := NewBudget(at)
	spent := func(tries int) (n int) {
		for range tries {
			if b.Spend(at) {
				n++
			}
		}
		return n
	}
	if n := spent(100); n != 10 {
		t.Errorf("%d retries at first, want 10", n)
	}
	for range 50 {
		b.Deposit(at)
	}
	if n := spent(100); n < 9 || n > 10 {
		t.Errorf("%d retries after 50 requests, want 20 %%", n)
	}
	at = at.Add(2 * time.Second)
	if n := spent(100); n != 20 {
		t.Errorf("%d retries after 2 s, want 20", n)
	}
	at = at.Add(time.Hour)
	if n := spent(1000); n != budgetMost {
		t.Errorf("%d retries after an hour, want no more than %d", n, budgetMost)
	}
	if at = at.Add(-time.Hour); b.Spend(at) {
		t.Error("a clock that goes back gives a retry")
	}
}

func TestIdempotent(t *testing.T) {
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "OPTIONS": true, "TRACE": true, "PUT": true, "DELETE": true,
		"POST": false, "PATCH": false, "CONNECT": false, "get": false, "": false,
	} {
		if Idempotent(method) != want {
			t.Errorf("%q: %v, want %v", method, !want, want)
		}
	}
}
