package lambda

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// errClosed is the answer of a service that is closing.
var errClosed = &gateway.Error{Code: "ServiceException", Message: "the local cloud is shutting down", Status: 500}

// enter counts an invocation in, or refuses it at the account's concurrency.
func (s *Service) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if s.busy >= s.cfg.Concurrency {
		return throttled()
	}
	s.busy++
	s.work.Add(1)
	return nil
}

func (s *Service) leave() {
	s.mu.Lock()
	s.busy--
	s.mu.Unlock()
	s.work.Done()
}

// acquire gives a warm process of the function, or starts one. The caller owns
// it and gives it back with release, or discards it.
func (s *Service) acquire(fn *function) (sb *sandbox, cold bool, err error) {
	if sb := s.warm(fn); sb != nil {
		return sb, false, nil
	}
	sb, err = s.start(fn)
	return sb, true, err
}

// warm takes the process used last, so that the others grow idle and end.
// A process whose credentials would expire during the event is ended instead.
func (s *Service) warm(fn *function) *sandbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(fn.idle) > 0 {
		last := len(fn.idle) - 1
		sb := fn.idle[last]
		fn.idle = fn.idle[:last]
		if time.Until(sb.expires) > fn.Timeout+time.Minute {
			return sb
		}
		sb.kill()
	}
	return nil
}

// start begins a process; what it was refused for is in AWS's words.
func (s *Service) start(fn *function) (*sandbox, error) {
	if err := s.renew(fn); err != nil {
		return nil, err
	}
	sb := &sandbox{
		id: newID(), fn: fn,
		stream: time.Now().UTC().Format("2006/01/02") + "/[$LATEST]" + newHex(16),
		work:   make(chan *event), ready: make(chan struct{}), exited: make(chan struct{}),
	}
	sb.tmp = filepath.Join(s.cfg.Dir, "sandboxes", sb.id)
	sb.log = &sandboxLog{file: fn.log, stream: sb.stream, created: s.mayLog(fn, sb.stream)}
	sb.log.permit(s.mayPut(fn, sb.stream))

	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, errClosed
	}
	creds := fn.creds
	sb.expires = creds.Expires
	s.evict()
	s.sandboxes[sb.id] = sb // before the start: the process polls at once
	s.processes.Add(1)
	s.mu.Unlock()
	defer s.processes.Done() // Close waits for a start in progress

	if err := s.launch(sb, s.environ(fn, sb, creds)); err != nil {
		s.mu.Lock()
		delete(s.sandboxes, sb.id)
		s.mu.Unlock()
		return nil, err
	}
	s.processes.Go(func() { s.forget(sb) })
	if s.ctx.Err() != nil { // closed meanwhile, perhaps before there was a process to kill
		sb.kill()
	}
	return sb, nil
}

// evict ends the process that has been idle longest when the account would
// hold more processes than it may run invocations. It is called under mu.
func (s *Service) evict() {
	if len(s.sandboxes) < s.cfg.Concurrency {
		return
	}
	var oldest *sandbox
	for _, fn := range s.functions {
		for _, sb := range fn.idle {
			if oldest == nil || sb.idleSince.Before(oldest.idleSince) {
				oldest = sb
			}
		}
	}
	if oldest != nil {
		s.remove(oldest)
		oldest.kill()
	}
}

// forget drops a process that has ended, idle or not.
func (s *Service) forget(sb *sandbox) {
	<-sb.exited
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sandboxes, sb.id)
	s.remove(sb)
}

// remove takes a process out of its function's idle list. It is called under mu.
func (s *Service) remove(sb *sandbox) {
	if i := slices.Index(sb.fn.idle, sb); i >= 0 {
		sb.fn.idle = slices.Delete(sb.fn.idle, i, i+1)
	}
}

// release makes a process that polls available again.
func (s *Service) release(sb *sandbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-sb.exited:
		return
	default:
	}
	if s.closed || sb.fn.deleted {
		sb.kill()
		return
	}
	sb.idleSince = time.Now()
	sb.fn.idle = append(sb.fn.idle, sb)
}

// reap ends processes that have been idle for long, until the service closes.
func (s *Service) reap() {
	tick := time.NewTicker(max(s.cfg.IdleAfter/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			s.mu.Lock()
			for _, fn := range s.functions {
				fn.idle = slices.DeleteFunc(fn.idle, func(sb *sandbox) bool {
					old := now.Sub(sb.idleSince) >= s.cfg.IdleAfter
					if old {
						sb.kill()
					}
					return old
				})
			}
			s.mu.Unlock()
		}
	}
}

// sandboxByID finds the process that speaks, by the path it was given.
func (s *Service) sandboxByID(id string) (*sandbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sb := s.sandboxes[id]; sb != nil {
		return sb, nil
	}
	return nil, errors.New("no such execution environment")
}

func (s *Service) callerOf(fn *function) iam.Caller {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fn.caller
}
