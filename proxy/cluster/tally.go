package cluster

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// longest is the highest latency that is told apart; anything slower counts
// as this. It is far beyond every timeout of the proxy.
const longest = 10 * time.Minute

// latencies gives an empty histogram of microseconds.
func latencies(digits int) *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longest.Microseconds(), digits)
}

// record adds a latency, held within what the histogram can hold.
func record(h *hdrhistogram.Histogram, d time.Duration) {
	us := min(max(1, d.Microseconds()), longest.Microseconds())
	if err := h.RecordValue(us); err != nil {
		panic(err) // us is within the bounds that h was made with
	}
}

// tally is how one node has done: since the last Reset, and ever.
type tally struct {
	requests, errors int64
	latency          *hdrhistogram.Histogram // of successes and failures
	ever             struct{ requests, errors int64 }
}

func newTally() tally { return tally{latency: latencies(3)} }

func (t *tally) add(d time.Duration, r strategy.Result) {
	t.requests++
	t.ever.requests++
	if r == strategy.Failure {
		t.errors++
		t.ever.errors++
	}
	if r != strategy.Abandoned {
		record(t.latency, d)
	}
}

func (t *tally) reset() {
	t.requests, t.errors = 0, 0
	t.latency.Reset()
}

// NodeStats is one node in GET /stats of the admin endpoint, since the last reset.
type NodeStats struct {
	ID        string    `json:"id"`
	Addr      string    `json:"addr"`
	Healthy   bool      `json:"healthy"`
	Gone      bool      `json:"gone,omitempty"`      // discovery does not find it any more
	Ejected   bool      `json:"ejected,omitempty"`   // for its failures, for a while
	Ejections int64     `json:"ejections,omitempty"` // since the proxy has known the node
	Ramp      float64   `json:"ramp,omitempty"`      // in slow start: the share of its usual traffic that it gets
	InFlight  int       `json:"inFlight"`
	Requests  int64     `json:"requests"` // ended; a retried request counts on each node that it went to
	Errors    int64     `json:"errors"`   // of these: 5xx, 429, connection errors, timeouts
	LatencyMs Latencies `json:"latencyMs"`

	// EverRequests and EverErrors count since the proxy has known the node.
	EverRequests int64 `json:"-"`
	EverErrors   int64 `json:"-"`
}

// Latencies sums up a distribution, in milliseconds.
type Latencies struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

func summarize(h *hdrhistogram.Histogram) Latencies {
	ms := func(us int64) float64 { return float64(us) / 1e3 }
	return Latencies{
		Mean: h.Mean() / 1e3,
		P50:  ms(h.ValueAtQuantile(50)), P90: ms(h.ValueAtQuantile(90)), P99: ms(h.ValueAtQuantile(99)),
		Max: ms(h.Max()),
	}
}

// Nodes gives the figures of every node, present and gone, in the order of
// their ids.
func (c *Cluster) Nodes() []NodeStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([]NodeStats, len(c.nodes))
	for i, n := range c.nodes {
		all[i] = NodeStats{
			ID: n.ID, Addr: n.Addr, Healthy: n.health == healthy, Gone: n.gone, InFlight: n.inFlight,
			Ejected: n.outlier.ejected, Ejections: n.outlier.ever,
			Requests: n.tally.requests, Errors: n.tally.errors, LatencyMs: summarize(n.tally.latency),
			EverRequests: n.tally.ever.requests, EverErrors: n.tally.ever.errors,
		}
		if ramp := n.warming.ramp(c.now); ramp < 1 {
			all[i].Ramp = ramp
		}
	}
	return all
}

// Reset sets the figures of every node to zero and forgets the nodes that are
// gone. What counts since the start of the proxy goes on.
func (c *Cluster) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.nodes {
		n.tally.reset()
	}
	c.herding.reset()
	c.dropGone(0)
}
