package main

import (
	"math"

	"github.com/fairlead/fairlead/proxy/sim/world"
)

// scenario is a question asked of all strategies.
type scenario struct {
	why        string
	loads      []float64 // shares of the nominal capacity, one after the other
	lasts      float64   // s that each is measured, after warm
	warm       float64
	work       float64 // mean of a request, s of one core
	cost       string  // a name of costs
	nodes      func() []world.Spec
	discipline world.Discipline
	proxies    int
}

const (
	halfTrip    = 0.00025 // s, of the network, one way
	deadline    = 5       // s
	healthEvery = 1       // s between health probes, the proxy's default
	probeWork   = 0.0002  // s of one core for a health probe
)

// small is what the small scenarios share: requests that all need 10 ms of a
// core, as those of a benchmark plan do.
func small(why string, load float64, proxies int, nodes func() []world.Spec) scenario {
	return scenario{
		why: why, loads: []float64{load}, lasts: 300, warm: 20, work: 0.010, cost: "constant", nodes: nodes, proxies: proxies,
	}
}

func steady(n int, cores float64) []world.Spec {
	specs := make([]world.Spec, n)
	for i := range specs {
		specs[i] = world.Spec{Cores: cores, Profile: world.Steady(cores, 1)}
	}
	return specs
}

func oneDegraded(n int) []world.Spec {
	specs := steady(n, 1)
	specs[0].Profile = world.Degrading(1, 0.3, 10)
	return specs
}

func scenarios() map[string]scenario {
	return map[string]scenario{
		"four-equal":      small("4 nodes with 1 core", .8, 1, func() []world.Spec { return steady(4, 1) }),
		"slow-one":        small("4 nodes with 1 core, one of them at 30 % speed for 10 s in every 20 s", .65, 1, func() []world.Spec { return oneDegraded(4) }),
		"mixed-sizes":     small("4 nodes with 1 core and 4 with 2", .8, 1, func() []world.Spec { return append(steady(4, 1), steady(4, 2)...) }),
		"eight-proxies":   small("8 proxies before the nodes of slow-one", .65, 8, func() []world.Spec { return oneDegraded(4) }),
		"prequal-testbed": testbed(),
	}
}

// testbed has the shape of Prequal's: B. Wydrowski, R. Kleinberg, S. Rumble
// and A. Archer, "Load is not what you should balance: Introducing Prequal",
// NSDI 2024. 100 clients that each balance for themselves, 100 servers, each
// with a tenth of a machine and antagonists on the rest; the work of a request
// normal with σ = μ, cut at 0; a deadline of 5 s; nine loads, each 10/9 of the
// one before, from 0.75 to 1.74 of what the servers are allotted. A server may
// use what its machine's antagonists leave. How much work a request is on
// average, how many cores a server has and what the antagonists do are ours.
func testbed() scenario {
	loads := make([]float64, 9)
	for i := range loads {
		loads[i] = .75 * math.Pow(10./9, float64(i))
	}
	return scenario{
		why:   "100 proxies, 100 nodes with a tenth of a machine each and antagonists on the rest",
		loads: loads, lasts: 60, warm: 15, work: 0.080, cost: "normal", proxies: 100,
		nodes: func() []world.Spec {
			specs := make([]world.Spec, 100)
			for i := range specs {
				specs[i] = world.Spec{Cores: allotted, Profile: world.Antagonised(allotted, 10*allotted)}
			}
			return specs
		},
	}
}

// allotted is the cores of a server on the testbed.
const allotted = 1.0

// costs are the distributions of a request's work, by name.
func costs() map[string]func(mean float64) world.Cost {
	return map[string]func(mean float64) world.Cost{
		"constant":    world.Constant,
		"exponential": world.Exponential,
		"lognormal":   func(mean float64) world.Cost { return world.Lognormal(mean, 1) },
		"normal":      world.TruncatedNormal,
	}
}

// setup makes the world for one seed.
func (s scenario) setup(o options, seed int) world.Setup {
	w := world.Setup{
		Nodes: s.nodes(), Proxies: s.proxies, Cost: costs()[s.cost](s.work),
		Delay: halfTrip, Deadline: deadline, Health: healthEvery, HealthCost: probeWork,
		Prequal: o.prequal, Seed: uint64(seed),
	}
	capacity := 0.0
	for i := range w.Nodes {
		n := &w.Nodes[i]
		capacity += n.Cores
		n.Discipline = s.discipline
		n.Weight = n.Cores
		if o.unweighted {
			n.Weight = 1
		}
	}
	for _, l := range s.loads {
		w.Stages = append(w.Stages, world.Stage{Load: l, Rate: l * capacity / s.work, Warm: s.warm, Lasts: s.lasts})
	}
	return w
}
