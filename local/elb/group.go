package elb

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

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

// groupSettings are what CreateTargetGroup takes, without the tags, with its
// defaults filled in.
type groupSettings struct {
	name, vpc          string
	port               int
	path, checkPort    string
	matcher            string
	interval, timeout  int // seconds
	healthy, unhealthy int // checks in a row
}

type groupInput struct {
	Name                       string
	Protocol                   string
	ProtocolVersion            string
	Port                       *int
	VpcID                      string `json:"VpcId"`
	TargetType                 string
	IPAddressType              string `json:"IpAddressType"`
	HealthCheckEnabled         *bool
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckPath            string
	HealthCheckIntervalSeconds *int
	HealthCheckTimeoutSeconds  *int
	HealthyThresholdCount      *int
	UnhealthyThresholdCount    *int
	Matcher                    struct{ HttpCode string } //nolint:revive // the wire's name
	Tags                       []tag
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
	if err := s.authorizeEC2(r, "InternetGateways", "Vpcs"); err != nil {
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

// settings checks an input and fills in the defaults (API reference,
// CreateTargetGroup; for HTTP and instances).
func (in groupInput) settings() (groupSettings, error) {
	var none groupSettings
	switch {
	case in.TargetType != "" && in.TargetType != "instance":
		return none, unimplemented("targets of the type '%s', only instance", in.TargetType)
	case in.Protocol == "" || in.Port == nil || in.VpcID == "":
		return none, invalid("A protocol, a port and a VPC ID must be specified")
	case in.Protocol != "HTTP":
		return none, unimplemented("target groups of the protocol '%s', only HTTP", in.Protocol)
	case in.ProtocolVersion != "" && in.ProtocolVersion != "HTTP1":
		return none, unimplemented("the protocol version '%s', only HTTP1", in.ProtocolVersion)
	case in.IPAddressType != "" && in.IPAddressType != "ipv4":
		return none, unimplemented("the IP address type '%s', only ipv4", in.IPAddressType)
	case in.HealthCheckEnabled != nil && !*in.HealthCheckEnabled:
		return none, invalid("Health check enabled must be true for target groups with target type 'instance'")
	case in.HealthCheckProtocol != "" && in.HealthCheckProtocol != "HTTP":
		return none, unimplemented("health checks of the protocol '%s', only HTTP", in.HealthCheckProtocol)
	case *in.Port < 1 || *in.Port > 65535:
		return none, invalid("The port %d must be 1 to 65535", *in.Port)
	}
	g := groupSettings{name: in.Name, vpc: in.VpcID, port: *in.Port, path: or(in.HealthCheckPath, "/"),
		checkPort: or(in.HealthCheckPort, "traffic-port"), matcher: or(in.Matcher.HttpCode, "200")}
	for _, n := range []struct {
		name              string
		given             *int
		into              *int
		usual, from, upTo int
	}{
		{"HealthCheckIntervalSeconds", in.HealthCheckIntervalSeconds, &g.interval, 30, 5, 300},
		{"HealthCheckTimeoutSeconds", in.HealthCheckTimeoutSeconds, &g.timeout, 5, 2, 120},
		{"HealthyThresholdCount", in.HealthyThresholdCount, &g.healthy, 5, 2, 10},
		{"UnhealthyThresholdCount", in.UnhealthyThresholdCount, &g.unhealthy, 2, 2, 10},
	} {
		*n.into = n.usual
		if n.given != nil {
			*n.into = *n.given
		}
		if *n.into < n.from || *n.into > n.upTo {
			return none, invalid("%s is %d, it must be %d to %d", n.name, *n.into, n.from, n.upTo)
		}
	}
	if g.timeout >= g.interval {
		return none, invalid("Health check timeout '%d' must be smaller than or equal to the interval '%d' less one second", g.timeout, g.interval)
	}
	if !validPath.MatchString(g.path) || len(g.path) > 1024 {
		return none, invalid("The health check path '%s' must begin with / and have at most 1024 characters", g.path)
	}
	if port, err := strconv.Atoi(g.checkPort); g.checkPort != "traffic-port" && (err != nil || port < 1 || port > 65535) {
		return none, invalid("The health check port '%s' must be traffic-port or 1 to 65535", g.checkPort)
	}
	if _, err := codesOf(g.matcher); err != nil {
		return none, err
	}
	return g, nil
}

func or(given, usual string) string {
	if given == "" {
		return usual
	}
	return given
}

// codes are ranges of HTTP status codes.
type codes [][2]int

// codesOf reads a matcher: "200", "200,202" or "200-299", from 200 to 499.
func codesOf(text string) (codes, error) {
	var all codes
	for _, part := range strings.Split(text, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || from < 200 || to > 499 || from > to {
			return nil, invalid("The health check matcher '%s' must be codes or ranges of codes from 200 to 499", text)
		}
		all = append(all, [2]int{from, to})
	}
	return all, nil
}

func (c codes) has(status int) bool {
	return slices.ContainsFunc(c, func(r [2]int) bool { return status >= r[0] && status <= r[1] })
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
