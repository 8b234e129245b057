package engine

import (
	"cmp"
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
