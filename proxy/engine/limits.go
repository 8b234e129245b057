package engine

import (
	"time"

	"github.com/fairlead/fairlead/proxy/http1"
)

// Limits bound what the data plane takes, holds and waits for. Times are kept
// by a watch that looks every tick (see newWatch): they end up to one tick late.
type Limits struct {
	HTTP http1.Limits // of heads, chunks and trailers, from either side
	Body int64        // bytes of a request's body; 0: no limit

	Clients      int // connections of clients
	ConnsPerNode int // open connections to a node, which is its requests in flight; further ones wait for one
	DialsPerNode int // connections being opened to a node at once
	QueuePerNode int // requests waiting for a connection to a node; further ones are refused

	Head    time.Duration // for a client to send a request's head, from its first byte
	Client  time.Duration // until an unused connection of a client is closed
	Stall   time.Duration // without a byte of a body passing, either way
	Queue   time.Duration // in the queue of a node
	Connect time.Duration // to open a connection to a node
	Answer  time.Duration // from the sent request to the head of the answer; each try anew
	Total   time.Duration // from the head of a request to the head of its answer, all tries; 0: no limit
	Node    time.Duration // until an unused connection to a node is closed

	// Leave is how long a client that has closed its side is still worked for:
	// whether it has gone or only has nothing more to say cannot be known.
	Leave time.Duration
	// Continue is how long a node may think about Expect: 100-continue before
	// the client is told to send the body anyway (RFC 9110, section 10.1.1).
	Continue time.Duration
	// Quiet is how long, while draining, a connection without a request is kept
	// open for a request that may be on its way.
	Quiet time.Duration
}

// DefaultLimits lets 1,000 requests at once go to a single node. Node is
// shorter than the backend's own limit, so that the proxy is the one who
// closes: a request sent on a connection that the node is closing is lost.
func DefaultLimits() Limits {
	return Limits{
		HTTP:         http1.DefaultLimits(),
		Clients:      60_000,
		ConnsPerNode: 1024,
		DialsPerNode: 64,
		QueuePerNode: 4096,
		Head:         10 * time.Second,
		Client:       2 * time.Minute,
		Stall:        time.Minute,
		Queue:        10 * time.Second,
		Connect:      3 * time.Second,
		Answer:       30 * time.Second,
		Node:         60 * time.Second,
		Leave:        500 * time.Millisecond,
		Continue:     time.Second,
		Quiet:        500 * time.Millisecond,
	}
}
