package engine

import (
	"cmp"
	"errors"
	"io"
	"net/http"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// loadField is cluster.LoadHeader as http1.Lookup wants it.
const loadField = "x-fairlead-load"

// isFailure tells which answers count against a node, and as errors.
func isFailure(status int) bool {
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
}

// errUnasked is a node's 101 to a request that has not asked for it.
var errUnasked = errors.New("the node has changed the protocol without being asked")

// relay passes the node's answer on. res holds its first bytes.
func (s *session) relay(n *cluster.Node, c *conn, res *buffer, t trial) trial {
	e, w := s.e, s.work
	defer e.answers.put(res)
	at := 0
	w.res.Reset()
	for {
		k, err := w.res.Parse(res.b[at:], &e.limits.HTTP, w.method)
		if err != nil {
			s.alarm.set(busy, 0)
			s.drop(c)
			t.err = err
			return t
		}
		if k == 0 {
			if err = s.more(c, res, &at); err != nil {
				why := s.alarm.set(busy, 0)
				err = cmp.Or(w.fault(), err)
				s.drop(c)
				return s.broken(t, why, err)
			}
			continue
		}
		at += k
		if w.res.Status >= 200 {
			break
		}
		if w.res.Status == http.StatusSwitchingProtocols {
			return s.switchTo(n, c, res.b[at:], t)
		}
		if err := s.interim(c); err != nil {
			s.drop(c)
			t.err, t.result, t.given = err, strategy.Abandoned, true
			return t
		}
		w.res.Reset()
	}
	return s.final(n, c, res, at, t)
}

// more reads more of what a node answers, behind what is not used yet.
func (s *session) more(c *conn, res *buffer, at *int) error {
	res.drop(*at)
	*at = 0
	m, err := c.tcp.Read(res.room(1))
	res.b = res.b[:len(res.b)+m]
	return err
}

// interim passes a 1xx answer on, to a client that knows them.
func (s *session) interim(c *conn) error {
	w := s.work
	_, _, until := s.alarm.get()
	if !s.old {
		w.back = http1.Back{Name: via, Minor: 1}
		if err := s.write(http1.AppendResponse(nil, &w.res, &w.back)); err != nil {
			return err
		}
	}
	if w.res.Status == http.StatusContinue && w.expecting {
		w.expecting = false
		s.wait(node, never)
		s.startUpload(c)
		return nil
	}
	s.awaitNode(c, until)
	return nil
}

// piece is from which size on a part of a body is written by itself, and not
// copied behind what is written before it.
const piece = 8 << 10

// final passes on the answer whose head has been parsed and ends at at.
func (s *session) final(n *cluster.Node, c *conn, res *buffer, at int, t trial) trial {
	e, w := s.e, s.work
	r := &w.res
	a := &w.answer
	keep := r.KeepAlive && !w.expecting
	a.start(r.Body, !s.old && (r.Body.Kind == http1.Chunked || r.Body.Kind == http1.UntilClose), 0)
	switch {
	case a.coded:
		r.Body.Kind = http1.Chunked
	case r.Body.Kind == http1.Chunked:
		r.Body.Kind = http1.UntilClose
	}
	if !w.uploaded() || e.draining.Load() || r.Body.Kind == http1.UntilClose {
		s.last = true
	}
	w.failed = isFailure(r.Status)
	if w.logged != nil {
		w.logged.status = r.Status
		defer func() { w.logged.bytes = a.passed }()
	}
	if load := http1.Lookup(r.Fields, loadField); load != nil {
		t.told, _ = cluster.ParseLoad(load)
	}
	w.back = http1.Back{Name: via, Minor: 1, Close: s.last}
	if s.old {
		w.back.Minor = 0
	}
	w.out.b = http1.AppendResponse(w.out.b[:0], r, &w.back)
	w.out.room(2 * overhead)
	if w.failed {
		t.result = strategy.Failure
	} else {
		t.result = strategy.Success
	}
	src := res.b[at:]
	for !a.done {
		var used int
		var err error
		if d := src; len(d) >= piece && !a.coded && a.from != http1.Chunked {
			if err = s.flush(); err == nil {
				d = a.direct(src)
				used = len(d)
				err = s.write(d)
			}
			if err != nil {
				return s.lost(c, t, err)
			}
		} else if w.out.b, used, err = a.feed(w.out.b, src, &e.limits.HTTP); err != nil {
			return s.brokeOff(c, t, err)
		}
		src = src[used:]
		if a.done {
			break
		}
		flushed := len(w.out.b) > 0
		if err := s.flush(); err != nil {
			return s.lost(c, t, err)
		}
		if len(src) > 0 && (used > 0 || flushed) {
			continue
		}
		at = len(res.b) - len(src)
		if s.alarm.set(node, e.coarse.Load()+int64(e.limits.Stall)) != none {
			s.last = true
		}
		err = s.more(c, res, &at)
		src = res.b
		if errors.Is(err, io.EOF) {
			w.out.b, err = a.closed(w.out.b)
		}
		if err != nil {
			return s.brokeOff(c, t, err)
		}
	}
	now := e.clock.now()
	if s.alarm.set(client, now+int64(e.limits.Stall)) != none || len(src) > 0 {
		keep = false
	}
	if !s.stopUpload(c) {
		keep = false
	}
	s.conn.Store(nil)
	if keep {
		c.pool.put(c, now)
	} else {
		c.pool.discard(c)
	}
	e.release(w.route, n, now, t)
	if len(w.out.b) > 0 {
		if err := s.socket.write(w.out.b); err != nil {
			s.last = true
		}
	}
	return trial{}
}

// flush writes what has been gathered for the client.
func (s *session) flush() error {
	out := s.work.out
	if len(out.b) == 0 {
		return nil
	}
	err := s.write(out.b)
	out.b = out.b[:0]
	return err
}

// lost ends an answer that the client does not take any more.
func (s *session) lost(c *conn, t trial, err error) trial {
	s.alarm.set(busy, 0)
	s.drop(c)
	s.work.failed = false // by nobody's fault
	t.err, t.result, t.given = err, strategy.Abandoned, true
	return t
}

// brokeOff ends an answer that the node has not finished. The client must not
// take what it has for all of it.
func (s *session) brokeOff(c *conn, t trial, err error) trial {
	why := s.alarm.set(busy, 0)
	s.drop(c)
	s.last = true
	t.err, t.result, t.given = err, strategy.Failure, true
	s.work.failed = true
	if why == gone || why == cut {
		t.result, s.work.failed = strategy.Abandoned, false
	}
	_ = s.tcp.SetLinger(0) // where the end of the connection is the end of the body, only a reset tells
	return t
}
