package strategy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// PrequalSettings vary Prequal's parameters; zero means the value given here.
type PrequalSettings struct {
	Probes   float64       // asked for per request: 3, or 1 if all nodes fit into the pool
	Pool     int           // answers kept: 16, at most one for each node
	MaxAge   time.Duration // of an answer: 1 s
	Quantile float64       // Q: a node with more requests than this quantile of those told lately is hot: 0.6; below 0: 0, every node is hot
	Remove   float64       // answers dropped per request: 1, or 0 if all nodes fit into the pool; below 0: 0
	Surplus  float64       // δ: by how much more answers come in than are used up: 1
}

// prequal asks nodes for their load beside the requests, and decides by the
// answers that it has: among the nodes that are not hot the one with the
// lowest latency; if all are hot, the one with the fewest requests in flight.
// Source: B. Wydrowski, R. Kleinberg, S. Rumble and A. Archer, "Load is not
// what you should balance: Introducing Prequal", NSDI 2024, section 4.
//
//	hot:    requests in flight > θ, the Q-quantile of those told lately
//	pool:   at most one answer for each node; none older than MaxAge; each is
//	        used b times at most, and counted one request more for each use
//	b:      max(1, (1 + δ) ÷ ((1 − pool/nodes)·probes − removals))
//	remove: with each request the oldest and the worst answer in turn; worst
//	        is the hot one with the most requests, or else the slowest
//
// Below two answers the node is drawn at random. If all nodes fit into the
// pool there is nothing to make room for: nothing is removed, and an answer
// serves until its age or a newer one ends it; b's formula has no such case.
//
// Ours: requests in flight are taken per unit of weight; loads that nodes tell
// along with their answers to requests refresh the pool; and a node most of
// whose last requests have failed is worse than any other. The paper averts
// such sinkholes too but does not say how.
type prequal struct {
	settings PrequalSettings
	rand     *rand.Rand
	pool     pool
	asked    []int   // what Probe gave last
	credit   float64 // fractions of a probe that are due
	removal  float64 // fractions of a removal that are due
	worst    bool    // the next removal is of the worst answer, not of the oldest
	told     quantile
	peers    book[peer]
}

var (
	_ Probing    = (*prequal)(nil)
	_ Explaining = (*prequal)(nil)
)

// peer is what is known of a node besides its report.
type peer struct {
	failures
	weight float64 // as last seen; 0: never
}

func newPrequal(o Options) *prequal {
	s := o.Prequal
	if s.Pool == 0 {
		s.Pool = 16
	}
	if s.MaxAge == 0 {
		s.MaxAge = time.Second
	}
	if s.Quantile == 0 {
		s.Quantile = 0.6
	}
	if s.Surplus == 0 {
		s.Surplus = 1
	}
	return &prequal{settings: s, rand: o.Rand, peers: newBook[peer]()}
}

// rates are probes and removals per request.
func (s *prequal) rates(nodes int) (probes, removals float64) {
	probes, removals = 3, 1
	if nodes <= s.settings.Pool {
		probes, removals = 1, 0
	}
	if s.settings.Probes > 0 {
		probes = s.settings.Probes
	}
	if s.settings.Remove != 0 {
		removals = max(0, s.settings.Remove)
	}
	return probes, removals
}

// uses is how often one answer may be used, a fraction by the luck of a draw;
// 0 is without limit.
func (s *prequal) uses(nodes int) int {
	probes, removals := s.rates(nodes)
	size := min(s.settings.Pool, nodes)
	net := (1-float64(size)/float64(nodes))*probes - removals
	if net <= 0 {
		return 0
	}
	b := max(1, (1+s.settings.Surplus)/net)
	whole := int(b)
	if s.rand.Float64() < b-float64(whole) {
		whole++
	}
	return whole
}

func (s *prequal) Probe(_ time.Time, nodes []Node) []int {
	probes, _ := s.rates(len(nodes))
	s.credit += probes
	k := min(int(s.credit), len(nodes))
	s.credit = min(s.credit-float64(k), float64(len(nodes))) // what cannot be asked for is not owed for ever
	s.asked = s.asked[:0]
	for len(s.asked) < k {
		if i := s.rand.IntN(len(nodes)); !slices.Contains(s.asked, i) {
			s.asked = append(s.asked, i)
		}
	}
	// What slow start leaves out is not asked in the first place.
	s.asked = slices.DeleteFunc(s.asked, func(i int) bool { return !admits(s.rand, &nodes[i]) })
	for _, i := range s.asked {
		s.peers.at(i, &nodes[i]).weight = nodes[i].Weight
	}
	return s.asked
}

func (s *prequal) Probed(now time.Time, p Probe) {
	weight := s.peers.of(p.Node).weight
	if weight == 0 {
		weight = 1
	}
	s.told.add(float64(p.InFlight) / weight)
	s.pool.put(report{node: p.Node, inFlight: float64(p.InFlight), latency: p.Latency, at: now}, s.settings.Pool)
}

func (s *prequal) Pick(now time.Time, nodes []Node) int {
	size := min(s.settings.Pool, len(nodes))
	s.pool.drop(now, s.settings.MaxAge, size)
	c := s.choose(now, nodes)
	if c.usable < 2 {
		return anyOf(s.rand, nodes)
	}
	r := &s.pool.reports[c.best]
	place := r.place
	r.inFlight++
	if r.uses == 0 {
		r.limit = s.uses(len(nodes))
	}
	if r.uses++; r.uses == r.limit {
		s.pool.remove(c.best)
	}
	_, removals := s.rates(len(nodes))
	for s.removal += removals; s.removal >= 1; s.removal-- {
		s.clean(nodes)
	}
	return place
}

// choice is the best report of the pool.
type choice struct {
	best   int // in the pool
	usable int // reports of nodes that may be chosen
	theta  float64
	class  class
}

// class orders reports before anything else does.
type class int

const (
	cold class = iota
	hot
	broken
)

func (c class) String() string {
	switch c {
	case cold:
		return "cold: lowest latency in ns"
	case hot:
		return "all hot: fewest in flight per weight"
	default:
		return "all failing: fewest in flight per weight"
	}
}

// choose changes nothing but the notes of where in nodes a report's node is.
func (s *prequal) choose(now time.Time, nodes []Node) choice {
	c := choice{theta: s.told.value(s.settings.Quantile)}
	var best rank
	for i := range s.pool.reports {
		r := &s.pool.reports[i]
		if !r.find(nodes) {
			continue
		}
		c.usable++
		if k := s.rank(now, &nodes[r.place], r, c.theta); c.usable == 1 || k.before(best) {
			best, c.best, c.class = k, i, k.class
		}
	}
	return c
}

// rank says how good a report is.
type rank struct {
	class    class
	first    float64
	inFlight float64
}

func (a rank) before(b rank) bool {
	switch {
	case a.class != b.class:
		return a.class < b.class
	case a.first != b.first:
		return a.first < b.first
	default:
		return a.inFlight < b.inFlight
	}
}

func (s *prequal) rank(now time.Time, n *Node, r *report, theta float64) rank {
	k := rank{inFlight: r.inFlight / n.Weight}
	switch {
	case s.peers.at(r.place, n).many(now):
		k.class, k.first = broken, k.inFlight
	case k.inFlight > theta:
		k.class, k.first = hot, k.inFlight
	default:
		k.first = float64(r.latency)
	}
	return k
}

// clean removes the oldest report or the worst one, in turn.
func (s *prequal) clean(nodes []Node) {
	s.worst = !s.worst
	if len(s.pool.reports) == 0 {
		return
	}
	if !s.worst {
		s.pool.remove(0)
		return
	}
	theta, worst := s.told.value(s.settings.Quantile), 0
	var last rank
	for i := range s.pool.reports {
		r, weight := &s.pool.reports[i], 1.0
		if r.find(nodes) {
			weight = nodes[r.place].Weight
		}
		k := rank{inFlight: r.inFlight / weight, first: float64(r.latency)}
		if k.inFlight > theta {
			k.class, k.first = hot, k.inFlight
		}
		if i == 0 || last.before(k) {
			worst, last = i, k
		}
	}
	s.pool.remove(worst)
}

func (s *prequal) Done(now time.Time, o Outcome) {
	if o.Result != Abandoned {
		s.peers.of(o.Node).add(now, o.Result == Failure)
	}
	s.peers.forget(now)
	if o.Load != (Load{}) {
		s.pool.refresh(o.Node, float64(o.Load.InFlight), o.Load.Latency, now)
	}
}

func (s *prequal) Explain(now time.Time, nodes []Node, scores []float64) ([]float64, string) {
	s.pool.drop(now, s.settings.MaxAge, min(s.settings.Pool, len(nodes)))
	c := s.choose(now, nodes)
	first := len(scores)
	for range nodes {
		scores = append(scores, unknown)
	}
	if c.usable < 2 {
		return scores, fmt.Sprintf("random: %d of the 2 probes needed", c.usable)
	}
	for i := range s.pool.reports {
		if r := &s.pool.reports[i]; r.find(nodes) {
			if k := s.rank(now, &nodes[r.place], r, c.theta); k.class == c.class {
				scores[first+r.place] = k.first
			}
		}
	}
	return scores, fmt.Sprintf("%s; hot is above %g, pool of %d", c.class, c.theta, c.usable)
}
