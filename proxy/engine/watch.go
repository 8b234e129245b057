package engine

import (
	"sync"
	"time"
)

// watch looks at all sessions every tick: at whose alarm must go off because
// a time has passed, and whether the clients of those that have been waiting
// for a while are still there. One goroutine does it for all; a request costs
// it nothing.
type watch struct {
	tick   time.Duration
	shards [16]shard
	stop   chan struct{}
	wait   sync.WaitGroup
}

// shard is a part of the sessions, in a ring that begins at root.
type shard struct {
	mu   sync.Mutex
	root links
	_    [64]byte // a cache line, so that accepting on two cores does not share one
}

type links struct {
	session    *session
	prev, next *links
}

func (w *watch) init(l *Limits) {
	w.tick = tickFor(l)
	w.stop = make(chan struct{})
	for i := range w.shards {
		r := &w.shards[i].root
		r.prev, r.next = r, r
	}
}

// tickFor gives the tick for these limits: a tenth of the shortest, within
// reason.
func tickFor(l *Limits) time.Duration {
	shortest := time.Second
	for _, d := range []time.Duration{l.Head, l.Client, l.Stall, l.Answer, l.Total, l.Leave, l.Quiet} {
		if d > 0 {
			shortest = min(shortest, d)
		}
	}
	return min(max(shortest/10, 2*time.Millisecond), 50*time.Millisecond)
}

func (w *watch) add(s *session, serial uint64) {
	h := &w.shards[serial%uint64(len(w.shards))]
	s.shard, s.links.session = h, s
	h.mu.Lock()
	defer h.mu.Unlock()
	s.links.prev, s.links.next = h.root.prev, &h.root
	h.root.prev.next, h.root.prev = &s.links, &s.links
}

func (w *watch) remove(s *session) {
	s.shard.mu.Lock()
	defer s.shard.mu.Unlock()
	s.links.prev.next, s.links.next.prev = s.links.next, s.links.prev
}

// each calls f for every session. f must not wait.
func (w *watch) each(f func(*session)) {
	for i := range w.shards {
		h := &w.shards[i]
		h.mu.Lock()
		for l := h.root.next; l != &h.root; l = l.next {
			f(l.session)
		}
		h.mu.Unlock()
	}
}

// run ticks until stop is closed.
func (e *Engine) run() {
	ticker := time.NewTicker(e.watch.tick)
	defer ticker.Stop()
	tidy := int64(0)
	for {
		select {
		case <-e.watch.stop:
			return
		case <-ticker.C:
		}
		now := e.clock.now()
		e.coarse.Store(now)
		e.watch.each(func(s *session) { e.check(s, now) })
		if now >= tidy {
			e.tidy(now)
			tidy = now + int64(time.Second)
		}
	}
}

// check makes a session's alarm go off if it is time. A look at the client's
// connection is a system call: it is taken for those that have been waiting
// for Leave, and then each Leave again.
func (e *Engine) check(s *session, now int64) {
	word, p, until := s.alarm.get()
	if word != s.seen {
		s.seen, s.noticed, s.looked = word, now, now
	}
	quiet := now - s.noticed
	switch p {
	case busy, tunnel, ringing:
		return
	case idle:
		if quiet > int64(e.limits.Quiet) && e.draining.Load() {
			s.ring(word, p, draining)
			return
		}
	}
	if until <= now {
		s.ring(word, p, timeout)
		return
	}
	if (p == idle && s.looked == s.noticed || p == node) && now-s.looked >= int64(e.limits.Leave) {
		s.looked = now
		if seen := s.look(); seen == closed || seen == broken {
			s.ring(word, p, gone)
		}
	}
}
