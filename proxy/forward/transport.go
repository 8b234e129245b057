package forward

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Limits bound what the data plane takes and waits for.
type Limits struct {
	ConnsPerNode int           // open connections to a node; further requests wait for one
	DialsPerNode int           // connections being opened to a node at once
	Connect      time.Duration // to open a connection
	Answer       time.Duration // from the sent request to the head of the answer
	Idle         time.Duration // until an unused connection to a node is closed
}

// DefaultLimits lets 1,000 requests at once go to a single node. Idle is
// shorter than the backend's own limit, so that the proxy is the one who
// closes: a request sent on a connection that the node is closing is lost.
func DefaultLimits() Limits {
	return Limits{
		ConnsPerNode: 1024,
		DialsPerNode: 64,
		Connect:      3 * time.Second,
		Answer:       30 * time.Second,
		Idle:         60 * time.Second,
	}
}

// newTransport gives the connections to all nodes. MaxConnsPerHost makes
// net/http queue a request for the first connection that becomes free, and
// every connection is kept when it does: a burst opens connections once, not
// once per request.
func newTransport(l Limits) *http.Transport {
	d := &dialer{
		dialer: net.Dialer{Timeout: l.Connect, KeepAlive: 15 * time.Second},
		most:   l.DialsPerNode,
		turns:  make(map[string]chan struct{}),
	}
	return &http.Transport{
		Proxy:                 nil, // the environment has no say in where nodes are
		DialContext:           d.dial,
		MaxConnsPerHost:       l.ConnsPerNode,
		MaxIdleConnsPerHost:   l.ConnsPerNode,
		MaxIdleConns:          0, // no further limit over all nodes
		IdleConnTimeout:       l.Idle,
		ResponseHeaderTimeout: l.Answer,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // bodies pass as they are
	}
}

// dialer opens at most so many connections to an address at once, so that a
// burst does not overflow the node's accept queue: what overflows it is
// retried by TCP after a second, which would be measured as the node's latency.
type dialer struct {
	dialer net.Dialer
	most   int

	mu    sync.Mutex
	turns map[string]chan struct{} // by address; few, and as long-lived as nodes
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	turn := d.turn(addr)
	select {
	case turn <- struct{}{}:
	case <-ctx.Done():
		return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
	}
	defer func() { <-turn }()
	return d.dialer.DialContext(ctx, network, addr)
}

func (d *dialer) turn(addr string) chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.turns[addr]
	if t == nil {
		t = make(chan struct{}, d.most)
		d.turns[addr] = t
	}
	return t
}

// bufferSize is what ReverseProxy copies bodies with.
const bufferSize = 32 << 10

// buffers lends them. It keeps pointers to arrays, which a sync.Pool holds
// without allocating.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([bufferSize]byte) }}}
}

func (b *buffers) Get() []byte  { return b.pool.Get().(*[bufferSize]byte)[:] }
func (b *buffers) Put(p []byte) { b.pool.Put((*[bufferSize]byte)(p)) }
