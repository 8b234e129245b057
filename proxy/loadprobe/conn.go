package loadprobe

import (
	"context"
	"net"
	"time"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/strategy"
)

const (
	// largestAnswer to a probe that is read; a node's has some 150 bytes.
	largestAnswer = 4 << 10

	loadField = "x-fairlead-load" // cluster.LoadHeader as http1.Lookup wants it
)

// conn is a kept connection to one node. It belongs to one goroutine.
type conn struct {
	addr    string
	timeout time.Duration
	dialer  net.Dialer
	limits  http1.Limits
	request []byte

	open     net.Conn // nil: not connected
	buffer   []byte
	response http1.Response
}

func newConn(addr string, timeout time.Duration) *conn {
	return &conn{
		addr: addr, timeout: timeout, limits: http1.DefaultLimits(),
		request: []byte("GET /load HTTP/1.1\r\nHost: " + addr + "\r\n\r\n"),
		buffer:  make([]byte, largestAnswer),
	}
}

func (c *conn) close() {
	if c.open != nil {
		_ = c.open.Close() // nothing is lost with it
		c.open = nil
	}
}

// ask sends one probe. A connection that has gone stale since the last one is
// replaced once.
func (c *conn) ask(ctx context.Context) (l strategy.Load, ok bool) {
	fresh := c.open == nil
	if l, ok = c.try(ctx); !ok && !fresh && c.open == nil && ctx.Err() == nil {
		l, ok = c.try(ctx)
	}
	return l, ok
}

func (c *conn) try(ctx context.Context) (l strategy.Load, ok bool) {
	if c.open == nil {
		limit, cancel := context.WithTimeout(ctx, c.timeout)
		defer cancel()
		open, err := c.dialer.DialContext(limit, "tcp", c.addr)
		if err != nil {
			return l, false
		}
		c.open = open
	}
	open := c.open
	if err := open.SetDeadline(time.Now().Add(c.timeout)); err != nil {
		c.close()
		return l, false
	}
	// The end of ctx breaks off what is being written or read.
	stop := context.AfterFunc(ctx, func() { _ = open.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := open.Write(c.request); err != nil || !c.read() {
		c.close()
		return l, false
	}
	l, ok = cluster.ParseLoad(http1.Lookup(c.response.Fields, loadField))
	if !c.response.KeepAlive {
		c.close()
	}
	return l, ok
}

// read reads one answer, with its body if it has one, into the buffer.
func (c *conn) read() bool {
	c.response.Reset()
	have := 0
	for {
		k, err := c.open.Read(c.buffer[have:])
		if err != nil {
			return false
		}
		have += k
		n, err := c.response.Parse(c.buffer[:have], &c.limits, []byte("GET"))
		if err != nil {
			return false
		}
		if n > 0 {
			return c.skipBody(have - n)
		}
		if have == len(c.buffer) {
			return false
		}
	}
}

// skipBody reads the body, of which so many bytes are there already. What is
// not of a known and small length ends the connection; the head counts.
func (c *conn) skipBody(have int) bool {
	left := -have
	switch b := c.response.Body; {
	case b.Kind == http1.NoBody:
	case b.Kind == http1.Length && b.Length <= largestAnswer:
		left += int(b.Length)
	default:
		c.response.KeepAlive = false
		return true
	}
	if left < 0 {
		return false // more than was asked for
	}
	var rest [256]byte
	for left > 0 {
		k, err := c.open.Read(rest[:min(left, len(rest))])
		if err != nil {
			return false
		}
		left -= k
	}
	return true
}
