package elb

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
)

// pool is a target group as requests meet it: who may be sent to, and how one
// is chosen. It is read without locks.
type pool struct {
	members   atomic.Pointer[[]*endpoint] // may get requests; in the order of registration
	algorithm atomic.Pointer[algorithm]
	turn      atomic.Uint64
	anomalies detector
}

type algorithm struct {
	kind     string // empty: round_robin
	mitigate bool
}

func (p *pool) set(a algorithm) { p.algorithm.Store(&a) }

// endpoint is a target as requests meet it.
type endpoint struct {
	addr        string // host:port
	outstanding atomic.Int64

	requests, errors atomic.Int64  // since the detector last looked
	weight           atomic.Uint64 // bits of a float64, from minWeight to 1
	anomalous        atomic.Bool
	history          tally // of the detector
}

func newEndpoint(addr string) *endpoint {
	e := &endpoint{addr: addr}
	e.weight.Store(math.Float64bits(1))
	return e
}

// choose gives the target of the next request, or nil where there is none.
func (p *pool) choose() *endpoint {
	members := p.members.Load()
	if members == nil || len(*members) == 0 {
		return nil
	}
	all := *members
	switch a := p.algorithm.Load(); a.kind {
	case leastOutstanding:
		return p.leastLoaded(all)
	case weightedRandom:
		return weightedChoice(all, a.mitigate, rand.Float64())
	}
	return all[(p.turn.Add(1)-1)%uint64(len(all))]
}

// leastLoaded draws among those with the fewest requests in flight, each as
// likely as the other: to start the search at another target each time would
// give the one behind a busy target that one's share as well.
func (p *pool) leastLoaded(all []*endpoint) *endpoint {
	var best *endpoint
	least, equals := int64(math.MaxInt64), 0
	for _, e := range all {
		switch n := e.outstanding.Load(); {
		case n < least:
			best, least, equals = e, n, 1
		case n == least:
			if equals++; rand.IntN(equals) == 0 {
				best = e
			}
		}
	}
	return best
}

// weightedChoice draws a target; at is uniform in [0, 1).
func weightedChoice(all []*endpoint, mitigate bool, at float64) *endpoint {
	if !mitigate {
		return all[int(at*float64(len(all)))]
	}
	sum := 0.0
	for _, e := range all {
		sum += e.share()
	}
	at *= sum
	for _, e := range all {
		if at -= e.share(); at < 0 {
			return e
		}
	}
	return all[len(all)-1] // rounding, or a weight that changed meanwhile
}

func (e *endpoint) share() float64 { return math.Float64frombits(e.weight.Load()) }

// shown is the endpoint's part of DescribeTargetHealth.
func (e *endpoint) shown(mitigate bool) *anomalyDetection {
	d := &anomalyDetection{Result: "normal", MitigationInEffect: "no"}
	if e.anomalous.Load() {
		d.Result = "anomalous"
	}
	if mitigate && e.share() < 1 {
		d.MitigationInEffect = "yes"
	}
	return d
}
