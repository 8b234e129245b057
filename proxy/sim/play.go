package main

import (
	"math"
	"slices"

	"github.com/fairlead/fairlead/proxy/sim/world"
)

// outcome is what one strategy has shown at each load.
type outcome struct {
	rule  string
	loads []measured
}

// measured are the figures of one load. Percentiles are those of all seeds'
// requests together, exact; percentiles of runs are not averaged.
type measured struct {
	load          float64
	requests      int
	p50, p90, p99 float64 // s
	timeouts      int
	perSeed       []float64 // p99 of each seed alone, s
}

// play runs each strategy with each seed, one after the other.
func play(o options) ([]outcome, error) {
	var all []outcome
	for _, rule := range o.strategies {
		out := outcome{rule, make([]measured, len(o.scenario.loads))}
		pooled := make([][]float64, len(out.loads))
		for seed := 1; seed <= o.seeds; seed++ {
			results, err := world.Run(o.scenario.setup(o, seed), rule)
			if err != nil {
				return nil, err
			}
			for i, r := range results {
				m := &out.loads[i]
				m.load, m.timeouts = r.Load, m.timeouts+r.Timeouts
				slices.Sort(r.Latencies)
				m.perSeed = append(m.perSeed, percentile(r.Latencies, .99))
				pooled[i] = append(pooled[i], r.Latencies...)
			}
		}
		for i := range out.loads {
			m, l := &out.loads[i], pooled[i]
			slices.Sort(l)
			m.requests, m.p50, m.p90, m.p99 = len(l), percentile(l, .5), percentile(l, .9), percentile(l, .99)
		}
		all = append(all, out)
	}
	return all, nil
}

// percentile is the smallest value that at least the share p is no greater
// than. The values are sorted.
func percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)]
}

// ratio is one p99 over another, and its lowest and highest among the seeds,
// which meet the same requests in both.
func ratio(m, reference measured) (all, low, high float64) {
	low, high = math.Inf(1), 0
	for i := range m.perSeed {
		r := m.perSeed[i] / reference.perSeed[i]
		low, high = min(low, r), max(high, r)
	}
	return m.p99 / reference.p99, low, high
}

// reference is the measure of all strategies: the oracle that does its best
// for each request as it comes.
const reference = "oracle"

func find(all []outcome, rule string, load int) measured {
	i := slices.IndexFunc(all, func(o outcome) bool { return o.rule == rule })
	return all[i].loads[load]
}

// best is the oracle with the lowest p99 at this load.
func best(all []outcome, load int) measured {
	m := find(all, reference, load)
	for _, rule := range world.Oracles() {
		if x := find(all, rule, load); x.p99 < m.p99 {
			m = x
		}
	}
	return m
}
