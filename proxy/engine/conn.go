package engine

import "net"

// conn is a connection to a node. One session at a time uses it.
type conn struct {
	socket
	pool  *pool
	since int64 // when it became idle
	used  bool  // it has carried an answer before

	// step is c.turn, made once: a method value of each exchange would be an
	// allocation of each exchange. The rest are its arguments and results.
	step func(fd uintptr) bool
	out  []byte
	into *buffer
	lend *lender
	sent bool
	err  error
}

func newConn(p *pool, tcp *net.TCPConn) (*conn, error) {
	s, err := newSocket(tcp)
	if err != nil {
		_ = tcp.Close()
		return nil, err
	}
	c := &conn{socket: s, pool: p}
	c.step = c.turn
	return c, nil
}

// converse sends out, unless it is nil, and waits for the first bytes of what comes back. It
// gives them in a buffer of lend's, borrowed when they are there and not
// while they are awaited; nil if there are none.
//
// With something to send, the wait begins before the request is written, so that the answer's arrival
// cannot be missed, and so no read is needed to find that there is none yet.
func (c *conn) converse(out []byte, lend *lender) (*buffer, error) {
	c.out, c.lend, c.sent, c.err = out, lend, out == nil, nil
	err := c.raw.Read(c.step)
	into := c.into
	c.out, c.into = nil, nil
	if c.err != nil {
		err = c.err
	}
	return into, err
}

func (c *conn) turn(uintptr) bool {
	if !c.sent {
		c.sent = true
		c.err = c.write(c.out)
		return c.err != nil
	}
	if c.into == nil {
		c.into = c.lend.get()
	}
	n, again, err := c.read(c.into.room(1))
	if again {
		c.lend.put(c.into)
		c.into = nil
		return false
	}
	c.into.b = c.into.b[:len(c.into.b)+n]
	c.err = err
	return true
}
