package elb

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// How anomalies are found. AWS says what it looks at, error statuses and failed
// connections of at least three targets (user guide, "Automatic Target
// Weights"), and not how it judges. Here:
//
// Once a second the requests and the errors (answers of 500 and above, failed
// and timed-out connections) of each target are added to what is left of
// earlier ones, which loses a fifth with each look. A target with at least
// enough requests is an anomaly when its error rate is above the median rate of
// the targets by more than slack, and by more than three times the median
// deviation. An anomaly's weight is halved at each look, down to minWeight;
// otherwise it is doubled, up to 1. A target that gets too few requests to be
// judged is none, so that it comes back and is looked at again.
const (
	lookEvery  = time.Second
	retained   = 0.8
	enough     = 10.0
	slack      = 0.1
	deviations = 3.0
	minTargets = 3
	minWeight  = 1.0 / 16
)

// tally counts requests and errors; older ones count less.
type tally struct{ requests, errors float64 }

func (t tally) rate() float64 { return t.errors / t.requests }

// detector finds the anomalies of one pool. Requests drive it: there is nothing
// to find where there are none.
type detector struct {
	looked atomic.Int64 // when it last did, in Unix nanoseconds
	mu     sync.Mutex
}

// record counts one finished request, and looks when it is time.
func (p *pool) record(e *endpoint, isError bool, now time.Time) {
	if p.algorithm.Load().kind != weightedRandom {
		return
	}
	e.requests.Add(1)
	if isError {
		e.errors.Add(1)
	}
	last := p.anomalies.looked.Load()
	if now.UnixNano()-last < int64(lookEvery) || !p.anomalies.looked.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	if members := p.members.Load(); members != nil {
		p.anomalies.look(*members)
	}
}

func (d *detector) look(all []*endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	tallies := make([]tally, len(all))
	for i, e := range all {
		e.history.requests = e.history.requests*retained + float64(e.requests.Swap(0))
		e.history.errors = e.history.errors*retained + float64(e.errors.Swap(0))
		tallies[i] = e.history
	}
	for i, odd := range judge(tallies) {
		weight := min(1, all[i].share()*2)
		if odd {
			weight = max(minWeight, all[i].share()/2)
		}
		all[i].anomalous.Store(odd)
		all[i].weight.Store(math.Float64bits(weight))
	}
}

// judge says which of a group's targets are anomalies.
func judge(tallies []tally) []bool {
	odd := make([]bool, len(tallies))
	var rates []float64
	for _, t := range tallies {
		if t.requests >= enough {
			rates = append(rates, t.rate())
		}
	}
	if len(rates) < minTargets {
		return odd
	}
	middle := median(rates)
	var apart []float64
	for _, r := range rates {
		apart = append(apart, math.Abs(r-middle))
	}
	limit := middle + max(slack, deviations*median(apart))
	for i, t := range tallies {
		odd[i] = t.requests >= enough && t.rate() > limit
	}
	return odd
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
