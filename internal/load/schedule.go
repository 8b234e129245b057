package load

import (
	"iter"
	"math/rand/v2"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// share splits total exactly over the shards: the slice of shard n begins at
// first and has count members; the first total%shards slices have one more.
func share(total, shards, n int) (first, count int) {
	q, r := total/shards, total%shards
	first = n*q + min(n, r)
	if n < r {
		return first, q + 1
	}
	return first, q
}

// sockets is how many connections a shard must hold whatever the answers do.
// An open loop needs as many as are in flight, which nobody knows beforehand.
func sockets(l bench.Load, shards, n int) int {
	switch l.Kind {
	case bench.LoadBurst:
		_, count := share(l.Requests, shards, n)
		return count
	case bench.LoadClosed:
		_, count := share(l.Concurrency, shards, n)
		return count
	}
	return 0
}

// warmSockets is how many connections a shard opens before T0. For a rate it
// is what 50 ms of latency would keep in flight (Little's law), at least 8;
// the rest are opened when needed.
func warmSockets(l bench.Load, shards, n int) int {
	if l.Kind != bench.LoadRate {
		return sockets(l, shards, n)
	}
	return min(max(8, int(l.Rate/float64(shards)*0.05)), MaxSockets/2)
}

// arrivals yields the intended sends of one shard of a rate, as time since T0,
// in order. They depend on the load and the seed only, so the schedule is as
// good as written down before T0, at no memory whatever its length.
//
// Constant: the trial's requests k = 0, 1, 2, … leave at k/rate, and shard n
// of N sends every k ≡ n (mod N): together the shards are evenly spaced.
// Poisson: each shard draws an independent process of rate/N from its own
// stream of the seed; their superposition is a Poisson process of the rate.
func arrivals(l bench.Load, shards, n int, seed int64) iter.Seq[time.Duration] {
	end := time.Duration(l.Duration)
	if l.Arrivals == "constant" {
		return func(yield func(time.Duration) bool) {
			for k := n; ; k += shards {
				at := time.Duration(float64(k) / l.Rate * float64(time.Second))
				if at >= end || !yield(at) {
					return
				}
			}
		}
	}
	return func(yield func(time.Duration) bool) {
		rng := rand.New(rand.NewPCG(uint64(seed), uint64(n)))
		rate := l.Rate / float64(shards)
		for t := 0.0; ; {
			t += rng.ExpFloat64() / rate
			at := time.Duration(t * float64(time.Second))
			if at >= end || !yield(at) {
				return
			}
		}
	}
}
