package strategy

import (
	"math/rand/v2"
	"time"
)

// leastOutstanding takes the node with the fewest requests in flight per unit
// of weight. Ties are drawn, or several proxies would all prefer the first.
type leastOutstanding struct{ rand *rand.Rand }

var _ Explaining = leastOutstanding{}

func (s leastOutstanding) Pick(_ time.Time, nodes []Node) int {
	best := lowest{rand: s.rand}
	for i := range nodes {
		best.offer(i, load(&nodes[i]))
	}
	return best.index
}

func (leastOutstanding) Done(time.Time, Outcome) {}

func (leastOutstanding) Explain(_ time.Time, nodes []Node, scores []float64) ([]float64, string) {
	return loads(nodes, scores), "fewest in flight per weight"
}

// load is what least-outstanding and p2c compare.
func load(n *Node) float64 { return float64(n.InFlight) / n.Weight }

func loads(nodes []Node, scores []float64) []float64 {
	for i := range nodes {
		scores = append(scores, load(&nodes[i]))
	}
	return scores
}

// twoChoices draws two different nodes and takes the one with the lower load
// (M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
// IEEE TPDS 12(10), 2001). It is nearly as good as looking at all nodes, looks
// at two, and does not herd when what it sees is old.
type twoChoices struct{ rand *rand.Rand }

var _ Explaining = twoChoices{}

func (s twoChoices) Pick(_ time.Time, nodes []Node) int {
	a, b := draw(s.rand, len(nodes))
	if load(&nodes[b]) < load(&nodes[a]) {
		return b
	}
	return a // on a tie too: a was itself drawn at random
}

func (twoChoices) Done(time.Time, Outcome) {}

func (twoChoices) Explain(_ time.Time, nodes []Node, scores []float64) ([]float64, string) {
	return loads(nodes, scores), "fewer in flight per weight, of two drawn"
}

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

// lowest finds the index with the lowest score of those that it is offered,
// one of them at random if several have it.
type lowest struct {
	rand  *rand.Rand
	index int
	score float64
	ties  int // 0: nothing was offered yet
}

func (l *lowest) offer(i int, score float64) {
	switch {
	case l.ties == 0 || score < l.score:
		l.index, l.score, l.ties = i, score, 1
	case score == l.score:
		// The k-th of equals replaces the choice with probability 1/k,
		// which makes all of them equally likely in one pass.
		l.ties++
		if l.rand.IntN(l.ties) == 0 {
			l.index = i
		}
	}
}
