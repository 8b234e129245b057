package elb

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// listener is one port of a load balancer. Its default rule is a rule as well.
type listener struct {
	resource
	balancer *balancer
	id       string
	port     int
	action   action
	front    *front
}

func (s *Service) createListener(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		LoadBalancerArn string
		Protocol        string
		Port            *int
		DefaultActions  []action
		Tags            []tag
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	tags, err := tagSet(in.Tags)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, known := s.balancers[in.LoadBalancerArn], (*resource)(nil)
	if b != nil {
		known = &b.resource
	}
	makes := strings.Replace(in.LoadBalancerArn, ":loadbalancer/", ":listener/", 1) + "/*"
	if err := s.authorizeNew(r, "CreateListener", in.LoadBalancerArn, known, makes, tags, iam.Keys{"elasticloadbalancing:ListenerProtocol": {in.Protocol}}); err != nil {
		return nil, err
	}
	switch {
	case b == nil:
		return nil, errNoBalancer(in.LoadBalancerArn)
	case in.Protocol == "":
		return nil, invalid("A listener protocol must be specified")
	case in.Protocol != "HTTP":
		return nil, unimplemented("listeners of the protocol '%s', only HTTP", in.Protocol)
	case in.Port == nil || *in.Port < 1 || *in.Port > 65535:
		return nil, invalid("A listener port from 1 to 65535 must be specified")
	}
	a, err := s.resolve(in.DefaultActions, b)
	if err != nil {
		return nil, err
	}
	for _, other := range s.listeners {
		if other.balancer != b || other.port != *in.Port {
			continue
		}
		if !other.action.same(a) || !maps.Equal(other.tags, tags) {
			return nil, fail("DuplicateListener", "A listener already exists on this port for this load balancer '%s'", b.arn)
		}
		return listenerList{[]listenerItem{other.show()}}, nil
	}
	if s.closed {
		return nil, errClosed
	}
	l := &listener{resource: resource{serial: s.next(), tags: tags}, balancer: b, id: newID(), port: *in.Port, action: a}
	l.arn = s.arn("listener/app/" + b.name + "/" + b.id + "/" + l.id)
	l.front = newFront(b.listenAddr(l.port), l.port, b.back)
	s.listeners[l.arn] = l
	s.addRule(&rule{listener: l, action: a, fallback: true})
	s.settle()
	if err := l.check(); err != nil {
		s.forget(l)
		s.settle()
		b.back.drop(l.front)
		return nil, err
	}
	return listenerList{[]listenerItem{l.show()}}, nil
}

// check opens the port, at once where the load balancer is active, else to see
// that it can be opened. mu is held.
func (l *listener) check() error {
	if err := l.front.open(); err != nil {
		return fail("InvalidConfigurationRequest", "The local cloud cannot open the listener's port: %s", err)
	}
	if l.balancer.state == active {
		l.front.serve()
		return nil
	}
	l.front.close()
	return nil
}

// open opens the port of a load balancer that has become active. mu is held.
func (l *listener) open() error {
	if err := l.front.open(); err != nil {
		return err
	}
	l.front.serve()
	return nil
}

func (s *Service) deleteListener(_ context.Context, r *gateway.Request) (any, error) {
	var in struct{ ListenerArn string }
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	l, known := s.listeners[in.ListenerArn], (*resource)(nil)
	if l != nil {
		known = &l.resource
	}
	err := s.authorize(r, "DeleteListener", in.ListenerArn, known, nil)
	if err == nil && l == nil {
		err = errNoListener(in.ListenerArn)
	}
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	s.forget(l)
	s.settle()
	s.mu.Unlock()
	l.front.wait()
	l.balancer.back.drop(l.front)
	return nil, nil
}

// forget removes a listener with its rules, and closes its port. mu is held;
// what its port had open ends by itself, and back.close or front.wait waits.
func (s *Service) forget(l *listener) {
	delete(s.listeners, l.arn)
	for arn, r := range s.rules {
		if r.listener == l {
			delete(s.rules, arn)
		}
	}
	l.front.close()
}

type listenerItem struct {
	ListenerArn     string
	LoadBalancerArn string
	Port            int
	Protocol        string
	DefaultActions  []action
}

type listenerList struct{ Listeners []listenerItem }

func (l *listener) show() listenerItem {
	return listenerItem{l.arn, l.balancer.arn, l.port, "HTTP", []action{l.action}}
}

func (s *Service) describeListeners(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		page
		LoadBalancerArn string
		ListenerArns    []string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := s.authorize(r, "DescribeListeners", "*", nil, nil); err != nil {
		return nil, err
	}
	if (in.LoadBalancerArn == "") == (len(in.ListenerArns) == 0) {
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.LoadBalancerArn != "" && s.balancers[in.LoadBalancerArn] == nil {
		return nil, errNoBalancer(in.LoadBalancerArn)
	}
	found, err := pick(sorted(s.listeners), in.ListenerArns, nil, nil, errNoListener)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(l *listener) bool { return in.LoadBalancerArn != "" && l.balancer.arn != in.LoadBalancerArn })
	found, next, err := cut(found, in.page)
	if err != nil {
		return nil, err
	}
	items := []listenerItem{}
	for _, l := range found {
		items = append(items, l.show())
	}
	return struct {
		listenerList
		NextMarker string `json:",omitempty"`
	}{listenerList{items}, next}, nil
}

func errNoListener(arn string) error {
	return fail("ListenerNotFound", "One or more listeners not found: '%s'", arn)
}
