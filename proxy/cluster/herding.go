package cluster

import "time"

const (
	// herdingWindow is how long requests are counted to see whether they
	// herd: short enough that a node which gets them all is not yet relieved
	// by what the balancer learns of it.
	herdingWindow = 100 * time.Millisecond

	// herdingLeast is how many requests a window must have for each node.
	// With fewer, chance alone makes a large share.
	herdingLeast = 5
)

// Herding tells how unevenly requests are spread within short times: of each
// window of 100 ms with at least 5 requests for each node that may be used,
// the largest share that one node got.
type Herding struct {
	Windows int     `json:"windows"`
	Mean    float64 `json:"mean"`  // of the largest shares
	Worst   float64 `json:"worst"` // of them; 1: some node got everything for 100 ms
	Even    float64 `json:"even"`  // what Mean were if each node got the same
}

// herding counts the requests of one window on the nodes (Node.window).
type herding struct {
	end          time.Time
	total        int
	since, ever  herdingSum
	worst, evens float64 // since the last Reset
}

type herdingSum struct {
	windows int
	shares  float64
}

// note counts a choice.
func (c *Cluster) note(now time.Time, n *Node) {
	h := &c.herding
	if !now.Before(h.end) {
		c.closeWindow()
		h.end = now.Add(herdingWindow)
	}
	h.total++
	n.window++
}

func (c *Cluster) closeWindow() {
	h := &c.herding
	most := 0
	for _, n := range c.nodes {
		most = max(most, n.window)
		n.window = 0
	}
	total := h.total
	h.total = 0
	if total == 0 || total < herdingLeast*len(c.usable) {
		return
	}
	share := float64(most) / float64(total)
	h.since.windows++
	h.since.shares += share
	h.ever.windows++
	h.ever.shares += share
	h.worst = max(h.worst, share)
	h.evens += 1 / float64(max(1, len(c.usable)))
}

// Herding gives the figures since the last Reset, of windows that have ended.
func (c *Cluster) Herding() Herding {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.herding
	if h.since.windows == 0 {
		return Herding{}
	}
	k := float64(h.since.windows)
	return Herding{h.since.windows, h.since.shares / k, h.worst, h.evens / k}
}

// HerdingTotals gives the number of windows and the sum of their largest
// shares since the start. They never go down.
func (c *Cluster) HerdingTotals() (windows uint64, shares float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(c.herding.ever.windows), c.herding.ever.shares
}

func (h *herding) reset() {
	h.since, h.worst, h.evens = herdingSum{}, 0, 0
}
