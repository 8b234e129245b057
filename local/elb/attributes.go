package elb

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/local/gateway"
)

// The attributes of a target group that have an effect here.
const (
	attrDelay      = "deregistration_delay.timeout_seconds"
	attrAlgorithm  = "load_balancing.algorithm.type"
	attrMitigation = "load_balancing.algorithm.anomaly_mitigation"
)

// The algorithms.
const (
	roundRobin       = "round_robin"
	leastOutstanding = "least_outstanding_requests"
	weightedRandom   = "weighted_random"
)

// attribute is one that AWS knows for instances behind an Application Load
// Balancer (API reference, TargetGroupAttribute).
type attribute struct {
	usual string // its default
	// values are those that the local cloud does; nil with number: 0 to 3600
	values []string
	number bool
}

var attributes = map[string]attribute{
	attrDelay:                                {usual: "300", number: true},
	attrAlgorithm:                            {usual: roundRobin, values: []string{roundRobin, leastOutstanding, weightedRandom}},
	attrMitigation:                           {usual: "off", values: []string{"off", "on"}},
	"stickiness.enabled":                     {usual: "false", values: []string{"false"}},
	"stickiness.type":                        {usual: "lb_cookie", values: []string{"lb_cookie"}},
	"slow_start.duration_seconds":            {usual: "0", values: []string{"0"}},
	"stickiness.app_cookie.cookie_name":      {usual: "", values: []string{""}},
	"stickiness.app_cookie.duration_seconds": {usual: "86400", values: []string{"86400"}},
	"stickiness.lb_cookie.duration_seconds":  {usual: "86400", values: []string{"86400"}},
	"load_balancing.cross_zone.enabled":      {usual: "use_load_balancer_configuration", values: []string{"use_load_balancer_configuration", "true"}},
	"target_group_health.dns_failover.minimum_healthy_targets.count":                 {usual: "1", values: []string{"1"}},
	"target_group_health.dns_failover.minimum_healthy_targets.percentage":            {usual: "off", values: []string{"off"}},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      {usual: "1", values: []string{"1"}},
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": {usual: "off", values: []string{"off"}},
}

type attributeItem struct {
	Key   string
	Value string
}

type attributeList struct{ Attributes []attributeItem }

func (s *Service) modifyTargetGroupAttributes(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		TargetGroupArn string
		Attributes     []attributeItem
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, known := s.group(in.TargetGroupArn)
	if err := s.authorize(r, "ModifyTargetGroupAttributes", in.TargetGroupArn, known, nil); err != nil {
		return nil, err
	}
	if g == nil {
		return nil, errNoGroup(in.TargetGroupArn)
	}
	if len(in.Attributes) == 0 {
		return nil, invalid("Attributes must be specified")
	}
	changed := maps.Clone(g.attributes)
	for _, a := range in.Attributes {
		if err := checkAttribute(a); err != nil {
			return nil, err
		}
		changed[a.Key] = a.Value
	}
	if changed[attrMitigation] == "on" && changed[attrAlgorithm] != weightedRandom {
		return nil, fail("InvalidConfigurationRequest", "Anomaly mitigation needs the algorithm %s", weightedRandom)
	}
	g.attributes = changed
	g.pool.set(algorithm{kind: g.attribute(attrAlgorithm), mitigate: g.attribute(attrMitigation) == "on"})
	return g.listAttributes(), nil
}

func checkAttribute(a attributeItem) error {
	known, ok := attributes[a.Key]
	if !ok {
		return invalid("Target group attribute key '%s' is not recognized", a.Key)
	}
	if known.number {
		if n, err := strconv.Atoi(a.Value); err != nil || n < 0 || n > 3600 {
			return invalid("The value '%s' of the attribute '%s' must be 0 to 3600", a.Value, a.Key)
		}
		return nil
	}
	if !slices.Contains(known.values, a.Value) {
		return unimplemented("the value '%s' of the attribute '%s', only %q", a.Value, a.Key, known.values)
	}
	return nil
}

// attribute is the value of an attribute that there is. mu is held.
func (g *group) attribute(key string) string {
	if value, ok := g.attributes[key]; ok {
		return value
	}
	return attributes[key].usual
}

func (g *group) listAttributes() attributeList {
	var list attributeList
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		list.Attributes = append(list.Attributes, attributeItem{key, g.attribute(key)})
	}
	return list
}

func (s *Service) describeTargetGroupAttributes(_ context.Context, r *gateway.Request) (any, error) {
	var in struct{ TargetGroupArn string }
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := s.authorize(r, "DescribeTargetGroupAttributes", "*", nil, nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, _ := s.group(in.TargetGroupArn)
	if g == nil {
		return nil, errNoGroup(in.TargetGroupArn)
	}
	return g.listAttributes(), nil
}
