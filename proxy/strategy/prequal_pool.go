package strategy

import (
	"math"
	"slices"
	"time"
)

// report is what a node has told of its load.
type report struct {
	node     string
	inFlight float64 // as told, and one more for each request sent since
	latency  time.Duration
	at       time.Time
	uses     int
	limit    int // of uses, drawn at the first; 0: none
	place    int // of the node among the nodes, as last found
}

// find notes where the report's node is, if it is there.
func (r *report) find(nodes []Node) bool {
	if r.place < len(nodes) && nodes[r.place].ID == r.node {
		return true
	}
	for i := range nodes {
		if nodes[i].ID == r.node {
			r.place = i
			return true
		}
	}
	return false
}

// pool holds reports, the oldest first.
type pool struct{ reports []report }

// put adds a report. It takes the place of an earlier one of the same node,
// or of the oldest if there are too many.
func (p *pool) put(r report, most int) {
	if i := p.of(r.node); i >= 0 {
		r.place = p.reports[i].place
		p.remove(i)
	}
	for len(p.reports) >= most {
		p.remove(0)
	}
	p.reports = append(p.reports, r)
}

// refresh renews a node's report, if there is one. A node that has no report
// gets none: only nodes that were sent requests tell, and a pool that fills
// with these would not be a fair draw of all nodes any more.
func (p *pool) refresh(node string, inFlight float64, latency time.Duration, now time.Time) {
	if i := p.of(node); i >= 0 {
		r := p.reports[i]
		r.inFlight, r.latency, r.at = inFlight, latency, now
		p.remove(i)
		p.reports = append(p.reports, r)
	}
}

// drop removes the reports that are too old, and too many.
func (p *pool) drop(now time.Time, age time.Duration, most int) {
	for len(p.reports) > 0 && (now.Sub(p.reports[0].at) > age || len(p.reports) > most) {
		p.remove(0)
	}
}

func (p *pool) of(node string) int {
	return slices.IndexFunc(p.reports, func(r report) bool { return r.node == node })
}

func (p *pool) remove(i int) { p.reports = slices.Delete(p.reports, i, i+1) }

// unknown is the score of a node that nothing is known of.
var unknown = math.Inf(1)

// remembered is how many of the last loads told make their distribution.
const remembered = 128

// quantile is the distribution of the last numbers of requests told, per weight.
type quantile struct {
	ring   [remembered]float64
	sorted [remembered]float64
	next   int
	count  int
}

func (q *quantile) add(inFlight float64) {
	s := q.sorted[:q.count]
	if q.count == remembered {
		i, _ := slices.BinarySearch(s, q.ring[q.next])
		s = slices.Delete(s, i, i+1)
		q.count--
	}
	i, _ := slices.BinarySearch(s, inFlight)
	copy(q.sorted[i+1:q.count+1], q.sorted[i:q.count])
	q.sorted[i] = inFlight
	q.ring[q.next] = inFlight
	q.next = (q.next + 1) % remembered
	q.count++
}

// value gives the smallest number that at least the share p is no greater
// than; below everything if p is not above 0 or nothing was told.
func (q *quantile) value(p float64) float64 {
	i := int(math.Ceil(p*float64(q.count))) - 1
	if i < 0 {
		return -1
	}
	return q.sorted[min(i, q.count-1)]
}

const (
	failureWeight = 0.25 // of the newest result: three failures in a row are many
	manyFailures  = 0.5
)

// failures is the share of a node's last requests that failed. It fades while
// nothing is heard, so that the node is tried again.
type failures struct {
	share float64
	at    time.Time
}

func (f *failures) now(now time.Time) float64 {
	if f.share == 0 {
		return 0
	}
	return f.share * decay(now.Sub(f.at))
}

func (f *failures) many(now time.Time) bool {
	return f.share >= manyFailures && f.now(now) >= manyFailures
}

func (f *failures) add(now time.Time, failed bool) {
	share := f.now(now) * (1 - failureWeight)
	if failed {
		share += failureWeight
	}
	f.share, f.at = share, now
}
