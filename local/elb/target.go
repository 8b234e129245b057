package elb

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// target is a registered instance at a port. The fields below "state" change,
// under Service.mu.
type target struct {
	id       string
	port     int
	zone     string
	endpoint *endpoint
	checkAt  string // host:port of the health check

	// state
	health
	passes, failures int                // checks in a row
	stop             context.CancelFunc // ends its health checks; nil: none run
	drained          context.CancelFunc // ends its draining at once; nil: it does not drain
}

// targetName is a target on the wire.
type targetName struct {
	ID   string `json:"Id"`
	Port *int
}

type targetsInput struct {
	TargetGroupArn string
	Targets        []targetName
}

func (s *Service) registerTargets(_ context.Context, r *gateway.Request) (any, error) {
	var in targetsInput
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, known := s.group(in.TargetGroupArn)
	if err := s.authorize(r, "RegisterTargets", in.TargetGroupArn, known, nil); err != nil {
		return nil, err
	}
	if err := s.authorizeEC2(r, "DescribeInstances", "DescribeInternetGateways", "DescribeSubnets", "DescribeVpcs"); err != nil {
		return nil, err
	}
	if g == nil {
		return nil, errNoGroup(in.TargetGroupArn)
	}
	if len(in.Targets) == 0 {
		return nil, invalid("Targets must be specified")
	}
	if s.closed {
		return nil, errClosed
	}
	made, err := s.targetsOf(g, in.Targets)
	if err != nil {
		return nil, err
	}
	for _, t := range made {
		old := g.target(t.id, t.port)
		switch {
		case old != nil && old.drained == nil:
			continue // it is registered
		case old != nil:
			s.drop(g, old) // registered again while it drains
		}
		g.targets = append(g.targets, t)
	}
	s.attend(g)
	return nil, nil
}

// targetsOf checks all targets of a call before one is registered. mu is held.
func (s *Service) targetsOf(g *group, names []targetName) ([]*target, error) {
	var made []*target
	var stopped, strange []string
	for _, n := range names {
		at, ok := s.config.Network.Instance(n.ID)
		port := g.port
		if n.Port != nil {
			port = *n.Port
		}
		switch {
		case !ok:
			return nil, fail("InvalidTarget", "Instance ID '%s' is not valid", n.ID)
		case port < 1 || port > 65535:
			return nil, invalid("The port %d of the target '%s' must be 1 to 65535", port, n.ID)
		case at.VPC != g.vpc:
			strange = append(strange, "'"+n.ID+"'")
		case at.State != "running":
			stopped = append(stopped, "'"+n.ID+"'")
		}
		checkPort := g.checkPort
		if checkPort == "traffic-port" {
			checkPort = strconv.Itoa(port)
		}
		made = append(made, &target{id: n.ID, port: port, zone: at.Zone, checkAt: net.JoinHostPort(at.Addr.String(), checkPort),
			endpoint: newEndpoint(net.JoinHostPort(at.Addr.String(), strconv.Itoa(port)))})
	}
	if len(strange) > 0 {
		return nil, fail("InvalidTarget", "The following targets are not within the target group's VPC: %s", strings.Join(strange, ", "))
	}
	if len(stopped) > 0 {
		return nil, fail("InvalidTarget", "The following targets are not in a running state and cannot be registered: %s", strings.Join(stopped, ", "))
	}
	return made, nil
}

// target finds a target of the group. mu is held.
func (g *group) target(id string, port int) *target {
	for _, t := range g.targets {
		if t.id == id && t.port == port {
			return t
		}
	}
	return nil
}

func (s *Service) deregisterTargets(_ context.Context, r *gateway.Request) (any, error) {
	var in targetsInput
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, known := s.group(in.TargetGroupArn)
	if err := s.authorize(r, "DeregisterTargets", in.TargetGroupArn, known, nil); err != nil {
		return nil, err
	}
	if g == nil {
		return nil, errNoGroup(in.TargetGroupArn)
	}
	if len(in.Targets) == 0 {
		return nil, invalid("Targets must be specified")
	}
	for _, n := range in.Targets {
		ports := slices.DeleteFunc(slices.Clone(g.targets), func(t *target) bool {
			return t.id != n.ID || n.Port != nil && t.port != *n.Port
		})
		for _, t := range ports { // one that is not registered is no error
			s.drain(g, t)
		}
	}
	return nil, nil
}

// drain takes a target out of the traffic, and out of the group after the
// deregistration delay. What it is answering goes on. mu is held.
func (s *Service) drain(g *group, t *target) {
	if t.drained != nil {
		return
	}
	seconds, _ := strconv.Atoi(g.attribute(attrDelay)) // checked
	if g.balancer == nil || seconds == 0 || s.closed {
		s.drop(g, t)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.drained = cancel
	t.health = draining
	t.quit()
	g.publish()
	s.running.Go(func() {
		defer cancel()
		if !wait(ctx, time.Duration(seconds)*s.second) {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.drop(g, t)
	})
}

// drop removes a target from its group. mu is held.
func (s *Service) drop(g *group, t *target) {
	t.end()
	g.targets = slices.DeleteFunc(g.targets, func(o *target) bool { return o == t })
	g.publish()
}

// quit ends a target's health checks. mu is held.
func (t *target) quit() {
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

func (t *target) end() {
	t.quit()
	if t.drained != nil {
		t.drained()
	}
}

// stopTargets ends all that runs for the group's targets. mu is held.
func (g *group) stopTargets() {
	for _, t := range g.targets {
		t.end()
	}
}
