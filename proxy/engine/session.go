package engine

import (
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/proxy/http1"
	"github.com/fairlead/fairlead/proxy/refusal"
)

// session is a client's connection. Idle, it holds this, a goroutine's stack
// and nothing else.
type session struct {
	socket
	e     *Engine
	alarm alarm
	peer  []byte // the client's address without its port, as text

	// step is s.ready, made once; serve tells what it found.
	step func(fd uintptr) bool
	work *work // of the request that is coming in or being served

	served int  // requests so far
	last   bool // the connection ends with this request
	old    bool // the client of this request speaks HTTP/1.0
	slow   bool // this request cannot be served from within ready
	linger bool // the client may still be sending: close gently

	links links // of the watch, as are the next ones
	shard *shard
	seen  uint64 // alarm's word at the last tick
	// noticed is when that word was first seen, looked when the client's
	// connection was last looked at.
	noticed, looked int64

	conn atomic.Pointer[conn] // to the node, while it is waited for
}

// work is what a request takes: borrowed with its first byte, given back when
// it has been answered.
type work struct {
	in      *buffer // what was read of the client and is not used yet
	out     *buffer // what is written next
	partial bool    // in begins with a part of a head, and nothing is known to follow
	headBy  int64   // when the rest of that head must have come; 0: nothing of it is here
	req     http1.Request
	res     http1.Response
	body    passage // of the request
	exchange
}

func newSession(e *Engine, c net.Conn) (*session, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, errors.New("not a TCP connection")
	}
	k, err := newSocket(tcp)
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(c.RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	s := &session{socket: k, e: e, peer: []byte(host)}
	s.step = s.ready
	return s, nil
}

// serve serves requests until one side ends the connection.
func (s *session) serve() {
	defer s.e.leave(s)
	defer s.rest()
	s.alarm.set(idle, s.e.clock.now()+int64(s.e.limits.Head)) // whoever connects has something to ask
	for {
		err := s.raw.Read(s.step)
		switch {
		case err != nil:
			if !s.woken() {
				return
			}
		case s.slow:
			s.slow = false
			s.exchange()
			s.served++
		}
		if s.last {
			s.end()
			return
		}
	}
}

// ready is called when the client has sent something, and serves it. It gives
// false to be called again when there is more, true to let serve go on.
//
// Whether there is more is known without asking when a read has given less
// than was asked for. Only a close that came with the last bytes is missed by
// that: the watch sees it. After the first request it is looked for here, as
// clients that close behind their request mostly send a single one.
func (s *session) ready(uintptr) bool {
	drained := false
	for {
		if w := s.work; w != nil && !w.partial && len(w.in.b) > 0 {
			switch s.take() {
			case complete:
				s.exchange()
				s.served++
				if s.last {
					return true
				}
				continue
			case incomplete:
				s.slow = true
				return true
			case answered:
				if s.last {
					return true
				}
				continue
			}
		}
		if drained {
			s.pause()
			return false
		}
		w := s.borrow()
		room := w.in.room(1)
		n, again, err := s.read(room)
		switch {
		case again:
			s.pause()
			return false
		case err != nil:
			s.last = true
			return true
		}
		w.in.b = w.in.b[:len(w.in.b)+n]
		w.partial = false
		drained = n < len(room) && s.served > 0
	}
}

func (s *session) borrow() *work {
	if s.work == nil {
		w := s.e.works.Get().(*work)
		w.in, w.headBy = s.e.heads.get(), 0
		w.req.Reset()
		s.work = w
	}
	return s.work
}

// rest gives back what a request needed.
func (s *session) rest() {
	w := s.work
	if w == nil {
		return
	}
	s.giveOut()
	s.e.heads.put(w.in)
	w.in, w.partial, w.exchange = nil, false, exchange{}
	s.work = nil
	s.e.works.Put(w)
}

// giveOut gives back the buffer of what is written.
func (s *session) giveOut() {
	if w := s.work; w != nil && w.out != nil {
		s.e.outs.put(w.out)
		w.out = nil
	}
}

// pause prepares a wait for the client's next bytes.
func (s *session) pause() {
	w := s.work
	if w != nil && len(w.in.b) > 0 {
		if w.headBy == 0 {
			w.headBy = s.e.clock.now() + int64(s.e.limits.Head)
			s.wait(head, w.headBy)
		}
		return
	}
	s.rest()
	if s.served > 0 { // else the wait for the first request goes on
		if _, p, _ := s.alarm.get(); p == client || p == busy {
			s.wait(idle, s.e.coarse.Load()+int64(s.e.limits.Client))
		}
	}
}

// wait begins a wait. An alarm that went off in the one before has come too
// late to end it, but its deadline will stay on the connection.
func (s *session) wait(p phase, until int64) {
	if s.alarm.set(p, until) != none {
		s.last = true
	}
}

// woken looks at why a wait for the client has ended, and tells whether to go
// on.
func (s *session) woken() bool {
	why := s.alarm.set(busy, 0)
	w := s.work
	if why != none && why != cut && (w == nil || len(w.in.b) == 0) && s.look() == waiting {
		// A request was on its way when the connection was to be closed.
		s.last = true
		return s.tcp.SetReadDeadline(time.Time{}) == nil
	}
	s.last = true
	if why == timeout && w != nil && len(w.in.b) > 0 {
		s.refuse(http.StatusRequestTimeout, refusal.Body{Reason: "the head of the request did not come in time"}, false)
		s.linger = true
	}
	s.end()
	return false
}

// found is what take found.
type found int

const (
	partly     found = iota // of a head
	complete                // a request with its body
	incomplete              // a head whose body has not come as a whole, or that wants a tunnel
	answered                // what goes nowhere: it was answered
)

// take reads a request's head from what has come.
func (s *session) take() found {
	w := s.work
	n, err := w.req.Parse(w.in.b, &s.e.limits.HTTP)
	if err != nil {
		s.malformed(err)
		return answered
	}
	if n == 0 {
		w.partial = true
		return partly
	}
	return s.open(n)
}

// malformed answers what is not HTTP/1.1. Nobody knows where the next request
// would begin.
func (s *session) malformed(err error) {
	s.last, s.linger = true, true
	status, reason := http.StatusBadRequest, err.Error()
	var h *http1.Error
	if errors.As(err, &h) {
		status = h.Status
	}
	s.refuse(status, refusal.Body{Reason: reason}, false)
}

// write sends p to the client. An error means that the client is gone.
func (s *session) write(p []byte) error {
	s.wait(client, s.e.coarse.Load()+int64(s.e.limits.Stall))
	err := s.socket.write(p)
	if err != nil {
		s.last = true
	}
	return err
}
