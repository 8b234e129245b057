package cluster

import (
	"math"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// MostTraced is how many picks one trace may hold.
const MostTraced = 1000

// Trace asks for the next picks to be recorded.
type Trace struct {
	Picks int `json:"picks"` // how many, up to MostTraced; 0 ends a trace
	Every int `json:"every"` // only each such one; 0 is 1
}

// Pick is one choice of a node: what there was to choose from, how the
// strategy saw it, and what it took.
type Pick struct {
	At       time.Time   `json:"at"`
	Strategy string      `json:"strategy"`
	Chosen   string      `json:"chosen"` // id
	Why      string      `json:"why,omitempty"`
	Tries    int         `json:"tries,omitempty"` // nodes that the request has been to already
	Panic    bool        `json:"panic,omitempty"` // so few nodes are healthy that all are used
	Nodes    []Candidate `json:"nodes"`
}

// Candidate is a node that could have been chosen.
type Candidate struct {
	ID       string   `json:"id"`
	InFlight int      `json:"inFlight"`
	Weight   float64  `json:"weight"`
	Score    *float64 `json:"score,omitempty"` // lower is better; none: the strategy has no score for it
	ProbedMs float64  `json:"probedMs,omitempty"`
}

// trace is under way while Cluster.trace is not nil.
type trace struct {
	Trace
	skip  int // until the next recorded one
	picks []Pick
}

// StartTrace begins to record picks, and drops what an earlier trace has
// recorded. It ends by itself when it is full, and costs nothing from then on.
func (c *Cluster) StartTrace(t Trace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Picks, t.Every = min(t.Picks, MostTraced), max(1, t.Every)
	c.trace, c.traced = nil, nil
	if t.Picks > 0 {
		c.trace = &trace{Trace: t}
	}
}

// Traced gives the picks recorded so far, the oldest first, and whether more
// are to come.
func (c *Cluster) Traced() (picks []Pick, running bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.trace != nil {
		return append([]Pick(nil), c.trace.picks...), true
	}
	return c.traced, false
}

// explain records how the nodes stand before a pick; the caller sets Chosen.
// nil: this pick is not recorded.
func (c *Cluster) explain(now time.Time, view []strategy.Node, tries int) *Pick {
	t := c.trace
	if t.skip > 0 {
		t.skip--
		return nil
	}
	t.skip = t.Every - 1
	p := Pick{At: now, Strategy: c.rule, Tries: tries, Panic: c.panics, Nodes: make([]Candidate, len(view))}
	var scores []float64
	if e, ok := c.strategy.(strategy.Explaining); ok {
		scores, p.Why = e.Explain(now, view, nil)
	}
	for i, n := range view {
		p.Nodes[i] = Candidate{ID: n.ID, InFlight: n.InFlight, Weight: n.Weight, ProbedMs: float64(n.Probed.Microseconds()) / 1e3}
		if i < len(scores) && !math.IsInf(scores[i], 0) && !math.IsNaN(scores[i]) {
			p.Nodes[i].Score = &scores[i]
		}
	}
	t.picks = append(t.picks, p)
	if len(t.picks) == t.Picks {
		c.traced, c.trace = t.picks, nil
	}
	return &t.picks[len(t.picks)-1]
}
