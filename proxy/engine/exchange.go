package engine

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/refusal"
	"github.com/fairlead/fairlead/proxy/retry"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// exchange is one request and what becomes of it.
type exchange struct {
	route      *route
	method     []byte // HEAD or anything else: what the answer's framing depends on
	headOnly   bool
	replayable bool // sending it twice does no harm
	upgrade    bool // the client has asked for it
	expecting  bool // the client waits for a 100 before it sends the body
	failed     bool // what the client was answered is an error
	tried      [retry.MostTries]*cluster.Node
	start      int64
	until      int64 // for the head of the answer
	logged     *line // nil: this request is not
	upload     *upload
	tunnel     *conn
	onward     http1.Onward
	back       http1.Back
	answer     passage
}

var (
	methodHead  = []byte("HEAD")
	methodOther = []byte("GET")
)

// open routes a request whose head has n bytes, and writes down what goes to
// a node. From then on nothing points into w.in any more.
func (s *session) open(n int) found {
	e, w := s.e, s.work
	r := &w.req
	w.exchange = exchange{}
	s.old = r.Minor == 0
	s.last = s.last || !r.KeepAlive
	w.headOnly, w.method = string(r.Method) == "HEAD", methodOther
	if w.headOnly {
		w.method = methodHead
	}
	w.body.start(r.Body, true, e.limits.Body)
	switch w.route = e.routes[string(segment(r.Path))]; {
	case w.route == nil:
		status, b := refusal.NotFound()
		return s.decline(n, status, b)
	case r.MaxForwards == 0:
		return s.decline(n, http.StatusNotImplemented, refusal.Body{Reason: "Max-Forwards ends here, where there is nothing"})
	case e.limits.Body > 0 && r.Body.Kind == http1.Length && r.Body.Length > e.limits.Body:
		s.malformed(errLarge)
		return answered
	}
	w.body.coded = r.Body.Kind == http1.Chunked
	w.replayable = r.Body.Kind == http1.NoBody && retry.Idempotent(string(r.Method))
	w.upgrade = r.Upgrade != nil
	w.onward = http1.Onward{Name: via, Client: s.peer, Proto: "http"}
	if r.Host == nil {
		w.onward.Host = []byte(s.tcp.LocalAddr().String())
	}
	if w.logged = e.access.draw(e.coarse.Load()); w.logged != nil {
		w.logged.method, w.logged.target = string(r.Method), string(r.Target)
	}
	w.out = e.outs.get()
	w.out.b = http1.AppendRequest(w.out.b, r, &w.onward)
	w.out.room(2 * overhead)
	var used int
	var err error
	if w.out.b, used, err = w.body.feed(w.out.b, w.in.b[n:], &e.limits.HTTP); err != nil {
		s.malformed(err)
		return answered
	}
	w.expecting = r.Expect100 && !w.body.done && len(w.in.b) == n
	w.in.drop(n + used)
	w.headBy = 0
	w.req.Reset()
	if w.body.done && !w.upgrade {
		return complete
	}
	return incomplete
}

// segment is the first one of a path.
func segment(path []byte) []byte {
	if len(path) == 0 || path[0] != '/' {
		return nil
	}
	path = path[1:]
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return path
}

// decline answers a request that goes nowhere, and skips its body if that is
// here already.
func (s *session) decline(n, status int, b refusal.Body) found {
	w := s.work
	_, used, err := w.body.feed(make([]byte, 0, len(w.in.b)+2*overhead), w.in.b[n:], &s.e.limits.HTTP)
	if err != nil {
		s.malformed(err)
		return answered
	}
	if !w.body.done {
		s.last, s.linger = true, true
	}
	w.in.drop(n + used)
	w.headBy = 0
	w.req.Reset()
	s.served++
	s.refuse(status, b, w.headOnly)
	return answered
}

// exchange serves the request that open has prepared.
func (s *session) exchange() {
	e, w := s.e, s.work
	s.wait(busy, 0)
	e.meter.Begin()
	w.start = e.clock.now()
	w.until = never
	if e.limits.Total > 0 {
		w.until = w.start + int64(e.limits.Total)
	}
	s.forward()
	s.giveOut()
	took := time.Duration(e.clock.now() - w.start)
	if w.logged != nil {
		e.access.write(w.logged, w.route.cluster.Name, string(s.peer), took)
	}
	w.route.cluster.Served(took, w.failed)
	e.meter.End(w.failed)
	if w.tunnel != nil {
		s.tunnel(w.tunnel)
		s.last = true
	}
}

// forward sends the request to a node of its cluster, and to another one if
// that can do no harm: when nothing of it was sent, or when it is idempotent
// and broke off before any answer (RFC 9110, section 9.2.2). A node that is
// slow to answer is not a reason: repeating would double the load of a
// cluster that has too much already.
func (s *session) forward() {
	e, w := s.e, s.work
	now := w.start
	w.route.budget.Deposit(e.clock.time(now))
	var last error
	for i := 0; ; i++ {
		n, err := w.route.cluster.Acquire(e.clock.time(now), w.tried[:i]...)
		if err != nil {
			if last == nil { // what happened on a node says more than that there is no other
				last = err
			}
			s.fail(last)
			return
		}
		if w.logged != nil {
			w.logged.node, w.logged.tries = n.ID, i+1
		}
		t := s.try(n, now)
		if t.err == nil {
			return
		}
		now = e.clock.now()
		e.release(w.route, n, now, t)
		if t.given {
			return
		}
		last = &refusal.TryError{Node: n.ID, Err: t.err}
		w.tried[i] = n
		if i+1 == retry.MostTries || !t.harmless || now >= w.until || !w.route.budget.Spend(e.clock.time(now)) {
			s.fail(last)
			return
		}
	}
}

// trial is how sending a request to one node has ended, if it was not answered.
type trial struct {
	err      error // nil: the node has answered, and was given back
	start    int64
	result   strategy.Result
	told     strategy.Load // by the node, of itself
	harmless bool          // the request may be sent to another node
	given    bool          // nobody is to be answered any more, or has been
}

func (e *Engine) release(r *route, n *cluster.Node, now int64, t trial) {
	r.cluster.ReleaseTold(e.clock.time(now), n, time.Duration(now-t.start), t.result, t.told)
}

// fail answers for a request that no node has answered.
func (s *session) fail(err error) {
	s.work.failed = true
	status, b := refusal.Of(s.work.route.cluster.Name, err)
	if l := s.work.logged; l != nil {
		l.status = status
	}
	if !s.work.body.done {
		s.last, s.linger = true, true
	}
	s.refuse(status, b, s.work.headOnly)
}

// fresh is for how long an unused connection is taken to be alive without a
// look: if it is not, a request that can be repeated is.
const fresh = int64(10 * time.Millisecond)

// connect gives a connection to the node.
func (s *session) connect(p *pool, now int64, opened bool) (*conn, error) {
	for {
		c, err := p.get(s.e.ctx, now, opened)
		if err != nil || !c.used {
			return c, err
		}
		if (now-c.since < fresh && s.work.replayable) || c.look() == silent {
			return c, nil
		}
		p.discard(c)
	}
}

// try sends the request to one node and its answer to the client.
func (s *session) try(n *cluster.Node, now int64) trial {
	e, w := s.e, s.work
	p := e.pool(n)
	t := trial{start: now, result: strategy.Failure}
	for opened := false; ; opened = true {
		c, err := s.connect(p, now, opened)
		if err != nil {
			t.err, t.harmless = err, true
			if refusal.IsDial(err) {
				e.suspect.Suspect(w.route.cluster.Name, n.Member)
			} else {
				t.result = strategy.Abandoned // it was not asked
			}
			return t
		}
		if !c.used {
			now = e.clock.now() // opening it took a while
		}
		s.conn.Store(c)
		var res *buffer
		if w.body.done {
			s.wait(node, min(now+int64(e.limits.Answer), w.until))
			res, err = c.converse(w.out.b, e.answers)
		} else {
			res, err = s.converseLong(c, now)
		}
		if err == nil {
			return s.relay(n, c, res, t)
		}
		why := s.alarm.set(busy, 0)
		stale := c.used && why == none && w.replayable && !opened
		fault := w.fault()
		s.drop(c)
		if stale {
			// The node had closed it. So it has the others, if it was restarted.
			p.flush()
			continue
		}
		return s.broken(t, why, cmp.Or(fault, err))
	}
}

// drop ends a connection to a node, and what is still being sent on it.
func (s *session) drop(c *conn) {
	s.stopUpload(c)
	s.conn.Store(nil)
	c.pool.discard(c)
}

// broken judges a try that ended before the head of an answer.
func (s *session) broken(t trial, why cause, err error) trial {
	w := s.work
	t.err, t.harmless = err, w.replayable
	switch why {
	case timeout:
		t.err, t.harmless = os.ErrDeadlineExceeded, false
	case gone, cut:
		t.result, t.given, s.last = strategy.Abandoned, true, true
	case faulty:
		t.result, t.given, w.failed = strategy.Abandoned, true, false
		s.malformed(err)
	}
	return t
}

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
