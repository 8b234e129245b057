package cluster

import "time"

const (
	// failuresToEject in a row, and a node gets no requests for a while.
	failuresToEject = 5

	// The first ejection lasts ejectFor, each further one twice as long as the
	// one before, up to ejectAtMost. A minute in service makes up for one.
	ejectFor     = 10 * time.Second
	ejectAtMost  = 300 * time.Second
	forgiveAfter = time.Minute
)

// outlier is what a node's own failures say of it, whatever its health probes
// say: a node may well answer those and nothing else. The rule is Envoy's
// (outlier detection, consecutive 5xx).
type outlier struct {
	row     int       // failures in a row
	ejected bool      // until
	until   time.Time // the end of the last ejection
	times   int       // ejections not made up for
	ever    int64     // ejections
}

// ended takes in one result and tells whether the node deserves ejection.
func (o *outlier) ended(failed bool) bool {
	if !failed {
		o.row = 0
		return false
	}
	o.row++
	return o.row >= failuresToEject && !o.ejected
}

func (o *outlier) eject(now time.Time) {
	if o.times > 0 {
		o.times = max(0, o.times-int(now.Sub(o.until)/forgiveAfter))
	}
	d := ejectAtMost
	if o.times < 5 { // 10 s × 2⁵ is over the limit
		d = min(d, ejectFor<<o.times)
	}
	o.ejected, o.until = true, now.Add(d)
	o.times++
	o.ever++
}

// back ends the ejection if it is time, and tells whether it did.
func (o *outlier) back(now time.Time) bool {
	if !o.ejected || now.Before(o.until) {
		return false
	}
	o.ejected, o.row = false, 0
	return true
}

// judge ejects a node that has failed too often, if that leaves at least half
// of the healthy nodes, and at least one.
func (c *Cluster) judge(now time.Time, n *Node, failed bool) {
	if !n.outlier.ended(failed) || n.gone || n.health != healthy {
		return
	}
	all, out := 0, 1
	for _, other := range c.nodes {
		if other.gone || other.health != healthy {
			continue
		}
		all++
		if other.outlier.ejected {
			out++
		}
	}
	if out > all/2 {
		return // its next failure asks again
	}
	n.outlier.eject(now)
	c.now = now
	c.choose()
}
