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
//	score:                    c·(in flight + 1)/weight
//
// A node that has been asked and has not answered yet counts as the slowest
// node that has. Finagle gives it a huge cost instead, which in a burst on a
// cold balancer sends everything to whichever node answers first.
type peakEWMA struct {
	rand    *rand.Rand
	penalty float64
	costs   book[cost]
	read    []float64 // the costs as of a Pick; kept to save the allocation
}

var _ Explaining = (*peakEWMA)(nil)

// cost is a node's latency in nanoseconds, as of a moment; 0: it has not
// answered yet.
type cost struct {
	value float64
	at    time.Time
}

// now is the cost as of now, 0 if there is none.
func (c *cost) now(now time.Time) float64 {
	if c.value == 0 {
		return 0
	}
	return c.value * decay(now.Sub(c.at))
}

func newPeakEWMA(o Options) *peakEWMA {
	return &peakEWMA{rand: o.Rand, penalty: float64(o.Penalty), costs: newBook[cost]()}
}

func (s *peakEWMA) Pick(now time.Time, nodes []Node) int {
	best := lowest{rand: s.rand}
	if len(nodes) <= scanAtMost {
		presumed := s.readAll(now, nodes)
		for i := range nodes {
			best.offer(i, score(&nodes[i], s.read[i], presumed))
		}
		return best.index
	}
	a, b := draw(s.rand, len(nodes))
	costA, costB := s.costs.at(a, &nodes[a]).now(now), s.costs.at(b, &nodes[b]).now(now)
	presumed := max(costA, costB)
	if score(&nodes[b], costB, presumed) < score(&nodes[a], costA, presumed) {
		return b
	}
	return a
}

// readAll reads every node's cost and gives the highest.
func (s *peakEWMA) readAll(now time.Time, nodes []Node) (highest float64) {
	s.read = s.read[:0]
	for i := range nodes {
		c := s.costs.at(i, &nodes[i]).now(now)
		s.read = append(s.read, c)
		highest = max(highest, c)
	}
	return highest
}

// score is lowest for the node to take; presumed is the cost of a node that
// has not answered yet, which has none.
func score(n *Node, cost, presumed float64) float64 {
	switch {
	case cost > 0:
		return cost * load1(n)
	case n.InFlight == 0:
		return 0 // new and idle: find out
	default:
		return max(presumed, 1) * load1(n) // 1: nobody has answered, and load alone decides
	}
}

// load1 is the load of a node if it gets this request too.
func load1(n *Node) float64 { return float64(n.InFlight+1) / n.Weight }

func (s *peakEWMA) Done(now time.Time, o Outcome) {
	rtt := max(1, float64(o.Latency)) // an answer in no time is an answer
	if o.Result == Failure {
		rtt = max(rtt, s.penalty)
	}
	c := s.costs.of(o.Node)
	switch {
	case c.value == 0 && o.Result == Abandoned:
		// The node has still answered nothing.
	case c.value == 0:
		*c = cost{rtt, now}
	case rtt > c.value:
		c.value, c.at = rtt, now
	case o.Result == Abandoned:
		// It would have taken longer than rtt; that it took less than c is not known.
	default:
		w := decay(now.Sub(c.at))
		c.value, c.at = c.value*w+rtt*(1-w), now
	}
	s.costs.forget(now)
}

func (s *peakEWMA) Explain(now time.Time, nodes []Node, scores []float64) ([]float64, string) {
	presumed := s.readAll(now, nodes)
	for i := range nodes {
		scores = append(scores, score(&nodes[i], s.read[i], presumed))
	}
	if len(nodes) > scanAtMost {
		return scores, "lower latency × (in flight + 1) ÷ weight, of two drawn, in ns"
	}
	return scores, "lowest latency × (in flight + 1) ÷ weight, in ns"
}

// decay is how much of a past counts after dt: e^(−dt/τ). For the short times
// between requests the beginning of the series is exact to 10⁻¹¹ and several
// times faster.
func decay(dt time.Duration) float64 {
	x := float64(dt) / float64(decayTime)
	if x > 1./64 {
		return math.Exp(-x)
	}
	return 1 - x*(1-x*(1./2-x*(1./6-x*(1./24))))
}
