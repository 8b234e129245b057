package world

import "math/rand/v2"

// Segments gives a node's next segment of time: its cores, the speed of each,
// and when the segment after it begins.
type Segments func() (cores, speed, until float64)

// Profile begins the segments of one run, at second 0.
type Profile func(r *rand.Rand) Segments

// Steady is a node that never changes.
func Steady(cores, speed float64) Profile {
	return func(*rand.Rand) Segments {
		return func() (float64, float64, float64) { return cores, speed, never }
	}
}

// Degrading has its full speed for a while, then a share of it for as long,
// and so on.
func Degrading(cores, share, period float64) Profile {
	return func(*rand.Rand) Segments {
		k := 0
		return func() (float64, float64, float64) {
			k++
			speed := 1.0
			if k%2 == 0 {
				speed = share
			}
			return cores, speed, float64(k) * period
		}
	}
}

// Antagonised is a node that is sure of its allotment of a machine's cores and
// may use what the others on the machine leave. On half of the machines they
// leave nothing, and their use of caches and memory makes the node's cores a
// tenth slower; on the rest they take 60 to 85 %, which changes every 1 to
// 10 s. So all nodes together have 1.83 times their allotments.
func Antagonised(allotted, machine float64) Profile {
	return func(r *rand.Rand) Segments {
		if r.Float64() < 0.5 {
			return Steady(allotted, 0.9)(r)
		}
		now := 0.0
		return func() (float64, float64, float64) {
			now += 1 + 9*r.Float64()
			return machine * (0.15 + 0.25*r.Float64()), 1, now
		}
	}
}
