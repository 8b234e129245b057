package load

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// virtual replaces the network by pipes and precise waiting by the bubble's
// timers, so that a test in a synctest bubble measures to the nanosecond.
func virtual(handler http.Handler) (seams, func()) {
	l := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(l) })
	s := seams{
		dial: l.dial,
		wait: func(ctx context.Context, t time.Time) error {
			pause(ctx, time.Until(t))
			return ctx.Err()
		},
		cpu: func() time.Duration { return 0 },
	}
	return s, func() {
		server.Close()
		serving.Wait()
	}
}

// pipeListener accepts what dial makes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipeListener) dial(ctx context.Context, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
