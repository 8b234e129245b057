package engine

import (
	"io"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/proxy/refusal"
)

// lingering is how long, and how much, a client that is closed on may go on
// sending. Closed at once, the kernel would reset the connection, and the
// client might never see its answer (RFC 9112, section 9.6).
const (
	lingering = time.Second
	lingered  = 1 << 20
)

// ring makes the session's alarm go off, if word is still its state.
func (s *session) ring(word uint64, p phase, why cause) {
	c := s.conn.Load() // before the alarm: afterwards it may be the next one
	if !s.alarm.ring(word, why) {
		return
	}
	switch {
	case p == idle || p == head:
		_ = s.tcp.SetReadDeadline(past)
	case p == client:
		_ = s.tcp.SetWriteDeadline(past)
	case p == node && c != nil:
		_ = c.tcp.SetDeadline(past)
	}
}

// cut ends whatever the session waits for.
func (s *session) cut() {
	if word, p, _ := s.alarm.get(); p != ringing && p != tunnel {
		s.ring(word, p, cut)
	}
	_ = s.tcp.SetDeadline(past)
	if c := s.conn.Load(); c != nil {
		_ = c.tcp.SetDeadline(past)
	}
}

// end says to the client that nothing follows.
func (s *session) end() {
	if !s.linger || s.tcp.CloseWrite() != nil {
		return
	}
	s.wait(head, s.e.clock.now()+int64(lingering))
	_ = s.tcp.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, onlyReader{s.tcp}, lingered)
}

// onlyReader hides the other methods of a connection, so that it is not spliced.
type onlyReader struct{ io.Reader }

// turnAway refuses a connection that is one too many.
func (s *session) turnAway() {
	s.last = true
	_ = s.tcp.SetWriteDeadline(time.Now().Add(time.Second))
	s.refuse(http.StatusServiceUnavailable, refusal.Body{Reason: "there are too many connections"}, false)
	_ = s.tcp.Close()
}
