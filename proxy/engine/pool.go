package engine

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/proxy/refusal"
)

// pool is the connections to one node. The last one used is used first: few
// stay warm, and the others grow old and are closed. It bounds how many there
// are, which bounds the node's requests in flight, how many are being opened,
// and how many requests wait for one.
//
// Opening few at once keeps a burst from overflowing the node's accept queue:
// what overflows it is retried by TCP after a second, which would be measured
// as the node's latency.
type pool struct {
	addr   string
	dialer *net.Dialer
	limits *Limits
	clock  clock

	mu      sync.Mutex
	ended   bool
	idle    []*conn // the last one is the one used last
	open    int     // idle, in use or being opened
	dialing int
	queue   []*turn // the first one came first
	used    int64   // when it was last asked
}

// turn is a request's place in the queue. It is given a connection, or nil,
// which is the right to open one.
type turn struct{ c chan *conn }

func newPool(addr string, l *Limits, c clock) *pool {
	return &pool{addr: addr, dialer: &net.Dialer{Timeout: l.Connect, KeepAlive: 15 * time.Second}, limits: l, clock: c}
}

// get gives a connection that nobody else uses, until put or discard. fresh
// asks for one that was just opened. The error is *refusal.BusyError or that of the dial.
func (p *pool) get(ctx context.Context, now int64, fresh bool) (*conn, error) {
	p.mu.Lock()
	p.used = now
	if last := len(p.idle) - 1; last >= 0 && !fresh {
		c := p.idle[last]
		p.idle[last], p.idle = nil, p.idle[:last]
		p.mu.Unlock()
		return c, nil
	}
	if !p.mayDial() {
		if len(p.queue) >= p.limits.QueuePerNode {
			p.mu.Unlock()
			return nil, &refusal.BusyError{}
		}
		t := &turn{make(chan *conn, 1)}
		p.queue = append(p.queue, t)
		p.mu.Unlock()
		c, err := p.wait(ctx, t)
		if c != nil || err != nil {
			return c, err
		}
		return p.dial(ctx)
	}
	p.begin()
	p.mu.Unlock()
	return p.dial(ctx)
}

func (p *pool) mayDial() bool {
	return p.open < p.limits.ConnsPerNode && p.dialing < p.limits.DialsPerNode
}

func (p *pool) begin() { p.open++; p.dialing++ }

func (p *pool) wait(ctx context.Context, t *turn) (*conn, error) {
	timer := time.NewTimer(p.limits.Queue)
	defer timer.Stop()
	var err error
	select {
	case c := <-t.c:
		return c, nil
	case <-timer.C:
		err = &refusal.BusyError{}
	case <-ctx.Done():
		err = &refusal.BusyError{}
	}
	p.mu.Lock()
	i := slices.Index(p.queue, t)
	if i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	}
	p.mu.Unlock()
	if i < 0 {
		return <-t.c, nil // its turn came in the meantime
	}
	return nil, err
}

// dial opens a connection, after begin.
func (p *pool) dial(ctx context.Context) (*conn, error) {
	tcp, err := p.dialer.DialContext(ctx, "tcp", p.addr)
	var c *conn
	if err == nil {
		c, err = newConn(p, tcp.(*net.TCPConn))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing--
	if err != nil {
		p.open--
	}
	p.admit()
	return c, err
}

// admit lets those who wait open connections, as far as the limits allow.
func (p *pool) admit() {
	for len(p.queue) > 0 && p.mayDial() {
		p.begin()
		p.next().c <- nil
	}
}

func (p *pool) next() *turn {
	t := p.queue[0]
	p.queue[0], p.queue = nil, p.queue[1:]
	return t
}

// put gives back a connection that can be used again.
func (p *pool) put(c *conn, now int64) {
	c.since, c.used = now, true
	p.mu.Lock()
	switch {
	case p.ended:
		p.open--
		p.mu.Unlock()
		_ = c.tcp.Close() // nothing more is wanted of it
		return
	case len(p.queue) > 0:
		p.next().c <- c
	default:
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
}

// discard closes a connection that cannot.
func (p *pool) discard(c *conn) {
	_ = c.tcp.Close() // nothing more is wanted of it
	p.mu.Lock()
	p.open--
	p.admit()
	p.mu.Unlock()
}

// flush closes all that are idle: one of them was found dead, and they have
// all been to the same node.
func (p *pool) flush() { p.sweep(func(*conn) bool { return true }) }

// tidy closes connections that have been idle for too long, and those that
// the node has closed.
func (p *pool) tidy(now int64) {
	const settled = int64(time.Second) // most are used again before, and nobody need look
	p.sweep(func(c *conn) bool {
		age := now - c.since
		return age > int64(p.limits.Node) || age > settled && c.look() != silent
	})
}

func (p *pool) sweep(old func(*conn) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(c *conn) bool {
		if !old(c) {
			return false
		}
		p.open--
		_ = c.tcp.Close() // nothing more is wanted of it
		return true
	})
	p.admit()
}

// unused tells that nothing has been asked of it since, and nothing is open.
func (p *pool) unused(since int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open == 0 && len(p.queue) == 0 && p.used < since
}

// end closes the idle connections now, and the others when they come back.
func (p *pool) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.flush()
}
