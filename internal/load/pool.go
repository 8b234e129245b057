package load

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// errCap says that all of a worker's sockets are in use.
var errCap = errors.New("no socket is left")

// pool owns every connection of one worker.
type pool struct {
	endpoints []bench.Endpoint
	requests  [][]byte // the same request to each endpoint: only Host differs
	dialer    func(ctx context.Context, addr string) (net.Conn, error)

	mu      sync.Mutex
	idle    [][]*conn // by endpoint, the last used first
	open    map[*conn]struct{}
	dialing int
	aborted bool
}

// conn is a connection with at most one request in flight.
type conn struct {
	net.Conn
	endpoint int
	read     *bufio.Reader
	node     []byte    // X-Fairlead-Node of the last answer
	since    time.Time // idle since
}

func newPool(a bench.Aim, dial func(context.Context, string) (net.Conn, error)) *pool {
	p := &pool{endpoints: a.Endpoints, dialer: dial, idle: make([][]*conn, len(a.Endpoints)), open: map[*conn]struct{}{}}
	for _, e := range a.Endpoints {
		p.requests = append(p.requests, request(a.Path, e.Addr))
	}
	return p
}

func request(path, host string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: fairlead\r\nAccept: */*\r\n\r\n")
}

// plainPath refuses what would end the request line early.
func plainPath(path string) bool {
	return strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// dial opens a connection to an endpoint, within the worker's sockets.
func (p *pool) dial(ctx context.Context, endpoint int) (*conn, error) {
	p.mu.Lock()
	if p.aborted {
		p.mu.Unlock()
		return nil, net.ErrClosed
	}
	if len(p.open)+p.dialing >= MaxSockets {
		p.mu.Unlock()
		return nil, errCap
	}
	p.dialing++
	p.mu.Unlock()

	nc, err := p.dialer(ctx, p.endpoints[endpoint].Addr)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialing--
	if err != nil {
		return nil, err
	}
	if p.aborted {
		nc.Close()
		return nil, net.ErrClosed
	}
	c := &conn{Conn: nc, endpoint: endpoint, read: bufio.NewReaderSize(nc, 4096), since: time.Now()}
	p.open[c] = struct{}{}
	return c, nil
}

// take gives an idle connection that its server has not closed, or nil.
func (p *pool) take(endpoint int, now time.Time) *conn {
	for {
		p.mu.Lock()
		n := len(p.idle[endpoint])
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		c := p.idle[endpoint][n-1]
		p.idle[endpoint] = p.idle[endpoint][:n-1]
		p.mu.Unlock()
		if now.Sub(c.since) < idleTrust || c.alive() {
			return c
		}
		p.drop(c)
	}
}

// put gives a connection back for the next request.
func (p *pool) put(c *conn, now time.Time) {
	c.since = now
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle[c.endpoint] = append(p.idle[c.endpoint], c)
}

// drop closes a connection for good.
func (p *pool) drop(c *conn) {
	p.mu.Lock()
	delete(p.open, c)
	p.mu.Unlock()
	c.Close()
}

// abort closes everything, and whatever is opened later.
func (p *pool) abort() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.aborted = true
	for c := range p.open {
		c.Close()
	}
}

// stopped tells that abort was called: failures after it are our own doing.
func (p *pool) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.aborted
}

// idleTrust is how long an idle connection is believed to be open unseen.
const idleTrust = 250 * time.Millisecond

// alive looks whether the server has closed an idle connection. Such an end is
// keep-alive's ordinary course and no failure of the request that was to come;
// a connection that ends after the request was written is one.
func (c *conn) alive() bool {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	open := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		open = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && open
}
