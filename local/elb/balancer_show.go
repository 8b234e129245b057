package elb

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

type balancerItem struct {
	LoadBalancerArn       string
	DNSName               string
	CanonicalHostedZoneID string `json:"CanonicalHostedZoneId"`
	CreatedTime           time.Time
	LoadBalancerName      string
	Scheme                string
	VpcID                 string `json:"VpcId"`
	State                 struct {
		Code   string
		Reason string `json:",omitempty"`
	}
	Type              string
	AvailabilityZones []zoneItem
	SecurityGroups    []string
	IPAddressType     string `json:"IpAddressType"`
}

type zoneItem struct {
	ZoneName string
	SubnetID string `json:"SubnetId"`
}

type balancerList struct{ LoadBalancers []balancerItem }

// show is a load balancer on the wire. mu is held.
func (s *Service) show(b *balancer) balancerItem {
	item := balancerItem{LoadBalancerArn: b.arn, DNSName: b.addr.String(), CanonicalHostedZoneID: "Z35SXDOTRQ7X7K", CreatedTime: b.created,
		LoadBalancerName: b.name, Scheme: "internal", VpcID: b.vpc, Type: "application", SecurityGroups: b.security, IPAddressType: "ipv4"}
	item.State.Code, item.State.Reason = b.state, b.reason
	for i, zone := range b.zones {
		item.AvailabilityZones = append(item.AvailabilityZones, zoneItem{zone, b.subnets[i]})
	}
	return item
}

func (s *Service) describeLoadBalancers(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		page
		LoadBalancerArns []string
		Names            []string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := s.authorize(r, "DescribeLoadBalancers", "*", nil, nil); err != nil {
		return nil, err
	}
	if len(in.LoadBalancerArns) > 0 && len(in.Names) > 0 {
		return nil, invalid("Load balancer names and load balancer ARNs cannot be specified at the same time")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := pick(sorted(s.balancers), in.LoadBalancerArns, in.Names, func(b *balancer) string { return b.name }, errNoBalancer)
	if err != nil {
		return nil, err
	}
	found, next, err := cut(found, in.page)
	if err != nil {
		return nil, err
	}
	items := []balancerItem{}
	for _, b := range found {
		items = append(items, s.show(b))
	}
	return struct {
		balancerList
		NextMarker string `json:",omitempty"`
	}{balancerList{items}, next}, nil
}

// pick chooses from a list by ARN or by name; without either it is the list.
func pick[R interface{ base() *resource }](all []R, arns, names []string, name func(R) string, missing func(string) error) ([]R, error) {
	if len(arns)+len(names) == 0 {
		return all, nil
	}
	for _, want := range arns {
		if !slices.ContainsFunc(all, func(r R) bool { return r.base().arn == want }) {
			return nil, missing(want)
		}
	}
	for _, want := range names {
		if !slices.ContainsFunc(all, func(r R) bool { return name(r) == want }) {
			return nil, missing(want)
		}
	}
	return slices.DeleteFunc(all, func(r R) bool {
		return !slices.Contains(arns, r.base().arn) && (name == nil || !slices.Contains(names, name(r)))
	}), nil
}

func errNoBalancer(what string) error {
	return fail("LoadBalancerNotFound", "One or more load balancers not found: '%s'", what)
}

// listenAddr is where a listener of the load balancer listens.
func (b *balancer) listenAddr(port int) string { return fmt.Sprintf("%s:%d", b.addr, port) }
