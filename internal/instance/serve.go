package instance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Listen opens a TCP listener. The accept queue is as long as the kernel
// allows (net.core.somaxconn, which package net reads), so that a burst of
// connections waits there instead of being turned away.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	return l, nil
}

// Server is one HTTP server and where it listens.
type Server struct {
	HTTP     *http.Server
	Listener net.Listener
}

// Serve runs the servers until ctx ends or one of them fails, then stops all:
// in the order given, each accepts nothing new and answers what it has begun,
// all within drain. It returns when every one of its goroutines has ended. A
// drain that ran out of time is an error: requests were cut.
func Serve(ctx context.Context, drain time.Duration, servers ...Server) error {
	failed := make(chan error, len(servers))
	silent := newUnused()
	for _, s := range servers {
		s.HTTP.ConnState = silent.note
		go func() { failed <- s.HTTP.Serve(s.Listener) }()
	}
	var errs []error
	running := len(servers)
	select {
	case <-ctx.Done():
	case err := <-failed:
		errs = append(errs, fmt.Errorf("server: %w", err))
		running--
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	closing := time.AfterFunc(firstRequest, silent.close)
	defer closing.Stop()
	for _, s := range servers {
		if err := s.HTTP.Shutdown(limit); err != nil {
			errs = append(errs, fmt.Errorf("requests on %s were still running after %s: %w", s.Listener.Addr(), drain, err))
			errs = append(errs, s.HTTP.Close())
		}
	}
	for ; running > 0; running-- {
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, fmt.Errorf("server: %w", err))
		}
	}
	return errors.Join(errs...)
}
