package strategy

import (
	"math"
	"math/rand/v2"
	"time"
)

// c3Alpha is the weight of the newest sample in C3's averages.
const c3Alpha = 0.9

// c3 ranks nodes by the time that they were seen to add and by what their
// queue would add, cubed, so that long queues are avoided even on a fast node.
// Source: L. Suresh, M. Canini, S. Schmid and A. Feldmann, "C3: Cutting Tail
// Latency in Cloud Data Stores via Adaptive Replica Selection", NSDI 2015,
// section 3.1.
//
//	score = R − S + q̂³·S      q̂ = 1 + outstanding·w + q
//
// R is the average of the response times, S that of the service times, q that
// of the queue lengths which the node tells; w is the number of proxies, each
// of which is guessed to have as many outstanding as this one. q̂ is taken per
// unit of the node's weight.
//
// Three things are ours. A node that shares its processor cannot tell a
// service time, so S is the latency that it tells, over the requests that it
// tells to be sharing it; from one that tells nothing, the response time over
// the requests outstanding there. R and S fade while nothing is heard (τ as in
// peak-ewma), or a node that was once slow would never be asked again. C3's
// rate control is left out: the data plane bounds what a node has in flight.
type c3 struct {
	rand    *rand.Rand
	penalty float64
	peers   float64
	books   book[c3Record]
}

var _ Explaining = (*c3)(nil)

type c3Record struct {
	known       bool
	wait        float64 // R − S in ns, as of at
	service     float64 // S in ns, as of at
	queue       float64 // q
	outstanding int     // at the last Pick
	at          time.Time
}

func newC3(o Options) *c3 {
	return &c3{rand: o.Rand, penalty: float64(o.Penalty), peers: float64(max(1, o.Peers)), books: newBook[c3Record]()}
}

func (s *c3) Pick(now time.Time, nodes []Node) int {
	slowest := s.slowest(nodes)
	best := lowest{rand: s.rand}
	for i := range nodes {
		r := s.books.at(i, &nodes[i])
		r.outstanding = nodes[i].InFlight
		best.offer(i, s.score(now, &nodes[i], r, slowest))
	}
	s.books.at(best.index, &nodes[best.index]).outstanding++
	return best.index
}

// slowest is the longest service time known: that of a node which has not
// answered yet is presumed to be no better.
func (s *c3) slowest(nodes []Node) (service float64) {
	for i := range nodes {
		service = max(service, s.books.at(i, &nodes[i]).service)
	}
	return max(service, 1)
}

func (s *c3) score(now time.Time, n *Node, r *c3Record, slowest float64) float64 {
	q := 1 + (float64(n.InFlight)*s.peers+r.queue)/n.Weight
	switch {
	case r.known:
		return (r.wait + q*q*q*r.service) * decay(now.Sub(r.at))
	case n.InFlight == 0:
		return math.Inf(-1) // new and idle: find out
	default:
		return q * q * q * slowest
	}
}

func (s *c3) Done(now time.Time, o Outcome) {
	r := s.books.of(o.Node)
	defer s.books.forget(now)
	response := float64(o.Latency)
	service := response / float64(max(1, r.outstanding))
	if o.Load.Latency > 0 {
		service = float64(o.Load.Latency) / float64(o.Load.InFlight+1)
	}
	service = min(service, response)
	switch {
	case o.Result == Failure:
		// How long it took to fail says nothing of the service.
		response, service = max(response, s.penalty), r.service
	case o.Result == Abandoned && (!r.known || response-service < r.wait):
		return // it would have taken longer, and how much is not known
	}
	if !r.known {
		*r = c3Record{true, response - service, service, float64(o.Load.InFlight), r.outstanding, now}
		return
	}
	w := decay(now.Sub(r.at))
	r.wait = mix(response-service, r.wait*w)
	r.service = mix(service, r.service*w)
	r.queue = mix(float64(o.Load.InFlight), r.queue)
	r.at = now
}

func mix(sample, past float64) float64 { return c3Alpha*sample + (1-c3Alpha)*past }

func (s *c3) Explain(now time.Time, nodes []Node, scores []float64) ([]float64, string) {
	slowest := s.slowest(nodes)
	for i := range nodes {
		scores = append(scores, s.score(now, &nodes[i], s.books.at(i, &nodes[i]), slowest))
	}
	return scores, "lowest R − S + q̂³·S, in ns"
}
