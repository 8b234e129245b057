package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/internal/steps"
)

// balancerTime is the deadline of one call with its retries. CreateLoadBalancer
// answers in a second or two.
const balancerTime = 30 * time.Second

// balancers is Elastic Load Balancing as the steps see it.
type balancers struct{ api *elb.Client }

var (
	_ steps.Balancers      = balancers{}
	_ steps.BalancerFinder = balancers{}
	_ steps.TargetViewer   = balancers{}
)

func newBalancers(cfg aws.Config) balancers { return balancers{elb.NewFromConfig(cfg)} }

func (b balancers) CreateBalancer(ctx context.Context, o steps.BalancerOrder) (steps.LoadBalancer, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	out, err := b.api.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{
		Name: &o.Name, Type: types.LoadBalancerTypeEnumApplication,
		// The load workers are in the VPC, where they reach no public address.
		Scheme:  types.LoadBalancerSchemeEnumInternal,
		Subnets: o.Subnets, SecurityGroups: []string{o.SecurityGroup}, Tags: balancerTags(o.Tags),
	})
	if err != nil {
		return steps.LoadBalancer{}, balancerError(err)
	}
	if len(out.LoadBalancers) != 1 {
		return steps.LoadBalancer{}, fmt.Errorf("CreateLoadBalancer names %d load balancers", len(out.LoadBalancers))
	}
	return loadBalancer(out.LoadBalancers[0]), nil
}

func loadBalancer(l types.LoadBalancer) steps.LoadBalancer {
	out := steps.LoadBalancer{
		ARN: aws.ToString(l.LoadBalancerArn), Name: aws.ToString(l.LoadBalancerName), DNSName: aws.ToString(l.DNSName),
		VPC: aws.ToString(l.VpcId), Created: aws.ToTime(l.CreatedTime),
	}
	if l.State != nil {
		out.State, out.Reason = string(l.State.Code), aws.ToString(l.State.Reason)
	}
	return out
}

func (b balancers) CreateTargetGroup(ctx context.Context, o steps.TargetGroupOrder) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	out, err := b.api.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: &o.Name, VpcId: &o.VPC, TargetType: types.TargetTypeEnumInstance,
		Protocol: types.ProtocolEnumHttp, Port: aws.Int32(int32(o.Port)),
		HealthCheckProtocol: types.ProtocolEnumHttp, HealthCheckPath: &o.HealthPath, Matcher: &types.Matcher{HttpCode: aws.String("200")},
		HealthCheckIntervalSeconds: aws.Int32(int32(o.Interval / time.Second)),
		HealthCheckTimeoutSeconds:  aws.Int32(int32(o.Timeout / time.Second)),
		HealthyThresholdCount:      aws.Int32(int32(o.Healthy)),
		UnhealthyThresholdCount:    aws.Int32(int32(o.Unhealthy)),
		Tags:                       balancerTags(o.Tags),
	})
	if err != nil {
		return "", balancerError(err)
	}
	if len(out.TargetGroups) != 1 {
		return "", fmt.Errorf("CreateTargetGroup names %d target groups", len(out.TargetGroups))
	}
	return aws.ToString(out.TargetGroups[0].TargetGroupArn), nil
}

func (b balancers) SetAttributes(ctx context.Context, targetGroup string, attributes map[string]string) error {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	in := &elb.ModifyTargetGroupAttributesInput{TargetGroupArn: &targetGroup}
	for _, k := range slices.Sorted(maps.Keys(attributes)) {
		in.Attributes = append(in.Attributes, types.TargetGroupAttribute{Key: &k, Value: aws.String(attributes[k])})
	}
	_, err := b.api.ModifyTargetGroupAttributes(ctx, in)
	return balancerError(err)
}

func (b balancers) CreateListener(ctx context.Context, o steps.ListenerOrder) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	out, err := b.api.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &o.Balancer, Protocol: types.ProtocolEnumHttp, Port: aws.Int32(int32(o.Port)),
		DefaultActions: []types.Action{{
			Type:                types.ActionTypeEnumFixedResponse,
			FixedResponseConfig: &types.FixedResponseActionConfig{StatusCode: aws.String("404"), ContentType: aws.String("text/plain"), MessageBody: aws.String("no such cluster")},
		}},
		Tags: balancerTags(o.Tags),
	})
	if err != nil {
		return "", balancerError(err)
	}
	if len(out.Listeners) != 1 {
		return "", fmt.Errorf("CreateListener names %d listeners", len(out.Listeners))
	}
	return aws.ToString(out.Listeners[0].ListenerArn), nil
}

// pathPattern is the field of a rule's condition.
const pathPattern = "path-pattern"

func (b balancers) CreateRule(ctx context.Context, r steps.Rule) error {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	_, err := b.api.CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: &r.Listener, Priority: aws.Int32(int32(r.Priority)),
		Conditions: []types.RuleCondition{{Field: aws.String(pathPattern), PathPatternConfig: &types.PathPatternConditionConfig{Values: r.Paths}}},
		Actions:    []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &r.TargetGroup}},
		Tags:       balancerTags(r.Tags),
	})
	return balancerError(err)
}

func (b balancers) Rules(ctx context.Context, listener string) ([]steps.Rule, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	var rules []steps.Rule
	pages := elb.NewDescribeRulesPaginator(b.api, &elb.DescribeRulesInput{ListenerArn: &listener})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, balancerError(err)
		}
		for _, r := range page.Rules {
			priority, err := strconv.Atoi(aws.ToString(r.Priority))
			if aws.ToBool(r.IsDefault) || err != nil { // the default rule's is "default"
				continue
			}
			rule := steps.Rule{Listener: listener, Priority: priority}
			for _, c := range r.Conditions {
				if aws.ToString(c.Field) == pathPattern && c.PathPatternConfig != nil {
					rule.Paths = append(rule.Paths, c.PathPatternConfig.Values...)
				}
			}
			for _, a := range r.Actions {
				if a.Type == types.ActionTypeEnumForward {
					rule.TargetGroup = aws.ToString(a.TargetGroupArn)
				}
			}
			rules = append(rules, rule)
		}
	}
	return rules, nil
}

func (b balancers) Balancer(ctx context.Context, name string) (steps.LoadBalancer, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	out, err := b.api.DescribeLoadBalancers(ctx, &elb.DescribeLoadBalancersInput{Names: []string{name}})
	if err != nil {
		return steps.LoadBalancer{}, balancerError(err)
	}
	if len(out.LoadBalancers) != 1 {
		return steps.LoadBalancer{}, fmt.Errorf("%w: %s", steps.ErrNoBalancer, name)
	}
	return loadBalancer(out.LoadBalancers[0]), nil
}

func (b balancers) Register(ctx context.Context, targetGroup string, instances []string, port int) error {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	in := &elb.RegisterTargetsInput{TargetGroupArn: &targetGroup}
	for _, id := range instances {
		in.Targets = append(in.Targets, types.TargetDescription{Id: &id, Port: aws.Int32(int32(port))})
	}
	_, err := b.api.RegisterTargets(ctx, in)
	return balancerError(err)
}

func (b balancers) Health(ctx context.Context, targetGroup string) ([]steps.TargetHealth, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	out, err := b.api.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &targetGroup})
	if err != nil {
		return nil, balancerError(err)
	}
	var list []steps.TargetHealth
	for _, d := range out.TargetHealthDescriptions {
		if d.Target == nil || d.TargetHealth == nil {
			continue
		}
		list = append(list, steps.TargetHealth{
			ID: aws.ToString(d.Target.Id), State: string(d.TargetHealth.State),
			Reason: string(d.TargetHealth.Reason), Description: aws.ToString(d.TargetHealth.Description),
		})
	}
	return list, nil
}

func balancerTags(tags map[string]string) []types.Tag {
	var list []types.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Tag{Key: &k, Value: aws.String(tags[k])})
	}
	return list
}

// balancerError names the errors that the steps tell apart, by the codes of the
// ELB API reference.
func balancerError(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	switch code := api.ErrorCode(); {
	case code == "LoadBalancerNotFound":
		return fmt.Errorf("%w: %w", steps.ErrNoBalancer, err)
	case code == "PriorityInUse":
		return fmt.Errorf("%w: %w", steps.ErrPriorityInUse, err)
	case code == "ResourceInUse":
		return fmt.Errorf("%w: %w", steps.ErrInUse, err)
	case strings.HasPrefix(code, "TooMany") && code != "TooManyTags" && code != "TooManyActions", code == "TargetGroupAssociationLimit":
		return fmt.Errorf("%w: %w", steps.ErrBalancerQuota, err)
	}
	return err
}
