package world

import (
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// proxy is one balancer with what it alone has seen.
type proxy struct {
	strategy strategy.Strategy
	probing  strategy.Probing // the strategy, if it is one of these
	view     []strategy.Node
}

func (p *proxy) hear(now float64, a probe) {
	p.probing.Probed(at(now), strategy.Probe{Node: p.view[a.node].ID, InFlight: a.load.InFlight, Latency: a.load.Latency})
}

// ask has a node answer a probe for its load, which costs it nothing.
func (w *world) ask(p probe) {
	n := &w.nodes[p.node]
	p.load = n.load(w.now)
	p.at = w.now + w.Delay
	w.told.put(p)
}

// load is what a node tells of itself.
func (n *node) load(now float64) (l strategy.Load) {
	l.InFlight, l.Latency = n.tells.Load(at(now), 0)
	return l
}

// check has one proxy probe the health of all nodes; the proxies take turns
// through the interval.
func (w *world) check() {
	p := &w.proxies[w.probes]
	for i := range w.nodes {
		latency := 2*w.Delay + w.nodes[i].finishes(w.now, w.HealthCost)
		p.view[i].Probed = max(1, span(latency)/time.Microsecond*time.Microsecond)
	}
	w.probes = (w.probes + 1) % w.Proxies
	w.health = w.now + w.Health/float64(w.Proxies)
}
