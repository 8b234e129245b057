package strategy

import (
	"math/rand/v2"
	"time"
)

// roundRobin takes the nodes in turn, whatever they are doing.
type roundRobin struct{ next uint }

func (s *roundRobin) Pick(_ time.Time, nodes []Node) int {
	i := s.next % uint(len(nodes))
	s.next++
	return int(i)
}

func (*roundRobin) Done(time.Time, Outcome) {}

// random takes any node, each as likely as the others.
type random struct{ rand *rand.Rand }

func (s random) Pick(_ time.Time, nodes []Node) int { return s.rand.IntN(len(nodes)) }

func (random) Done(time.Time, Outcome) {}
