package strategy

import (
	"math"
	"math/rand/v2"
	"time"
)

// lowestProbe sends everything to the node whose last health probe was
// fastest, until the next probe. It is here because a textbook balancer does
// this, and to show what is wrong with it: between two probes it herds, all
// requests go to one node however many it already has.
type lowestProbe struct{ rand *rand.Rand }

var _ Explaining = lowestProbe{}

func (s lowestProbe) Pick(_ time.Time, nodes []Node) int {
	best := -1
	for i := range nodes {
		if p := nodes[i].Probed; p > 0 && (best < 0 || p < nodes[best].Probed) {
			best = i
		}
	}
	if best < 0 { // no node has been probed yet
		return anyOf(s.rand, nodes)
	}
	return best
}

func (lowestProbe) Done(time.Time, Outcome) {}

func (lowestProbe) Explain(_ time.Time, nodes []Node, scores []float64) ([]float64, string) {
	for i := range nodes {
		score := float64(nodes[i].Probed)
		if score == 0 {
			score = math.Inf(1)
		}
		scores = append(scores, score)
	}
	return scores, "fastest last health probe, in ns"
}
