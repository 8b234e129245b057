package elb

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

// attend gives each target of a group the state that follows from what the
// group is used for, and starts or ends its health checks: they run while the
// group's load balancer is active. mu is held.
func (s *Service) attend(g *group) {
	for _, t := range g.targets {
		switch {
		case t.drained != nil:
		case g.balancer == nil:
			t.reset(notInUse)
		case !slices.Contains(g.balancer.zones, t.zone):
			t.reset(otherZone)
		case g.balancer.state != active:
			t.reset(registering)
		case t.stop == nil:
			t.reset(checking)
			s.check(g, t)
		}
	}
	g.publish()
}

func (t *target) reset(h health) {
	t.quit()
	t.health, t.passes, t.failures = h, 0, 0
}

// check starts a target's health checks. mu is held.
func (s *Service) check(g *group, t *target) {
	ctx, cancel := context.WithCancel(context.Background())
	t.stop = cancel
	accepted, _ := codesOf(g.matcher) // checked
	p := probe{url: "http://" + t.checkAt + g.path, accepted: accepted, timeout: time.Duration(g.timeout) * s.second}
	interval := time.Duration(g.interval) * s.second
	s.running.Go(func() {
		defer cancel()
		for {
			begun := time.Now()
			found := invalidState("terminated")
			if at, ok := s.config.Network.Instance(t.id); ok && at.State == "running" {
				found = p.run(ctx)
			} else if ok {
				found = invalidState(at.State)
			}
			if !s.note(ctx, g, t, found) || !wait(ctx, interval-time.Since(begun)) {
				return
			}
		}
	})
}

// note takes the outcome of one check in. It says whether checks go on.
func (s *Service) note(ctx context.Context, g *group, t *target, found health) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	t.take(found, g.healthy, g.unhealthy)
	g.publish()
	return true
}

// take moves a target on by the outcome of one check. A new target is healthy
// after one passed check, and stays initial until it is that or has failed
// often enough (user guide, "Health checks for target groups").
func (t *target) take(found health, toHealthy, toUnhealthy int) {
	switch found.State {
	case "healthy":
		t.passes, t.failures = t.passes+1, 0
		if t.State != "unhealthy" || t.passes >= toHealthy {
			t.health = healthy
		}
	case "unhealthy":
		t.passes, t.failures = 0, t.failures+1
		if t.failures >= toUnhealthy {
			t.health = found
		}
	default: // its instance does not run
		t.health, t.passes, t.failures = found, 0, 0
	}
}

// publish tells the pool which targets may get requests: the healthy ones, or
// all when none is healthy ("fail open"). mu is held.
func (g *group) publish() {
	var fit, rest []*endpoint
	for _, t := range g.targets {
		switch t.State {
		case "healthy":
			fit = append(fit, t.endpoint)
		case "initial", "unhealthy":
			rest = append(rest, t.endpoint)
		}
	}
	if len(fit) == 0 {
		fit = rest
	}
	g.pool.members.Store(&fit)
}

// probe is one health check.
type probe struct {
	url      string
	accepted codes
	timeout  time.Duration
}

func (p probe) run(ctx context.Context) health {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return checksFailed
	}
	request.Header.Set("User-Agent", "ELB-HealthChecker/2.0")
	request.Close = true // each check makes a connection of its own
	// RoundTrip: a redirect is an answer, not to be followed.
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	var network net.Error
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return timedOut
	default:
		return checksFailed
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut
	case err != nil:
		return checksFailed
	case !p.accepted.has(response.StatusCode):
		return mismatch(response.StatusCode)
	}
	return healthy
}
