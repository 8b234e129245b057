package strategy

import (
	"math/rand/v2"
	"time"
)

// lowestProbe sends everything to the node whose last health probe was
// fastest, until the next probe. It is here because a textbook balancer does
// this, and to show what is wrong with it: between two probes it herds, all
// requests go to one node however many it already has.
type lowestProbe struct{ rand *rand.Rand }

func (s lowestProbe) Pick(_ time.Time, nodes []Node) int {
	best := -1
	for i := range nodes {
		if p := nodes[i].Probed; p > 0 && (best < 0 || p < nodes[best].Probed) {
			best = i
		}
	}
	if best < 0 { // no node has been probed yet
		return s.rand.IntN(len(nodes))
	}
	return best
}

func (lowestProbe) Done(time.Time, Outcome) {}
