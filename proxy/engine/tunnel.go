package engine

import (
	"io"
	"net"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// switchTo passes a 101 on and makes the two connections a tunnel. The request
// ends with it: how long a tunnel lives says nothing about the node's speed.
func (s *session) switchTo(n *cluster.Node, c *conn, rest []byte, t trial) trial {
	e, w := s.e, s.work
	if !w.upgrade {
		s.alarm.set(busy, 0)
		s.drop(c)
		t.err = errUnasked
		return t
	}
	w.back = http1.Back{Name: via, Minor: 1}
	w.out.b = append(http1.AppendResponse(w.out.b[:0], &w.res, &w.back), rest...)
	t.result = strategy.Success
	if w.logged != nil {
		w.logged.status = w.res.Status
	}
	e.release(w.route, n, e.clock.now(), t)
	if err := s.write(w.out.b); err != nil {
		s.drop(c)
	} else {
		w.tunnel = c
	}
	return trial{}
}

// tunnel passes bytes both ways until both sides have ended. A side that ends
// its sending has it ended on the other side as well, and may go on receiving.
func (s *session) tunnel(c *conn) {
	s.e.tunnels.Add(1)
	defer s.e.tunnels.Add(-1)
	defer func() { s.conn.Store(nil); c.pool.discard(c) }()
	if _, err := c.tcp.Write(s.work.in.b); err != nil {
		return
	}
	s.rest()
	s.wait(tunnel, never)
	done := make(chan struct{})
	go func() {
		defer close(done)
		stream(c.tcp, s.tcp)
	}()
	stream(s.tcp, c.tcp)
	<-done
}

// stream copies until src ends its sending, and ends dst's. Any error ends both.
func stream(dst, src *net.TCPConn) {
	_, err := io.Copy(dst, src) // through the kernel, without a copy in here
	if err == nil {
		err = dst.CloseWrite()
	}
	if err != nil {
		_ = dst.Close()
		_ = src.Close()
	}
}
