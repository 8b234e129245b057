package main

import (
	"context"
	"time"
)

// roundsPerMilli is how many rounds of the loop in burn make one nominal
// millisecond of CPU work. It is a constant of the source and never measured
// at run time: the same request is then the same work on every instance type,
// and how long it takes is what the benchmark finds out. The value makes it
// about 1 ms on one core of a server of 2024 at full speed (BenchmarkBurn);
// each round is a chain of dependent integer operations, some 3.3 ns at 2.6 GHz, that fits
// into registers, so that memory and caches have no part in it.
const roundsPerMilli = 300_000

// burn does d's worth of nominal CPU work, to a thousandth of a millisecond,
// and gives a value that depends on every round, so that no compiler can leave
// one out. It stops early when ctx ends; it looks each nominal millisecond.
func burn(ctx context.Context, d time.Duration) (hash uint64) {
	hash = 0x9E3779B97F4A7C15
	rounds := d.Microseconds() * (roundsPerMilli / 1000)
	for rounds > 0 && ctx.Err() == nil {
		step := min(rounds, roundsPerMilli)
		hash = spin(hash, step)
		rounds -= step
	}
	return hash
}

// spin is the mixing function of splitmix64 (S. Vigna, public domain), each
// round on the result of the one before.
func spin(x uint64, rounds int64) uint64 {
	for range rounds {
		x += 0x9E3779B97F4A7C15
		x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
		x = (x ^ x>>27) * 0x94D049BB133111EB
		x ^= x >> 31
	}
	return x
}
