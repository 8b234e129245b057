package strategy

import (
	"math/rand/v2"
	"time"
)

// roundRobin takes the nodes in turn, whatever they are doing.
type roundRobin struct {
	rand *rand.Rand
	next uint
}

func (s *roundRobin) Pick(_ time.Time, nodes []Node) int {
	for range nodes {
		i := int(s.next % uint(len(nodes)))
		s.next++
		if admits(s.rand, &nodes[i]) {
			return i
		}
	}
	// Only nodes in slow start, and all of them passed over: it is this one's turn.
	return int(s.next % uint(len(nodes)))
}

func (*roundRobin) Done(time.Time, Outcome) {}

// weightedRoundRobin takes the nodes in turn, each as often as its weight
// says, and spread out: weights 5, 1, 1 give aabacaa and not aaaaabc. Source:
// nginx's ngx_http_upstream_round_robin.c, "smooth weighted round-robin".
type weightedRoundRobin struct{ current book[float64] }

func (s *weightedRoundRobin) Pick(now time.Time, nodes []Node) int {
	best, total := 0, 0.0
	var high *float64
	for i := range nodes {
		c := s.current.at(i, &nodes[i])
		*c += nodes[i].Weight
		total += nodes[i].Weight
		if high == nil || *c > *high {
			best, high = i, c
		}
	}
	*high -= total
	s.current.forget(now)
	return best
}

func (*weightedRoundRobin) Done(time.Time, Outcome) {}

// random takes any node, each as likely as the others.
type random struct{ rand *rand.Rand }

func (s random) Pick(_ time.Time, nodes []Node) int { return anyOf(s.rand, nodes) }

func (random) Done(time.Time, Outcome) {}

// admits is how a rule that knows no weights honours slow start: it passes a
// node over with the probability 1 − Ramp.
func admits(r *rand.Rand, n *Node) bool {
	return n.Ramp <= 0 || n.Ramp >= 1 || r.Float64() < n.Ramp
}

// anyOf draws a node.
func anyOf(r *rand.Rand, nodes []Node) int {
	i := r.IntN(len(nodes))
	for range nodes { // enough: what is left over is a draw as well
		if admits(r, &nodes[i]) {
			break
		}
		i = r.IntN(len(nodes))
	}
	return i
}
