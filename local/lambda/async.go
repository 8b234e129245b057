package lambda

import (
	"context"
	"fmt"
	"time"
)

// InvokeAsync queues an event and returns its request id. A failed event is
// tried twice more; a throttled one again after a second, until the service
// closes ("Understanding retry behavior in Lambda").
func (s *Service) InvokeAsync(in Invocation) (string, error) {
	fn, err := s.admit(&in, maxAsync)
	if err != nil {
		return "", err
	}
	id := newID()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", errClosed
	}
	s.pend(1)
	s.work.Go(func() { s.deliver(fn, id, in.Payload) })
	return id, nil
}

func (s *Service) deliver(fn *function, id string, payload []byte) {
	for failures := 0; ; {
		r, err := s.runNow(fn, id, payload)
		wait := time.Second
		failed := !isThrottled(err)
		if failed {
			s.settled()
			if err == nil && r.FunctionError == "" {
				return
			}
			if failures == len(s.cfg.RetryDelays) {
				s.cfg.Log.Warn("asynchronous event dropped", "function", fn.Name, "request", id, "error", err, "payload", string(r.Payload))
				return
			}
			wait = s.cfg.RetryDelays[failures]
			failures++
		}
		select {
		case <-s.ctx.Done():
			if !failed {
				s.settled()
			}
			return
		case <-time.After(wait):
		}
		if failed {
			s.mu.Lock()
			s.pend(1)
			s.mu.Unlock()
		}
	}
}

// pend counts an event that is queued or runs, but not one that waits for its
// next try. It is called under mu.
func (s *Service) pend(n int) {
	if s.pending == 0 {
		s.quiet = make(chan struct{})
	}
	s.pending += n
	if s.pending == 0 {
		close(s.quiet)
	}
}

func (s *Service) settled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pend(-1)
}

// Drain returns when every asynchronous event that was queued has been tried
// once, and is not running any more.
func (s *Service) Drain(ctx context.Context) error {
	s.mu.Lock()
	pending, quiet := s.pending, s.quiet
	s.mu.Unlock()
	if pending == 0 {
		return nil
	}
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d asynchronous event(s) of functions have not been handled: %w", pending, ctx.Err())
	}
}
