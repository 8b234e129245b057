package cluster

import "time"

const (
	// slowStart is how long a node that joins a working cluster takes to get
	// its full share, beginning with slowStartFrom of it: its caches are cold
	// and its first answers say little.
	slowStart     = 30 * time.Second
	slowStartFrom = 0.1

	// slowStartStep is how often its share grows.
	slowStartStep = 100 * time.Millisecond
)

// warming is a node's slow start.
type warming struct {
	on    bool
	since time.Time // zero: since the next request
}

// ramp is the share that the node gets as of now, 1 if it is not warming.
func (w *warming) ramp(now time.Time) float64 {
	switch {
	case !w.on:
		return 1
	case w.since.IsZero():
		return slowStartFrom
	}
	return min(1, slowStartFrom+(1-slowStartFrom)*float64(now.Sub(w.since))/float64(slowStart))
}

// join begins the slow start of a node that may be used from now on, if
// another one has been at work: nodes that begin together begin in full.
func (c *Cluster) join(n *Node) {
	n.warming = warming{}
	for _, other := range c.nodes {
		if other != n && !other.gone && other.health == healthy && other.tally.ever.requests > 0 {
			n.warming.on = true
			return
		}
	}
}

// advance brings what time changes up to now: ejections that end, slow starts
// that go on. It notes when to do so again.
func (c *Cluster) advance(now time.Time) {
	c.now = now
	for _, n := range c.nodes {
		if n.outlier.back(now) && !n.gone && n.health == healthy {
			c.join(n)
		}
		if n.warming.on && n.warming.since.IsZero() {
			n.warming.since = now
		}
		if n.warming.ramp(now) == 1 {
			n.warming.on = false
		}
	}
	c.choose()
}

// schedule notes when time will next change something.
func (c *Cluster) schedule() {
	c.waiting = false
	soon := func(t time.Time) {
		if !c.waiting || t.Before(c.due) {
			c.waiting, c.due = true, t
		}
	}
	for _, n := range c.nodes {
		if n.outlier.ejected {
			soon(n.outlier.until)
		}
		if n.warming.on {
			if n.warming.since.IsZero() {
				soon(c.now) // with the next request
			} else {
				soon(c.now.Add(slowStartStep))
			}
		}
	}
}
