package elb

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/fairlead/fairlead/local/iam"
)

type statement struct {
	Sid       string                       `json:",omitempty"`
	Effect    string                       `json:"Effect"`
	Action    []string                     `json:"Action"`
	Resource  string                       `json:"Resource"`
	Condition map[string]map[string]string `json:",omitempty"`
}

const prefix = "arn:aws:elasticloadbalancing:us-east-1:000000000000:"

// policy is what a function that makes and removes load balancers of one stack
// needs, and nothing more.
func policy() []statement {
	ec2 := []string{"ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways", "ec2:DescribeSecurityGroups",
		"ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:DescribeInstances", "ec2:GetSecurityGroupsForVpc"}
	tagged := func(kind string) map[string]map[string]string {
		return map[string]map[string]string{"StringEquals": {"aws:" + kind + "Tag/stack": "s1"}}
	}
	internal := tagged("Request")
	internal["StringEquals"]["elasticloadbalancing:Scheme"] = "internal"
	created := func(action string) map[string]map[string]string {
		c := tagged("Request")
		c["StringEquals"]["elasticloadbalancing:CreateAction"] = action
		return c
	}
	return []statement{
		{"create", "Allow", []string{"elasticloadbalancing:CreateLoadBalancer"}, prefix + "loadbalancer/app/fl-*/*", internal},
		{"group", "Allow", []string{"elasticloadbalancing:CreateTargetGroup"}, prefix + "targetgroup/fl-*/*", tagged("Request")},
		{"listener", "Allow", []string{"elasticloadbalancing:CreateListener"}, prefix + "loadbalancer/app/fl-*/*", tagged("Resource")},
		{"rule", "Allow", []string{"elasticloadbalancing:CreateRule"}, prefix + "listener/app/fl-*/*/*", tagged("Resource")},
		{"tag-lb", "Allow", []string{"elasticloadbalancing:AddTags"}, prefix + "loadbalancer/app/fl-*/*", created("CreateLoadBalancer")},
		{"tag-tg", "Allow", []string{"elasticloadbalancing:AddTags"}, prefix + "targetgroup/fl-*/*", created("CreateTargetGroup")},
		{"tag-listener", "Allow", []string{"elasticloadbalancing:AddTags"}, prefix + "listener/app/fl-*/*/*", created("CreateListener")},
		{"tag-rule", "Allow", []string{"elasticloadbalancing:AddTags"}, prefix + "listener-rule/app/fl-*/*/*/*", created("CreateRule")},
		{"change", "Allow", []string{"elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:ModifyTargetGroupAttributes",
			"elasticloadbalancing:DeleteTargetGroup"}, prefix + "targetgroup/fl-*/*", tagged("Resource")},
		{"delete", "Allow", []string{"elasticloadbalancing:DeleteLoadBalancer"}, prefix + "loadbalancer/app/fl-*/*", tagged("Resource")},
		{"delete-listener", "Allow", []string{"elasticloadbalancing:DeleteListener"}, prefix + "listener/app/fl-*/*/*", tagged("Resource")},
		{"describe", "Allow", []string{"elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetHealth"}, "*", nil},
		{"ec2", "Allow", ec2, "*", nil},
		{"linked", "Allow", []string{"iam:CreateServiceLinkedRole"}, "arn:aws:iam::000000000000:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing",
			map[string]map[string]string{"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}}},
	}
}

// as is a client of a role with the statements.
func (r *rig) as(name string, statements []statement) *sdk.Client {
	r.t.Helper()
	trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}`))
	must(r.t, err)
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	must(r.t, err)
	document, err := iam.ParseDocument(text)
	must(r.t, err)
	must(r.t, r.store.PutRole(iam.Role{Name: name, Trust: trust, Policies: map[string]iam.Document{"p": document}}))
	keys, _, err := r.store.AssumeRole("arn:aws:iam::000000000000:role/"+name, "s", "lambda.amazonaws.com", time.Hour)
	must(r.t, err)
	return r.client(keys)
}

// life makes everything as a function would, and removes it again. It stops at
// the first error.
func life(t *testing.T, c *sdk.Client, instance string) error {
	ctx := t.Context()
	own := tags("stack", "s1")
	in := balancerInputs("fl-1")
	in.Tags = own
	b, err := c.CreateLoadBalancer(ctx, in)
	if err != nil {
		return err
	}
	balancer := b.LoadBalancers[0].LoadBalancerArn
	group := groupInputs("fl-1")
	group.Tags = own
	g, err := c.CreateTargetGroup(ctx, group)
	if err != nil {
		return err
	}
	arn := g.TargetGroups[0].TargetGroupArn
	l, err := c.CreateListener(ctx, &sdk.CreateListenerInput{LoadBalancerArn: balancer, Protocol: "HTTP", Port: aws.Int32(listenPort), DefaultActions: notFound(), Tags: own})
	if err != nil {
		return err
	}
	listener := l.Listeners[0].ListenerArn
	targets := []types.TargetDescription{{Id: &instance}}
	steps := []func() error{
		func() error {
			_, err := c.CreateRule(ctx, &sdk.CreateRuleInput{ListenerArn: listener, Priority: aws.Int32(1), Conditions: paths("/x"), Actions: forwardTo(*arn), Tags: own})
			return err
		},
		func() error {
			_, err := c.ModifyTargetGroupAttributes(ctx, &sdk.ModifyTargetGroupAttributesInput{TargetGroupArn: arn, Attributes: []types.TargetGroupAttribute{{Key: aws.String(attrDelay), Value: aws.String("0")}}})
			return err
		},
		func() error {
			_, err := c.RegisterTargets(ctx, &sdk.RegisterTargetsInput{TargetGroupArn: arn, Targets: targets})
			return err
		},
		func() error {
			_, err := c.DescribeLoadBalancers(ctx, &sdk.DescribeLoadBalancersInput{})
			return err
		},
		func() error {
			_, err := c.DescribeTargetHealth(ctx, &sdk.DescribeTargetHealthInput{TargetGroupArn: arn})
			return err
		},
		func() error {
			_, err := c.DescribeTags(ctx, &sdk.DescribeTagsInput{ResourceArns: []string{*arn}})
			return err
		},
		func() error {
			_, err := c.DeregisterTargets(ctx, &sdk.DeregisterTargetsInput{TargetGroupArn: arn, Targets: targets})
			return err
		},
		func() error {
			_, err := c.DeleteListener(ctx, &sdk.DeleteListenerInput{ListenerArn: listener})
			return err
		},
		func() error {
			_, err := c.DeleteLoadBalancer(ctx, &sdk.DeleteLoadBalancerInput{LoadBalancerArn: balancer})
			return err
		},
		func() error {
			_, err := c.DeleteTargetGroup(ctx, &sdk.DeleteTargetGroupInput{TargetGroupArn: arn})
			return err
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestPermissionsSuffice(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	must(t, life(t, r.as("f", policy()), a.id))
	for _, grant := range r.store.Usage() {
		if grant.Allowed == 0 {
			t.Errorf("%s: %s was not needed", grant.Sid, grant.Action)
		}
	}
}

// Each action of the policy is needed, each statement's resource as well.
func TestEachPermissionIsNeeded(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	for i, st := range policy() {
		for j, action := range st.Action {
			t.Run(st.Sid+" "+action, func(t *testing.T) {
				r := newRig(t, 0)
				r.instances = map[string]Instance{a.id: {State: "running", VPC: "vpc-1", Zone: "us-east-1a", Addr: r.address()}}
				less := policy()
				less[i].Action = append(append([]string{}, st.Action[:j]...), st.Action[j+1:]...)
				if len(less[i].Action) == 0 {
					less = append(less[:i], less[i+1:]...)
				}
				wantError(t, life(t, r.as(fmt.Sprintf("f%d-%d", i, j), less), a.id), "AccessDenied", action)
			})
		}
	}
}

func TestConditionsHold(t *testing.T) {
	r := newRig(t, 0)
	c := r.as("f", policy())
	in := balancerInputs("fl-1")
	_, err := c.CreateLoadBalancer(t.Context(), in)
	wantError(t, err, "AccessDenied", "elasticloadbalancing:CreateLoadBalancer on resource: "+prefix+"loadbalancer/app/fl-1/*") // no tag
	in.Tags = tags("stack", "s2")
	_, err = c.CreateLoadBalancer(t.Context(), in)
	wantError(t, err, "AccessDenied", "CreateLoadBalancer") // another stack's
	in.Tags, in.Scheme = tags("stack", "s1"), "internet-facing"
	_, err = c.CreateLoadBalancer(t.Context(), in)
	wantError(t, err, "AccessDenied", "CreateLoadBalancer")
	in.Name, in.Scheme = aws.String("other"), "internal"
	_, err = c.CreateLoadBalancer(t.Context(), in)
	wantError(t, err, "AccessDenied", "loadbalancer/app/other/*")

	s := r.stack(nil) // the operator's, without the tag
	_, err = c.DeleteLoadBalancer(t.Context(), &sdk.DeleteLoadBalancerInput{LoadBalancerArn: &s.balancer})
	wantError(t, err, "AccessDenied", "elasticloadbalancing:DeleteLoadBalancer on resource: "+s.balancer)
	_, err = c.DeleteTargetGroup(t.Context(), &sdk.DeleteTargetGroupInput{TargetGroupArn: &s.group})
	wantError(t, err, "AccessDenied", "DeleteTargetGroup")
	_, err = c.AddTags(t.Context(), &sdk.AddTagsInput{ResourceArns: []string{s.balancer}, Tags: tags("stack", "s1")})
	wantError(t, err, "AccessDenied", "AddTags") // only as part of a Create call
}

// The service-linked role is made with the first load balancer of an account.
func TestLinkedRoleIsMadeOnce(t *testing.T) {
	r := newRig(t, 0)
	var without []statement
	for _, st := range policy() {
		if st.Sid != "linked" {
			without = append(without, st)
		}
	}
	c := r.as("f", without)
	in := balancerInputs("fl-1")
	in.Tags = tags("stack", "s1")
	_, err := c.CreateLoadBalancer(t.Context(), in)
	wantError(t, err, "AccessDenied", "iam:CreateServiceLinkedRole on resource: arn:aws:iam::000000000000:role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing")
	_, err = r.CreateLoadBalancer(t.Context(), balancerInputs("first"))
	must(t, err)
	out, err := c.CreateLoadBalancer(t.Context(), in)
	must(t, err)
	if !strings.Contains(*out.LoadBalancers[0].LoadBalancerArn, "/fl-1/") {
		t.Error(*out.LoadBalancers[0].LoadBalancerArn)
	}
}
