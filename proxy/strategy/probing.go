package strategy

import "time"

// Probing is a strategy that asks nodes for their load, as Prequal does. Its
// owner sends the probes, in the real world or in a simulated one, and tells
// the answers; a probe without an answer is not told.
type Probing interface {
	Strategy

	// Probe gives the indexes in nodes to ask now because of one request,
	// none of them twice. It is called once for each request, beside Pick and
	// with the same nodes. The answers serve later requests. What it gives is
	// valid until the next call.
	Probe(now time.Time, nodes []Node) []int

	// Probed takes in an answer. The node may have left in the meantime.
	Probed(now time.Time, p Probe)
}

// Probe is a node's answer to the question for its load.
type Probe struct {
	Node     string        // its ID
	InFlight int           // requests that the node is working on, of all its clients
	Latency  time.Duration // that it expects of a request which comes now; 0: it cannot say
}

// Load is what a node says of itself along with an answer to a request. The
// zero value says nothing.
type Load struct {
	InFlight int           // requests that the node is working on, of all its clients, without the one answered
	Latency  time.Duration // as in Probe
}
