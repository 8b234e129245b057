package elb

import (
	"context"
	"maps"
	"slices"

	"github.com/fairlead/fairlead/local/gateway"
)

// group is a target group. The fields below "state" change, under Service.mu.
type group struct {
	resource
	groupSettings
	id string

	// state
	attributes map[string]string // those that are not at their defaults
	balancer   *balancer         // that has a rule for it; nil: none
	targets    []*target         // in the order of registration
	pool       pool
}

func (s *Service) createTargetGroup(_ context.Context, r *gateway.Request) (any, error) {
	var in groupInput
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := checkName("target group", in.Name); err != nil {
		return nil, err
	}
	tags, err := tagSet(in.Tags)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	arn := s.arn("targetgroup/" + in.Name + "/*")
	if err := s.authorizeNew(r, "CreateTargetGroup", arn, nil, arn, tags, nil); err != nil {
		return nil, err
	}
	if err := s.authorizeEC2(r, "DescribeInternetGateways", "DescribeVpcs"); err != nil {
		return nil, err
	}
	settings, err := in.settings()
	if err != nil {
		return nil, err
	}
	if !s.config.Network.HasVPC(settings.vpc) {
		return nil, invalid("The VPC ID '%s' is not found", settings.vpc)
	}
	for _, other := range s.groups {
		if other.name != settings.name {
			continue
		}
		if other.groupSettings != settings || !maps.Equal(other.tags, tags) {
			return nil, fail("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", settings.name)
		}
		return groupList{[]groupItem{other.show()}}, nil
	}
	if s.closed {
		return nil, errClosed
	}
	g := &group{resource: resource{serial: s.next(), tags: tags}, groupSettings: settings, id: newID(), attributes: map[string]string{}}
	g.arn = s.arn("targetgroup/" + g.name + "/" + g.id)
	g.pool.set(algorithm{})
	s.groups[g.arn] = g
	return groupList{[]groupItem{g.show()}}, nil
}

func (s *Service) deleteTargetGroup(_ context.Context, r *gateway.Request) (any, error) {
	var in struct{ TargetGroupArn string }
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, known := s.group(in.TargetGroupArn)
	if err := s.authorize(r, "DeleteTargetGroup", in.TargetGroupArn, known, nil); err != nil {
		return nil, err
	}
	if g == nil {
		return nil, nil // as with load balancers: the API reference has no error for it
	}
	if g.balancer != nil {
		return nil, fail("ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", g.arn)
	}
	g.stopTargets()
	delete(s.groups, g.arn)
	return nil, nil
}

// group finds a target group, also as the resource that is authorised. mu is held.
func (s *Service) group(arn string) (*group, *resource) {
	if g := s.groups[arn]; g != nil {
		return g, &g.resource
	}
	return nil, nil
}

type groupItem struct {
	TargetGroupArn             string
	TargetGroupName            string
	Protocol                   string
	ProtocolVersion            string
	Port                       int
	VpcID                      string `json:"VpcId"`
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckEnabled         bool
	HealthCheckPath            string
	HealthCheckIntervalSeconds int
	HealthCheckTimeoutSeconds  int
	HealthyThresholdCount      int
	UnhealthyThresholdCount    int
	Matcher                    struct{ HttpCode string } //nolint:revive // the wire's name
	LoadBalancerArns           []string
	TargetType                 string
	IPAddressType              string `json:"IpAddressType"`
}

type groupList struct{ TargetGroups []groupItem }

func (g *group) show() groupItem {
	item := groupItem{TargetGroupArn: g.arn, TargetGroupName: g.name, Protocol: "HTTP", ProtocolVersion: "HTTP1", Port: g.port, VpcID: g.vpc,
		HealthCheckProtocol: "HTTP", HealthCheckPort: g.checkPort, HealthCheckEnabled: true, HealthCheckPath: g.path,
		HealthCheckIntervalSeconds: g.interval, HealthCheckTimeoutSeconds: g.timeout, HealthyThresholdCount: g.healthy,
		UnhealthyThresholdCount: g.unhealthy, LoadBalancerArns: []string{}, TargetType: "instance", IPAddressType: "ipv4"}
	item.Matcher.HttpCode = g.matcher
	if g.balancer != nil {
		item.LoadBalancerArns = []string{g.balancer.arn}
	}
	return item
}

func (s *Service) describeTargetGroups(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		page
		LoadBalancerArn string
		TargetGroupArns []string
		Names           []string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := s.authorize(r, "DescribeTargetGroups", "*", nil, nil); err != nil {
		return nil, err
	}
	given := 0
	for _, has := range []bool{in.LoadBalancerArn != "", len(in.TargetGroupArns) > 0, len(in.Names) > 0} {
		if has {
			given++
		}
	}
	if given > 1 {
		return nil, invalid("Target group ARNs, target group names and a load balancer ARN cannot be specified at the same time")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.LoadBalancerArn != "" && s.balancers[in.LoadBalancerArn] == nil {
		return nil, errNoBalancer(in.LoadBalancerArn)
	}
	found, err := pick(sorted(s.groups), in.TargetGroupArns, in.Names, func(g *group) string { return g.name }, errNoGroup)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(g *group) bool {
		return in.LoadBalancerArn != "" && (g.balancer == nil || g.balancer.arn != in.LoadBalancerArn)
	})
	found, next, err := cut(found, in.page)
	if err != nil {
		return nil, err
	}
	items := []groupItem{}
	for _, g := range found {
		items = append(items, g.show())
	}
	return struct {
		groupList
		NextMarker string `json:",omitempty"`
	}{groupList{items}, next}, nil
}

func errNoGroup(what string) error {
	return fail("TargetGroupNotFound", "One or more target groups not found: '%s'", what)
}
