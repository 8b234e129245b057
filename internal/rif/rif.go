// Package rif estimates the load of a server as Prequal's servers do: the
// requests in flight, and the latency that goes with so many.
package rif

import (
	"math"
	"slices"
	"sync"
	"time"
)

const (
	// levels is up to how many requests in flight latencies are told
	// apart; where there are more, one more makes little difference.
	levels = 512

	// kept is how many of the last latencies of a level are remembered.
	kept = 16

	// fresh is how long a level's latencies are worth anything.
	fresh = 10 * time.Second
)

// Estimator knows what the node is working on, and how long requests have taken
// lately by how many others they found when they came. The latency that it
// expects is the median of those which found about as many as there are now.
// Source: the server side of Prequal (NSDI 2024, section 4).
type Estimator struct {
	mu       sync.Mutex
	inFlight int
	byFound  [levels]level
}

// level are the last latencies of requests that found equally many others.
type level struct {
	latencies [kept]uint32 // µs
	next, n   int
	at        time.Time // of the newest
}

// Begin notes a request and gives how many others it has found.
func (e *Estimator) Begin() (found int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inFlight++
	return e.inFlight - 1
}

// End notes that a request is over, which found so many others when it came.
// One that failed tells nothing of how long work takes.
func (e *Estimator) End(now time.Time, found int, took time.Duration, failed bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inFlight--
	if failed {
		return
	}
	v := &e.byFound[min(found, levels-1)]
	if now.Sub(v.at) > fresh {
		v.n = 0
	}
	v.latencies[v.next%kept] = uint32(min(max(1, took.Microseconds()), math.MaxUint32))
	v.next++
	v.n = min(v.n+1, kept)
	v.at = now
}

// Load gives the requests in flight, and the latency that one which comes now
// may expect; 0: nothing is known. own of the requests in flight do not count:
// 1 in the answer to a request that is itself among them.
func (e *Estimator) Load(now time.Time, own int) (inFlight int, latency time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	inFlight = max(0, e.inFlight-own)
	return inFlight, time.Duration(e.expect(now, inFlight)) * time.Microsecond
}

// expect gives the median latency of the level nearest to inFlight that has a
// fresh one, in µs.
func (e *Estimator) expect(now time.Time, inFlight int) uint32 {
	i := min(inFlight, levels-1)
	for d := range levels {
		for _, k := range [2]int{i - d, i + d} {
			if k < 0 || k >= levels {
				continue
			}
			if v := &e.byFound[k]; v.n > 0 && now.Sub(v.at) <= fresh {
				return v.median()
			}
		}
	}
	return 0
}

// median of the last n latencies, the lower one of two.
func (v *level) median() uint32 {
	var last [kept]uint32
	for i := range v.n {
		last[i] = v.latencies[(v.next-1-i)%kept]
	}
	some := last[:v.n]
	slices.Sort(some)
	return some[(v.n-1)/2]
}
