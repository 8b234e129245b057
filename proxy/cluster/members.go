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
			n.health = unknown // back again, it proves itself again
		}
	}
	for _, m := range members {
		if !slices.ContainsFunc(c.nodes, func(n *Node) bool { return n.Member == m }) {
			c.nodes = append(c.nodes, &Node{Member: m, slot: -1, tally: newTally()})
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
		n.health = healthy
	case n.health == healthy:
		n.health = unhealthy
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

// choose decides which nodes may be used: the healthy ones. When there is
// none, those that were healthy once: a cluster so overloaded that all its
// probes fail is still better used than not (as a load balancer of AWS fails
// open), and a node that was never ready is not.
func (c *Cluster) choose() {
	want := healthy
	if !slices.ContainsFunc(c.nodes, func(n *Node) bool { return n.health == healthy && !n.gone }) {
		want = unhealthy
	}
	c.usable, c.view = c.usable[:0], c.view[:0]
	for _, n := range c.nodes {
		n.slot = -1
		if n.gone || n.health != want {
			continue
		}
		n.slot = len(c.usable)
		c.usable = append(c.usable, n)
		c.view = append(c.view, strategy.Node{ID: n.ID, Weight: 1, InFlight: n.inFlight, Probed: n.probed})
	}
}

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
