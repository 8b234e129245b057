package cluster

import (
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// keepGone is how many departed nodes a cluster remembers the figures of.
const keepGone = 64

// Sync makes members the cluster's nodes. A new one is used from its first
// passed probe on. One that is missing gets no new request; what it has in
// flight goes on, and its figures stay until Reset.
func (c *Cluster) Sync(members []Member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		n.gone = !slices.Contains(members, n.Member)
		if n.gone {
			// Back again, it proves itself again.
			n.health, n.warming = unknown, warming{}
			n.outlier = outlier{ever: n.outlier.ever}
		}
	}
	for _, m := range members {
		if !slices.ContainsFunc(c.nodes, func(n *Node) bool { return n.Member == m }) {
			c.nodes = append(c.nodes, &Node{Member: m, weight: 1, slot: -1, tally: newTally()})
		}
	}
	slices.SortStableFunc(c.nodes, func(a, b *Node) int { return strings.Compare(a.ID, b.ID) })
	c.dropGone(keepGone)
	c.choose()
}

func (c *Cluster) dropGone(keep int) {
	excess := len(c.nodes) - c.present() - keep
	c.nodes = slices.DeleteFunc(c.nodes, func(n *Node) bool {
		drop := n.gone && n.inFlight == 0 && excess > 0
		if drop {
			excess--
		}
		return drop
	})
}

// SetHealth tells whether a node is healthy. A node that is not known is
// ignored: it has left while it was being probed.
func (c *Cluster) SetHealth(m Member, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.find(m)
	switch {
	case n == nil:
		return
	case ok:
		if n.health != healthy {
			c.join(n)
		}
		n.health = healthy
	case n.health == healthy:
		n.health, n.warming = unhealthy, warming{}
	}
	c.choose()
}

// SetProbed tells how long the last passed probe of a node took.
func (c *Cluster) SetProbed(m Member, latency time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.find(m)
	if n == nil {
		return
	}
	n.probed = latency
	if n.slot >= 0 {
		c.view[n.slot].Probed = latency
	}
}

func (c *Cluster) find(m Member) *Node {
	for _, n := range c.nodes {
		if n.Member == m && !n.gone {
			return n
		}
	}
	return nil
}

// SetWeight tells what a node can do compared with others, such as its number
// of processors. It is above 0.
func (c *Cluster) SetWeight(m Member, weight float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.find(m); n != nil && weight > 0 {
		n.weight = weight
		c.choose()
	}
}

// choose decides which nodes may be used: those that are healthy and not
// ejected. When they are less than half of those that were healthy once, all
// of these are used, whatever is known against them: the few left would be
// the next to fall, and a cluster so overloaded that its probes fail is still
// better used than not. (Envoy calls this panic; a load balancer of AWS fails
// open when no target is healthy.) A node that was never ready is never used.
func (c *Cluster) choose() {
	good, known := 0, 0
	for _, n := range c.nodes {
		if n.gone || n.health == unknown {
			continue
		}
		known++
		if n.good() {
			good++
		}
	}
	c.panics = 2*good < known
	c.usable, c.view = c.usable[:0], c.view[:0]
	for _, n := range c.nodes {
		n.slot = -1
		if n.gone || n.health == unknown || !n.good() && !c.panics {
			continue
		}
		n.slot = len(c.usable)
		c.usable = append(c.usable, n)
		v := strategy.Node{ID: n.ID, Weight: n.weight, InFlight: n.inFlight, Probed: n.probed}
		if ramp := n.warming.ramp(c.now); ramp < 1 && !c.panics { // in a panic there is no time to warm up
			v.Weight, v.Ramp = n.weight*ramp, ramp
		}
		c.view = append(c.view, v)
	}
	c.schedule()
}

func (n *Node) good() bool { return n.health == healthy && !n.outlier.ejected }

// Healthy counts the healthy nodes, Present all that discovery knows.
func (c *Cluster) Healthy() (healthyNodes, present int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		if n.health == healthy && !n.gone {
			healthyNodes++
		}
	}
	return healthyNodes, c.present()
}
