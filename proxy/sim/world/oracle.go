package world

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// oracle chooses for all proxies with what no proxy can know: the work that
// every request still needs, also of those on their way, and each node's
// present cores and speed. Of the future it knows nothing: neither which
// requests will come nor when a node will change.
type oracle struct {
	rule prophecy
	rand *rand.Rand
}

// prophecy is the time that an oracle wants short if a request with this work
// goes to the node.
type prophecy func(n *node, now, work float64) float64

// oracles by name. None of them is the best one everywhere: what is best for
// the requests to come would need their times of arrival.
//
// "oracle" takes the node on which this request will end first if none comes
// after it: on a node that shares its cores the requests there and this one go
// on together and leave as they finish; on one that queues it waits for the
// first free core.
//
// "oracle-work" takes the node that will be idle first: the least work per
// capacity. It serves those that come later rather than the one that is here.
//
// "oracle-delay" counts besides this request's time how much it delays those
// that are there.
func oracles() map[string]prophecy {
	return map[string]prophecy{
		"oracle":       (*node).finishes,
		"oracle-work":  (*node).idles,
		"oracle-delay": (*node).delays,
	}
}

// Oracles names the rules of Run that no proxy can follow.
func Oracles() []string { return slices.Sorted(maps.Keys(oracles())) }

func (o *oracle) pick(w *world, work float64) int {
	best, ties, lowest := 0, 0, never
	for i := range w.nodes {
		switch t := o.rule(&w.nodes[i], w.now, work); {
		case t < lowest:
			best, ties, lowest = i, 1, t
		case t == lowest:
			if ties++; o.rand.IntN(ties) == 0 {
				best = i
			}
		}
	}
	return best
}

// left gives the work left of each request, in the order of service. It is
// valid until the next call.
func (n *node) left(now float64) []float64 {
	n.catchUp(now)
	n.work = n.work[:0]
	for _, f := range n.running {
		n.work = append(n.work, max(0, f.at-n.served))
	}
	for i := range n.waiting.len() {
		n.work = append(n.work, n.waiting.get(i).work)
	}
	n.work = append(n.work, n.coming...)
	return n.work
}

func (n *node) idles(now, work float64) float64 {
	for _, x := range n.left(now) {
		work += x
	}
	return work / (n.cores * n.speed)
}

func (n *node) finishes(now, work float64) float64 {
	left := n.left(now)
	switch {
	case n.discipline == Queueing:
		return n.queued(left) + work/n.speed
	case n.cores <= 1: // each other one gets as much as this one, or all that it needs
		t := work
		for _, x := range left {
			t += min(x, work)
		}
		return t / (n.speed * n.cores)
	}
	slices.Sort(left)
	t, done, others := 0.0, 0.0, len(left)
	for _, x := range left {
		if x >= work {
			break
		}
		t += (x - done) / share(Sharing, n.cores, others+1)
		done = x
		others--
	}
	return (t + (work-done)/share(Sharing, n.cores, others+1)) / n.speed
}

func (n *node) delays(now, work float64) float64 {
	own := n.finishes(now, work)
	if n.discipline == Queueing {
		return own // the others are before it
	}
	left := n.left(now)
	slices.Sort(left)
	without := n.total(left)
	i, _ := slices.BinarySearch(left, work)
	n.work = slices.Insert(left, i, work)
	return n.total(n.work) - without
}

// total is the sum of the times after which requests with this work end that
// share the node, sorted by it.
func (n *node) total(left []float64) float64 {
	sum, t, done := 0.0, 0.0, 0.0
	for i, x := range left {
		t += (x - done) / (share(Sharing, n.cores, len(left)-i) * n.speed)
		done = x
		sum += t
	}
	return sum
}

// queued is when a core will be free for a request that comes now.
func (n *node) queued(left []float64) float64 {
	cores := make([]float64, max(1, int(n.cores)))
	for _, x := range left {
		first := 0
		for i := range cores {
			if cores[i] < cores[first] {
				first = i
			}
		}
		cores[first] += x
	}
	return slices.Min(cores) / n.speed
}
