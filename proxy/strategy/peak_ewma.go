package strategy

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	// decayTime is τ: how fast a node's past is forgotten.
	decayTime = 10 * time.Second

	// scanAtMost is the number of nodes up to which all are compared. Above
	// it two are drawn, which costs the same however many there are.
	scanAtMost = 16

	// forgetAfter is when a cost has decayed to nothing (e⁻¹⁰) and the entry
	// of a node that may be long gone is dropped.
	forgetAfter = 10 * decayTime
)

// peakEWMA takes the node with the lowest latency × (requests in flight + 1).
// The latency of a node is an exponentially weighted moving average that
// jumps up to each peak at once and comes down slowly: caution is fast, trust
// is slow. Source: Finagle's com.twitter.finagle.loadbalancer.PeakEwma.
//
//	on completion, rtt > c:   c = rtt
//	               otherwise: c = c·e^(−dt/τ) + rtt·(1 − e^(−dt/τ))
//	on reading:               c·e^(−dt/τ)   a node not heard of is tried again
//	score:                    c·(in flight + 1)
//
// A node that has been asked and has not answered yet counts as the slowest
// node that has. Finagle gives it a huge cost instead, which in a burst on a
// cold balancer sends everything to whichever node answers first.
type peakEWMA struct {
	rand    *rand.Rand
	penalty float64
	costs   map[string]*cost
	sweep   time.Time // when old entries are dropped next
}

// cost is a node's latency in nanoseconds, as of a moment.
type cost struct {
	value float64
	at    time.Time
}

func newPeakEWMA(o Options) *peakEWMA {
	return &peakEWMA{rand: o.Rand, penalty: float64(o.Penalty), costs: make(map[string]*cost)}
}

func (s *peakEWMA) Pick(now time.Time, nodes []Node) int {
	if len(nodes) <= scanAtMost {
		presumed := 0.0
		for i := range nodes {
			presumed = max(presumed, s.known(now, &nodes[i]))
		}
		return argmin(s.rand, nodes, func(n *Node) float64 { return s.score(now, n, presumed) })
	}
	a, b := draw(s.rand, len(nodes))
	presumed := max(s.known(now, &nodes[a]), s.known(now, &nodes[b]))
	if s.score(now, &nodes[b], presumed) < s.score(now, &nodes[a], presumed) {
		return b
	}
	return a
}

// score is lowest for the node to take; presumed is the cost of a node that
// has not answered yet.
func (s *peakEWMA) score(now time.Time, n *Node, presumed float64) float64 {
	switch {
	case s.costs[n.ID] != nil:
		return s.known(now, n) * load1(n)
	case n.InFlight == 0:
		return 0 // new and idle: find out
	default:
		return max(presumed, 1) * load1(n) // 1: nobody has answered, and load alone decides
	}
}

// known is a node's cost as of now, 0 if it has none.
func (s *peakEWMA) known(now time.Time, n *Node) float64 {
	c := s.costs[n.ID]
	if c == nil {
		return 0
	}
	return c.value * decay(now.Sub(c.at))
}

// load1 is the load of a node if it gets this request too.
func load1(n *Node) float64 { return float64(n.InFlight+1) / n.Weight }

func (s *peakEWMA) Done(now time.Time, o Outcome) {
	rtt := float64(o.Latency)
	if o.Result == Failure {
		rtt = max(rtt, s.penalty)
	}
	c := s.costs[o.Node]
	switch {
	case c == nil && o.Result == Abandoned:
		// The node has still answered nothing.
	case c == nil:
		s.costs[o.Node] = &cost{rtt, now}
	case rtt > c.value:
		c.value, c.at = rtt, now
	case o.Result == Abandoned:
		// It would have taken longer than rtt; that it took less than c is not known.
	default:
		w := decay(now.Sub(c.at))
		c.value, c.at = c.value*w+rtt*(1-w), now
	}
	s.forget(now)
}

// forget drops what has no weight any more, so that nodes that come and go do
// not fill the memory.
func (s *peakEWMA) forget(now time.Time) {
	if now.Before(s.sweep) {
		return
	}
	for id, c := range s.costs {
		if now.Sub(c.at) > forgetAfter {
			delete(s.costs, id)
		}
	}
	s.sweep = now.Add(forgetAfter)
}

func decay(dt time.Duration) float64 {
	return math.Exp(-float64(dt) / float64(decayTime))
}
