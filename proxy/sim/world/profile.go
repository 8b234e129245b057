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
// gets what the others on the machine leave besides. They change what they
// take again and again, each time after some seconds; half of the machines
// are hardly left anything, and there the neighbours' use of caches and
// memory makes each core slower too.
func Antagonised(allotted, machine float64) Profile {
	return func(r *rand.Rand) Segments {
		now := 0.0
		busy := r.Float64() < 0.5
		return func() (float64, float64, float64) {
			now += 1 + 9*r.Float64()
			others := machine * (0.3 + 0.5*r.Float64())
			speed := 1.0
			if busy {
				others = machine * (0.8 + 0.3*r.Float64())
			}
			if others > machine-allotted {
				others, speed = machine-allotted, 0.8
			}
			return machine - others, speed, now
		}
	}
}
