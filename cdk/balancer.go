package main

import "github.com/aws/aws-cdk-go/awscdk/v2"

// A run's load balancer and its target groups are named fl-…, so that grants can
// name them before they are; the tag's condition keeps two stacks apart. A
// listener's ARN and a rule's repeat the load balancer's name (service
// authorization reference, "Elastic Load Balancing V2", resource types).
func balancerARN() string    { return arn("elasticloadbalancing", "loadbalancer/app/fl-*/*") }
func listenerARN() string    { return arn("elasticloadbalancing", "listener/app/fl-*/*/*") }
func ruleARN() string        { return arn("elasticloadbalancing", "listener-rule/app/fl-*/*/*/*") }
func targetGroupARN() string { return arn("elasticloadbalancing", "targetgroup/fl-*/*") }

// askedAsCaller: AWS's own policy for load balancing, ElasticLoadBalancingFullAccess,
// grants these on all, too.
const askedAsCaller = "Elastic Load Balancing asks these of EC2 as its caller, and names no resource"

const balancedLater = "load balancers and target groups come and go; the condition names the stack's own"

// balanceGrants follows how Elastic Load Balancing authorizes its calls: a listener
// is created on its load balancer and a rule on its listener (service authorization
// reference, actions CreateListener and CreateRule). AddTags is what tags in a
// creating call are authorized as ("Permissions to tag resources during creation").
func balanceGrants(stack string) []grant {
	const made = "the call makes what it names; it must carry the tag"
	request := "aws:RequestTag/" + stackTag
	return []grant{
		// Functions in a VPC reach no public address, and nobody else shall.
		allow("elasticloadbalancing:CreateLoadBalancer").on(balancerARN()).
			when("StringEquals", request, stack).
			when("StringEquals", "elasticloadbalancing:Scheme", "internal").because(made),
		allow("elasticloadbalancing:CreateTargetGroup").on(targetGroupARN()).when("StringEquals", request, stack).because(made),
		allow("elasticloadbalancing:CreateListener").on(balancerARN()).when("StringEquals", request, stack).because(made),
		allow("elasticloadbalancing:CreateRule").on(listenerARN()).when("StringEquals", request, stack).because(made),
		allow("elasticloadbalancing:AddTags").on(balancerARN(), targetGroupARN(), listenerARN(), ruleARN()).
			when("StringEquals", "elasticloadbalancing:CreateAction", "CreateLoadBalancer", "CreateTargetGroup", "CreateListener", "CreateRule").
			because("only what the same call makes"),
		allow("elasticloadbalancing:RegisterTargets", "elasticloadbalancing:ModifyTargetGroupAttributes").on(targetGroupARN()).
			when("StringEquals", "aws:ResourceTag/"+stackTag, stack).because(balancedLater),
		allow("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeRules").onAll().because(noResource),
		// Elastic Load Balancing asks EC2 as the caller ("Elastic Load Balancing API
		// permissions", for CreateLoadBalancer, CreateTargetGroup and RegisterTargets;
		// kubernetes-sigs/aws-load-balancer-controller issues 748 and 3917 show the
		// refusals, the latter of what that page does not list: the groups for a VPC).
		allow("ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways", "ec2:DescribeSecurityGroups",
			"ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:DescribeInstances", "ec2:GetSecurityGroupsForVpc").onAll().because(askedAsCaller),
		// The first load balancer of an account brings the role that the service acts under.
		allow("iam:CreateServiceLinkedRole").on(serviceRole()).
			when("StringEquals", "iam:AWSServiceName", "elasticloadbalancing.amazonaws.com"),
	}
}

// serviceRole is the one service-linked role of Elastic Load Balancing.
func serviceRole() string {
	return "arn:" + *awscdk.Aws_PARTITION() + ":iam::" + *awscdk.Aws_ACCOUNT_ID() +
		":role/aws-service-role/elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing"
}

// unbalanceGrants ends load balancers of this stack. Their listeners and rules go
// with them.
func unbalanceGrants(stack string) []grant {
	return []grant{
		allow("elasticloadbalancing:DeleteLoadBalancer").on(balancerARN()).
			when("StringEquals", "aws:ResourceTag/"+stackTag, stack).because(balancedLater),
		allow("elasticloadbalancing:DeleteTargetGroup").on(targetGroupARN()).
			when("StringEquals", "aws:ResourceTag/"+stackTag, stack).because(balancedLater),
		allow("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTargetGroups",
			"elasticloadbalancing:DescribeListeners").onAll().because(noResource),
	}
}
