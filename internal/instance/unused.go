package instance

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// firstRequest is how long a connection that has brought no request yet is
// waited for when the server stops. Clients open connections in reserve and
// may never use them; net/http would wait 5 s for each.
const firstRequest = 250 * time.Millisecond

// unused knows the connections that have brought no request yet.
type unused struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

func newUnused() *unused { return &unused{conns: make(map[net.Conn]struct{})} }

// note is an http.Server's ConnState.
func (u *unused) note(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state != http.StateNew {
		delete(u.conns, c)
		return
	}
	u.conns[c] = struct{}{}
	if u.closed {
		c.Close()
	}
}

// close closes them, those that are still to come as well.
func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for c := range u.conns {
		c.Close()
	}
}
