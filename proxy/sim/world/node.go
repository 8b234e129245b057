package world

import (
	"math"
	"math/rand/v2"

	"github.com/fairlead/fairlead/internal/rif"
)

// Discipline is how a node shares its cores among its requests.
type Discipline int

// Sharing is what an operating system does: all requests go on at once, each
// at min(1, cores/requests) of a core. Queueing serves as many requests as
// there are whole cores, in the order of their arrival.
const (
	Sharing Discipline = iota
	Queueing
)

// Spec describes a node.
type Spec struct {
	Discipline Discipline
	Cores      float64 // nominal: what loads are shares of
	Weight     float64 // as the proxies are told
	Profile    Profile
}

// node is a Spec at work. served is how much work a request has got that is
// in service since the node was last idle; each one's share is the same, so
// that one number tells when the next one ends: a request that came at served
// = s ends at served = s + its work, whatever the rate does meanwhile.
type node struct {
	discipline Discipline
	cores      float64
	speed      float64
	segments   Segments
	changes    float64 // when the next segment begins

	served  float64
	asOf    float64
	running finishes
	waiting queue[waiter]  // Queueing
	coming  []float64      // work of the requests on their way to it; kept for oracles
	tells   *rif.Estimator // nil: it tells nothing
	next    float64        // when the next event is
	ends    bool           // and that it is the end of a request, not a change
	work    []float64      // scratch of oracles
}

type waiter struct {
	job  uint64
	work float64
}

func newNode(s *Spec, r *rand.Rand) node {
	n := node{discipline: s.Discipline, segments: s.Profile(r)}
	n.change()
	n.plan()
	return n
}

func (n *node) change() {
	n.cores, n.speed, n.changes = n.segments()
}

func (n *node) inFlight() int { return len(n.running) + n.waiting.len() }

// rate is how fast served grows.
func (n *node) rate() float64 { return n.speed * share(n.discipline, n.cores, len(n.running)) }

func share(d Discipline, cores float64, requests int) float64 {
	if k := float64(requests); d == Sharing && k > cores {
		return cores / k
	}
	return 1
}

// slots is how many requests are in service at once.
func (n *node) slots() int {
	if n.discipline == Sharing {
		return math.MaxInt
	}
	return int(n.cores)
}

func (n *node) catchUp(now float64) {
	if len(n.running) == 0 {
		n.served = 0
	} else {
		n.served += n.rate() * (now - n.asOf)
	}
	n.asOf = now
}

// plan sets next.
func (n *node) plan() {
	n.next, n.ends = n.changes, false
	if len(n.running) > 0 {
		if t := n.asOf + max(0, n.running[0].at-n.served)/n.rate(); t <= n.next {
			n.next, n.ends = t, true
		}
	}
}

// take begins a request.
func (n *node) take(now float64, id uint64, work float64) {
	n.catchUp(now)
	if len(n.running) < n.slots() {
		n.running.add(finish{n.served + work, id})
	} else {
		n.waiting.put(waiter{id, work})
	}
	n.plan()
}

// event is the end of a request, whose number it gives, or a change of the
// node.
func (n *node) event(now float64) (id uint64, done bool) {
	n.catchUp(now)
	if done = n.ends; done {
		id = n.running.take().job
	} else {
		n.change()
	}
	n.refill()
	n.plan()
	return id, done
}

func (n *node) refill() {
	for !n.waiting.empty() && len(n.running) < n.slots() {
		w := n.waiting.take()
		n.running.add(finish{n.served + w.work, w.job})
	}
}

// drop forgets a request, and tells whether it was still here.
func (n *node) drop(now float64, id uint64) bool {
	n.catchUp(now)
	ok := n.running.drop(id) || n.waiting.drop(func(w waiter) bool { return w.job == id })
	n.refill()
	n.plan()
	return ok
}
