package engine

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/refusal"
)

// upload sends the rest of a request's body while the session waits for the
// answer, which may come before the body has ended. While it runs it owns the
// session's reading side, work.in and work.body.
type upload struct {
	state atomic.Int32
	ended atomic.Bool // by the session: deadlines set before are void
	why   cause       // of a failed one, with
	fault error       // if it is faulty
	done  chan struct{}
}

// States of an upload.
const (
	sending   int32 = iota
	finishing       // the last piece is being written, and may have been answered already
	sent
	failed // the client is gone, or the node does not take it
)

// errSlow refuses a body that does not come.
var errSlow = &http1.Error{Status: http.StatusRequestTimeout, Reason: "the body of the request did not come in time"}

// converseLong sends a request whose body is longer than what has come of it,
// and gives the first bytes of the answer.
func (s *session) converseLong(c *conn, now int64) (*buffer, error) {
	e, w := s.e, s.work
	s.wait(node, now+int64(e.limits.Stall))
	if _, err := c.tcp.Write(w.out.b); err != nil {
		return nil, err
	}
	s.wait(node, never)
	if w.expecting {
		_ = c.tcp.SetReadDeadline(time.Now().Add(e.limits.Continue))
		res, err := c.converse(nil, e.answers)
		if _, p, _ := s.alarm.get(); p == ringing {
			return nil, err
		}
		_ = c.tcp.SetReadDeadline(time.Time{})
		if err == nil || !refusal.IsTimeout(err) {
			return res, err
		}
		w.expecting = false
		if err := s.write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return nil, err
		}
		s.wait(node, never)
	}
	s.startUpload(c)
	return c.converse(nil, e.answers)
}

// startUpload begins to send the rest of the body. The session's alarm must be
// set to node and never.
func (s *session) startUpload(c *conn) {
	u := &upload{done: make(chan struct{})}
	s.work.upload = u
	go func() {
		defer close(u.done)
		s.pump(c, u)
	}()
}

// stopUpload ends the upload, if there is one, and tells whether the whole
// body has gone. If not, neither connection can be used again.
func (s *session) stopUpload(c *conn) bool {
	w := s.work
	u := w.upload
	if u == nil {
		return w.body.done
	}
	if u.state.Load() != sent {
		u.ended.Store(true)
		_ = s.tcp.SetReadDeadline(past)
		_ = c.tcp.SetWriteDeadline(past)
		s.last, s.linger = true, true
		<-u.done
		_ = s.tcp.SetReadDeadline(time.Time{})
		w.upload, w.body.done = nil, false
		return false
	}
	<-u.done
	w.upload = nil
	return true
}

// lastPiece is how long the upload may take to notice that it has ended.
const lastPiece = 20 * time.Millisecond

// uploaded tells whether the whole body has gone to the node.
func (w *work) uploaded() bool {
	u := w.upload
	switch {
	case u == nil:
		return w.body.done
	case u.state.Load() == finishing:
		timer := time.NewTimer(lastPiece)
		defer timer.Stop()
		select {
		case <-u.done:
		case <-timer.C:
		}
	}
	return u.state.Load() == sent
}

// fault is what is wrong with the body that the client sends, as of the end of
// the upload.
func (w *work) fault() error {
	if w.upload == nil || w.upload.state.Load() != failed {
		return nil
	}
	return w.upload.fault
}

// awaitNode goes on waiting for the node's answer, in the middle of which the
// upload may have ended.
func (s *session) awaitNode(c *conn, until int64) {
	s.wait(node, until)
	if u := s.work.upload; u != nil {
		switch u.state.Load() {
		case sent:
			s.alarm.move(node, never, s.answerUntil())
		case failed:
			s.wake(c, u.why)
		}
	}
}

func (s *session) answerUntil() int64 {
	return min(s.e.clock.now()+int64(s.e.limits.Answer), s.work.exchange.until)
}

// wake ends the session's wait for the node.
func (s *session) wake(c *conn, why cause) {
	if word, p, _ := s.alarm.get(); why != none && p == node && s.alarm.ring(word, why) {
		_ = c.tcp.SetDeadline(past)
	}
}

// pump is the upload. Each wait has a deadline of its own: per piece of a long
// body that costs little.
func (s *session) pump(c *conn, u *upload) {
	e, w := s.e, s.work
	in, out := e.answers.get(), e.outs.get()
	defer e.answers.put(in)
	defer e.outs.put(out)
	in.b = append(in.b, w.in.b...)
	w.in.b = w.in.b[:0]
	fail := func(why cause, err error) {
		if u.why = why; why == faulty {
			u.fault = err
		}
		u.state.Store(failed)
		s.wake(c, why)
		s.alarm.move(node, never, s.answerUntil()) // if it goes on waiting
	}
	for {
		if why, err := s.pass(c, u, in, out); err != nil {
			fail(why, err)
			return
		}
		if w.body.done {
			break
		}
		_ = s.tcp.SetReadDeadline(time.Now().Add(e.limits.Stall))
		if u.ended.Load() {
			fail(none, nil)
			return
		}
		n, err := s.tcp.Read(in.room(1))
		in.b = in.b[:len(in.b)+n]
		switch {
		case err == nil:
		case refusal.IsTimeout(err):
			fail(faulty, errSlow)
			return
		default:
			fail(gone, err)
			return
		}
	}
	w.in.b = append(w.in.b, in.b...)
	_ = s.tcp.SetReadDeadline(time.Time{})
	_ = c.tcp.SetWriteDeadline(time.Time{})
	u.state.Store(sent)
	s.alarm.move(node, never, s.answerUntil())
}

// pass sends the node what in holds of the body. The cause goes with an error
// that the session is to be woken for.
func (s *session) pass(c *conn, u *upload, in, out *buffer) (cause, error) {
	body := &s.work.body
	rest := in.b
	for !body.done && len(rest) > 0 {
		next := out.b[:0]
		var used int
		if body.from == http1.Length && len(rest) >= piece {
			next = body.direct(rest)
			used = len(next)
		} else {
			var err error
			if out.b, used, err = body.feed(next, rest, &s.e.limits.HTTP); err != nil {
				return faulty, err
			}
			next = out.b
		}
		if used == 0 && len(next) == 0 {
			break // a part of a chunk's frame
		}
		rest = rest[used:]
		if body.done {
			u.state.Store(finishing)
		}
		if len(next) > 0 {
			_ = c.tcp.SetWriteDeadline(time.Now().Add(s.e.limits.Stall))
			if u.ended.Load() {
				return none, errBroke
			}
			if _, err := c.tcp.Write(next); err != nil {
				if refusal.IsTimeout(err) {
					return timeout, err
				}
				return none, err // the session sees it too, or the answer that came before it
			}
		}
	}
	in.drop(len(in.b) - len(rest))
	return none, nil
}
