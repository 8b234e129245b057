package elb

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// The states of a load balancer.
const (
	provisioning = "provisioning"
	active       = "active"
	failed       = "failed"
)

// balancer is one load balancer. The fields below "state" change, under
// Service.mu.
type balancer struct {
	resource
	name, id string
	vpc      string
	subnets  []string // as given
	zones    []string // of subnets
	security []string
	created  time.Time
	addr     netip.Addr
	back     *back // its connections to targets
	leave    context.CancelFunc
	left     chan struct{} // closed when its provisioning has ended, one way or the other

	// state
	state, reason string
}

type balancerInput struct {
	Name           string
	Subnets        []string
	SecurityGroups []string
	Scheme         string
	Type           string
	IPAddressType  string `json:"IpAddressType"`
	Tags           []tag
}

func (s *Service) createLoadBalancer(_ context.Context, r *gateway.Request) (any, error) {
	var in balancerInput
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := checkName("load balancer", in.Name); err != nil {
		return nil, err
	}
	tags, err := tagSet(in.Tags)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.authorizeBalancer(r, in, tags); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	b := &balancer{resource: resource{tags: tags}, name: in.Name, id: newID(), subnets: in.Subnets, security: in.SecurityGroups}
	if err := s.place(b); err != nil {
		return nil, err
	}
	for _, other := range s.balancers {
		if other.name != b.name {
			continue
		}
		if !other.same(b) {
			return nil, fail("DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", b.name)
		}
		return balancerList{[]balancerItem{s.show(other)}}, nil
	}
	if s.closed {
		return nil, errClosed
	}
	if b.addr, err = s.config.Addresses.Reserve(); err != nil {
		return nil, &gateway.Error{Code: "InsufficientCapacity", Message: err.Error(), Status: 500}
	}
	b.serial, b.created, b.state = s.next(), time.Now(), provisioning
	b.arn = s.arn("loadbalancer/app/" + b.name + "/" + b.id)
	b.back, b.left = newBack(), make(chan struct{})
	s.balancers[b.arn] = b
	s.provision(b)
	return balancerList{[]balancerItem{s.show(b)}}, nil
}

// authorizeBalancer asks for all that creating a load balancer does. mu is held.
func (s *Service) authorizeBalancer(r *gateway.Request, in balancerInput, tags map[string]string) error {
	scheme := in.Scheme
	if scheme == "" {
		scheme = "internet-facing" // AWS's default
	}
	keys := iam.Keys{"elasticloadbalancing:Scheme": {scheme}}
	if len(in.Subnets) > 0 {
		keys["elasticloadbalancing:Subnet"] = in.Subnets
	}
	if len(in.SecurityGroups) > 0 {
		keys["elasticloadbalancing:SecurityGroup"] = in.SecurityGroups
	}
	arn := s.arn("loadbalancer/app/" + in.Name + "/*")
	if err := s.authorizeNew(r, "CreateLoadBalancer", arn, nil, arn, tags, keys); err != nil {
		return err
	}
	if err := s.authorizeEC2(r, "DescribeAccountAttributes", "DescribeAddresses", "DescribeInternetGateways",
		"DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs", "GetSecurityGroupsForVpc"); err != nil {
		return err
	}
	return s.link(r)
}

// check refuses what AWS refuses, then what is not implemented.
func (in balancerInput) check() error {
	switch {
	case strings.HasPrefix(in.Name, "internal-"):
		return invalid("The load balancer name '%s' cannot begin with 'internal-'", in.Name)
	case in.Scheme != "" && in.Scheme != "internal" && in.Scheme != "internet-facing":
		return invalid("Scheme '%s' must be one of internal, internet-facing", in.Scheme)
	case in.Type != "" && in.Type != "application":
		return unimplemented("load balancers of the type '%s', only application", in.Type)
	case in.Scheme != "internal":
		return unimplemented("internet-facing load balancers, which is the default: ask for the scheme internal")
	case in.IPAddressType != "" && in.IPAddressType != "ipv4":
		return unimplemented("the IP address type '%s', only ipv4", in.IPAddressType)
	case len(in.SecurityGroups) == 0:
		return unimplemented("the VPC's default security group: name at least one")
	}
	return nil
}

// place checks where a load balancer is to stand. mu is held.
func (s *Service) place(b *balancer) error {
	for _, id := range b.subnets {
		n, ok := s.config.Network.Subnet(id)
		switch {
		case !ok:
			return fail("SubnetNotFound", "The subnet ID '%s' does not exist", id)
		case b.vpc != "" && n.VPC != b.vpc:
			return fail("InvalidConfigurationRequest", "All subnets must belong to the same VPC: '%s', '%s'", b.vpc, n.VPC)
		case slices.Contains(b.zones, n.Zone):
			return fail("InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone")
		}
		b.vpc = n.VPC
		b.zones = append(b.zones, n.Zone)
	}
	if len(b.zones) < 2 {
		return invalid("At least two subnets in two different Availability Zones must be specified")
	}
	for _, id := range b.security {
		vpc, ok := s.config.Network.SecurityGroup(id)
		switch {
		case !ok:
			return fail("InvalidSecurityGroup", "The security group '%s' does not exist", id)
		case vpc != b.vpc:
			return fail("InvalidConfigurationRequest", "The security group '%s' does not belong to VPC '%s'", id, b.vpc)
		}
	}
	return nil
}

// same says whether two load balancers have the same settings.
func (b *balancer) same(o *balancer) bool {
	return sameSet(b.subnets, o.subnets) && sameSet(b.security, o.security) && maps.Equal(b.tags, o.tags)
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// provision makes a load balancer active once its time has come. mu is held.
func (s *Service) provision(b *balancer) {
	if s.config.Provisioning <= 0 {
		close(b.left)
		b.leave = func() {}
		s.activate(b)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	b.leave = cancel
	s.running.Go(func() {
		defer close(b.left)
		if !wait(ctx, s.config.Provisioning) {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.balancers[b.arn] == b {
			s.activate(b)
		}
	})
}

// activate opens what a load balancer has, and starts its health checks. mu is
// held.
func (s *Service) activate(b *balancer) {
	b.state = active
	for _, l := range sorted(s.listeners) {
		if l.balancer != b {
			continue
		}
		if err := l.open(); err != nil {
			b.state, b.reason = failed, err.Error()
		}
	}
	s.settle()
}

func (s *Service) deleteLoadBalancer(_ context.Context, r *gateway.Request) (any, error) {
	var in struct{ LoadBalancerArn string }
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	b, known := s.balancers[in.LoadBalancerArn], (*resource)(nil)
	if b != nil {
		known = &b.resource
	}
	if err := s.authorize(r, "DeleteLoadBalancer", in.LoadBalancerArn, known, nil); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	if b == nil { // "the call succeeds" (API reference)
		s.mu.Unlock()
		return nil, nil
	}
	s.remove(b)
	s.mu.Unlock()
	s.end(b)
	return nil, nil
}

// remove forgets a load balancer with its listeners, rules and health checks.
// mu is held; end waits for what that leaves running.
func (s *Service) remove(b *balancer) {
	b.leave()
	delete(s.balancers, b.arn)
	for _, l := range s.listeners {
		if l.balancer == b {
			s.forget(l)
		}
	}
	s.settle()
}

// end waits until nothing of a removed load balancer runs, then gives its
// address back. mu is not held.
func (s *Service) end(b *balancer) {
	<-b.left
	b.back.close()
	s.config.Addresses.Release(b.addr)
}
