package strategy

import (
	"math/rand/v2"
	"time"
)

// leastOutstanding takes the node with the fewest requests in flight per unit
// of weight. Ties are drawn, or several proxies would all prefer the first.
type leastOutstanding struct{ rand *rand.Rand }

func (s leastOutstanding) Pick(_ time.Time, nodes []Node) int {
	return argmin(s.rand, nodes, load)
}

func (leastOutstanding) Done(time.Time, Outcome) {}

// load is what least-outstanding and p2c compare.
func load(n *Node) float64 { return float64(n.InFlight) / n.Weight }

// twoChoices draws two different nodes and takes the one with the lower load
// (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
// IEEE TPDS 12(10), 2001). It is nearly as good as looking at all nodes, looks
// at two, and does not herd when what it sees is old.
type twoChoices struct{ rand *rand.Rand }

func (s twoChoices) Pick(_ time.Time, nodes []Node) int {
	a, b := draw(s.rand, len(nodes))
	if load(&nodes[b]) < load(&nodes[a]) {
		return b
	}
	return a // on a tie too: a was itself drawn at random
}

func (twoChoices) Done(time.Time, Outcome) {}

// draw gives two different numbers below n in random order, or 0, 0 if n is 1.
func draw(r *rand.Rand, n int) (a, b int) {
	if n == 1 {
		return 0, 0
	}
	a, b = r.IntN(n), r.IntN(n-1)
	if b >= a {
		b++
	}
	return a, b
}

// argmin gives the index of the node with the lowest score, one of them at
// random if several have it.
func argmin(r *rand.Rand, nodes []Node, score func(*Node) float64) int {
	best, ties := 0, 1
	low := score(&nodes[0])
	for i := 1; i < len(nodes); i++ {
		switch s := score(&nodes[i]); {
		case s < low:
			best, low, ties = i, s, 1
		case s == low:
			// The k-th of equals replaces the choice with probability 1/k,
			// which makes all of them equally likely in one pass.
			ties++
			if r.IntN(ties) == 0 {
				best = i
			}
		}
	}
	return best
}
