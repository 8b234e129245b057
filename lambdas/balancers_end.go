package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/internal/steps"
)

// Balancers lists all of the region, at most fifty by default, and keeps those
// of the prefix: ELB knows no such filter.
func (b balancers) Balancers(ctx context.Context, prefix string) ([]steps.LoadBalancer, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	var list []steps.LoadBalancer
	pages := elb.NewDescribeLoadBalancersPaginator(b.api, &elb.DescribeLoadBalancersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, balancerError(err)
		}
		for _, l := range page.LoadBalancers {
			if strings.HasPrefix(aws.ToString(l.LoadBalancerName), prefix) {
				list = append(list, loadBalancer(l))
			}
		}
	}
	return list, nil
}

func (b balancers) TargetGroups(ctx context.Context, prefix string) ([]steps.TargetGroup, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	var list []steps.TargetGroup
	pages := elb.NewDescribeTargetGroupsPaginator(b.api, &elb.DescribeTargetGroupsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, balancerError(err)
		}
		for _, g := range page.TargetGroups {
			if name := aws.ToString(g.TargetGroupName); strings.HasPrefix(name, prefix) {
				list = append(list, steps.TargetGroup{ARN: aws.ToString(g.TargetGroupArn), Name: name})
			}
		}
	}
	return list, nil
}

func (b balancers) Listeners(ctx context.Context, balancer string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	var list []string
	pages := elb.NewDescribeListenersPaginator(b.api, &elb.DescribeListenersInput{LoadBalancerArn: &balancer})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, balancerError(err)
		}
		for _, l := range page.Listeners {
			list = append(list, aws.ToString(l.ListenerArn))
		}
	}
	return list, nil
}

func (b balancers) DeleteBalancer(ctx context.Context, arn string) error {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	_, err := b.api.DeleteLoadBalancer(ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &arn})
	if isGone(err) {
		return nil
	}
	return balancerError(err)
}

func (b balancers) DeleteTargetGroup(ctx context.Context, arn string) error {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	_, err := b.api.DeleteTargetGroup(ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &arn})
	if isGone(err) {
		return nil
	}
	return balancerError(err)
}

// maxTagged is how many ARNs one DescribeTags takes.
const maxTagged = 20

// Tags reads them in chunks, and one by one where something of a chunk is gone:
// ELB then refuses the lot.
func (b balancers) Tags(ctx context.Context, arns []string) (map[string]map[string]string, error) {
	tags := map[string]map[string]string{}
	for chunk := range slices.Chunk(arns, maxTagged) {
		some, err := b.tags(ctx, chunk)
		if isGone(err) {
			some = map[string]map[string]string{}
			for _, arn := range chunk {
				one, err := b.tags(ctx, []string{arn})
				if err != nil && !isGone(err) {
					return nil, err
				}
				maps.Copy(some, one)
			}
		} else if err != nil {
			return nil, err
		}
		maps.Copy(tags, some)
	}
	return tags, nil
}

func (b balancers) tags(ctx context.Context, arns []string) (map[string]map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, balancerTime)
	defer cancel()
	out, err := b.api.DescribeTags(ctx, &elb.DescribeTagsInput{ResourceArns: arns})
	if err != nil {
		return nil, err
	}
	tags := map[string]map[string]string{}
	for _, d := range out.TagDescriptions {
		of := map[string]string{}
		for _, t := range d.Tags {
			of[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		tags[aws.ToString(d.ResourceArn)] = of
	}
	return tags, nil
}

// isGone tells that what a call names does not exist.
func isGone(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "LoadBalancerNotFound" || api.ErrorCode() == "TargetGroupNotFound")
}
