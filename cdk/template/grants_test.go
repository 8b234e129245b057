package template

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const (
	runs      = "${Results.Arn}/runs/*"
	ec2       = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:"
	ssm       = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:"
	execution = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:${Benchmark.Name}"
	templates = ec2 + "launch-template/${NodeTemplateX86}," + ec2 + "launch-template/${NodeTemplateArm}," +
		ec2 + "launch-template/${ProxyTemplateX86}," + ec2 + "launch-template/${ProxyTemplateArm}"
	images     = "arn:${AWS::Partition}:ssm:${AWS::Region}::parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"
	elb        = "arn:${AWS::Partition}:elasticloadbalancing:${AWS::Region}:${AWS::AccountId}:"
	balancer   = elb + "loadbalancer/app/fl-*/*"
	listener   = elb + "listener/app/fl-*/*/*"
	rule       = elb + "listener-rule/app/fl-*/*/*/*"
	target     = elb + "targetgroup/fl-*/*"
	assets     = "arn:${AWS::Partition}:s3:::cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}/assets/"
	stack      = "[${AWS::StackName}]"
	tagging    = " if StringEquals aws:RequestTag/fairlead:stack " + stack
	tagged     = " if StringEquals aws:ResourceTag/fairlead:stack " + stack
	publish    = "cloudwatch:PutMetricData on * if StringEquals cloudwatch:namespace [Fairlead]"
	interfaces = "ec2:CreateNetworkInterface,ec2:DescribeNetworkInterfaces,ec2:DescribeSubnets," +
		"ec2:DeleteNetworkInterface,ec2:AssignPrivateIpAddresses,ec2:UnassignPrivateIpAddresses"
)

var agent = []string{
	"ssm:UpdateInstanceInformation on *",
	"ssmmessages:CreateControlChannel,ssmmessages:OpenControlChannel on *",
}

var listRuns = "s3:ListBucket on ${Results.Arn} if StringLike s3:prefix [runs/*]"

var terminate = []string{
	"ec2:TerminateInstances on " + ec2 + "instance/*" + tagged,
	"ec2:DescribeInstances on *",
	"elasticloadbalancing:DeleteLoadBalancer on " + balancer + tagged,
	"elasticloadbalancing:DeleteTargetGroup on " + target + tagged,
	"elasticloadbalancing:DescribeLoadBalancers,elasticloadbalancing:DescribeTargetGroups,elasticloadbalancing:DescribeListeners on *",
}

// grants is the table of what each role may do, as one reads it. A function's logs
// and, in the VPC, its interfaces come on top: see inherent.
var grants = map[string][]string{
	"plan": {
		"ec2:DescribeInstances,ec2:DescribeInstanceTypes,ec2:DescribeInstanceTypeOfferings,lambda:GetAccountSettings on *",
		"servicequotas:GetServiceQuota on arn:${AWS::Partition}:servicequotas:${AWS::Region}:${AWS::AccountId}:ec2/L-1216C47A",
		"s3:GetObject,s3:PutObject on " + runs,
	},
	"launch": {
		"ec2:RunInstances on " + ec2 + "instance/*," + ec2 + "volume/* if ArnEquals ec2:LaunchTemplate [" + templates + "]" +
			" and StringEquals aws:RequestTag/fairlead:stack " + stack,
		"ec2:RunInstances on " + templates + "," + ec2 + "subnet/${VpcpublicSubnet1Subnet}," + ec2 + "subnet/${VpcpublicSubnet2Subnet}," +
			ec2 + "security-group/${NodesGroup.GroupId}," + ec2 + "security-group/${ProxyGroup.GroupId}",
		"ec2:RunInstances on " + ec2 + "network-interface/*",
		"ec2:RunInstances on arn:${AWS::Partition}:ec2:${AWS::Region}::image/* if StringEquals ec2:Owner [amazon]",
		"ec2:CreateTags on " + ec2 + "instance/*," + ec2 + "volume/* if StringEquals ec2:CreateAction [RunInstances]",
		"iam:PassRole on ${NodeRole.Arn},${ProxyRole.Arn} if StringEquals iam:PassedToService [ec2.amazonaws.com]",
		"ssm:GetParameters on " + images + "x86_64," + images + "arm64",
		"s3:GetObject,s3:PutObject on " + runs,
		listRuns,
	},
	"setup": {
		"ssm:SendCommand on " + ssm + "document/${Setup}",
		"ssm:SendCommand on " + ec2 + "instance/* if StringEquals ssm:resourceTag/fairlead:stack " + stack,
		"ssm:GetCommandInvocation,ssm:DescribeInstanceInformation on *",
		"s3:GetObject on " + runs,
	},
	"balance": {
		"elasticloadbalancing:CreateLoadBalancer on " + balancer + tagging + " and StringEquals elasticloadbalancing:Scheme [internal]",
		"elasticloadbalancing:CreateTargetGroup on " + target + tagging,
		"elasticloadbalancing:CreateListener on " + balancer + tagging,
		"elasticloadbalancing:CreateRule on " + listener + tagging,
		"elasticloadbalancing:AddTags on " + balancer + "," + target + "," + listener + "," + rule +
			" if StringEquals elasticloadbalancing:CreateAction [CreateLoadBalancer,CreateTargetGroup,CreateListener,CreateRule]",
		"elasticloadbalancing:RegisterTargets,elasticloadbalancing:ModifyTargetGroupAttributes on " + target + tagged,
		"elasticloadbalancing:DescribeLoadBalancers,elasticloadbalancing:DescribeRules on *",
		"ec2:DescribeAccountAttributes,ec2:DescribeAddresses,ec2:DescribeInternetGateways,ec2:DescribeSecurityGroups," +
			"ec2:DescribeSubnets,ec2:DescribeVpcs,ec2:DescribeInstances,ec2:GetSecurityGroupsForVpc on *",
		"iam:CreateServiceLinkedRole on arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/" +
			"elasticloadbalancing.amazonaws.com/AWSServiceRoleForElasticLoadBalancing" +
			" if StringEquals iam:AWSServiceName [elasticloadbalancing.amazonaws.com]",
		"s3:GetObject,s3:PutObject on " + runs,
		listRuns,
	},
	"ready": {"ec2:DescribeInstances,elasticloadbalancing:DescribeTargetHealth on *", "s3:GetObject,s3:PutObject on " + runs},
	"aim":   {"s3:GetObject,s3:PutObject on " + runs},
	"shard": {"s3:GetObject,s3:PutObject on ${Results.Arn}/runs/*/trials/*"},
	"merge": {"s3:GetObject,s3:PutObject on " + runs, listRuns},
	"judge": {"s3:GetObject,s3:PutObject on " + runs, listRuns},
	"teardown": append(slices.Clone(terminate),
		"s3:GetObject,s3:PutObject on "+runs, listRuns),
	"sweep": append(slices.Clone(terminate),
		"s3:GetObject,s3:PutObject on "+runs, listRuns,
		"states:DescribeExecution on "+execution+":*",
		"states:ListExecutions on ${Benchmark.Arn}",
		"elasticloadbalancing:DescribeTags on *",
		publish),
	"MachineRole": {
		"lambda:InvokeFunction on ${FunctionsPlan.Arn},${FunctionsLaunch.Arn},${FunctionsBalance.Arn},${FunctionsSetup.Arn},${FunctionsReady.Arn},${FunctionsAim.Arn}," +
			"${FunctionsShard.Arn},${FunctionsMerge.Arn},${FunctionsTeardown.Arn},${FunctionsJudge.Arn}",
		"logs:CreateLogDelivery,logs:GetLogDelivery,logs:UpdateLogDelivery,logs:DeleteLogDelivery,logs:ListLogDeliveries," +
			"logs:PutResourcePolicy,logs:DescribeResourcePolicies,logs:DescribeLogGroups on *",
		"xray:PutTraceSegments,xray:PutTelemetryRecords,xray:GetSamplingRules,xray:GetSamplingTargets on *",
		"states:StartExecution on ${Benchmark.Arn}",
		"states:DescribeExecution,states:StopExecution on " + execution + ":*," + execution + "/*",
	},
	"NodeRole": append(slices.Clone(agent), "s3:GetObject on "+assets+"backend,"+assets+"backend-arm64"),
	"ProxyRole": append(slices.Clone(agent), "s3:GetObject on "+assets+"proxy,"+assets+"proxy-arm64",
		"ec2:DescribeInstances on *",
		publish),
}

// inherent is what a function's role has because of what the function is.
func inherent(step string, function resource) []string {
	id := "Functions" + strings.ToUpper(step[:1]) + step[1:]
	all := []string{"logs:CreateLogStream,logs:PutLogEvents on ${" + id + "Logs.Arn}"}
	if function.Properties["VpcConfig"] != nil {
		all = append(all, interfaces+" on *",
			"deny ec2:DetachNetworkInterface,"+interfaces+" on * if ArnEquals lambda:SourceFunctionArn [${"+id+".Arn}]")
	}
	return all
}

func TestGrants(t *testing.T) {
	d := parse(t)
	want := maps.Clone(grants)
	for step, function := range d.steps() {
		role := plain(text(at(function.Properties, "Role", "Fn::GetAtt", 0)))
		want[role] = append(slices.Clone(grants[step]), inherent(step, function)...)
		delete(want, step)
	}
	got := statements(d)
	for role := range want {
		if _, ok := got[role]; !ok {
			t.Errorf("there is no role %s", role)
		}
	}
	for role, have := range got {
		for _, statement := range have {
			if !slices.Contains(want[role], statement) {
				t.Errorf("%s has, beyond its table:\n  %s", role, statement)
			}
		}
		for _, statement := range want[role] {
			if !slices.Contains(have, statement) {
				t.Errorf("%s lacks:\n  %s", role, statement)
			}
		}
	}
}

// statements lists what each role may do: its inline policies and those attached
// to it from beside.
func statements(d document) map[string][]string {
	all := map[string][]string{}
	add := func(role string, policy any) {
		for _, statement := range list(at(policy, "Statement")) {
			all[role] = append(all[role], line(statement))
		}
	}
	for id, role := range d.each("AWS::IAM::Role") {
		all[plain(id)] = nil
		for _, policy := range list(role.Properties["Policies"]) {
			add(plain(id), at(policy, "PolicyDocument"))
		}
	}
	for _, policy := range d.each("AWS::IAM::Policy") {
		for _, role := range list(policy.Properties["Roles"]) {
			add(plain(text(at(role, "Ref"))), policy.Properties["PolicyDocument"])
		}
	}
	return all
}

func line(statement any) string {
	written := text(at(statement, "Action")) + " on " + text(at(statement, "Resource"))
	if text(at(statement, "Effect")) == "Deny" {
		written = "deny " + written
	}
	word := " if "
	conditions, _ := at(statement, "Condition").(map[string]any)
	for _, operator := range slices.Sorted(maps.Keys(conditions)) {
		keys, _ := conditions[operator].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			written += word + operator + " " + key + " [" + text(keys[key]) + "]"
			word = " and "
		}
	}
	return written
}

// everywhere lists the actions that are granted on all resources, each with why.
var everywhere = map[string]string{
	"ec2:DescribeInstances":                      "EC2's Describe actions are authorized on no resource",
	"ec2:DescribeInstanceTypes":                  "as above",
	"ec2:DescribeInstanceTypeOfferings":          "as above",
	"ec2:DescribeAccountAttributes":              "as above; Elastic Load Balancing asks as its caller",
	"ec2:DescribeAddresses":                      "as above",
	"ec2:DescribeInternetGateways":               "as above",
	"ec2:DescribeSecurityGroups":                 "as above",
	"ec2:DescribeVpcs":                           "as above",
	"ec2:GetSecurityGroupsForVpc":                "so does AWS's own policy ElasticLoadBalancingFullAccess",
	"elasticloadbalancing:DescribeLoadBalancers": "so are Elastic Load Balancing's",
	"elasticloadbalancing:DescribeTargetGroups":  "as above",
	"elasticloadbalancing:DescribeTargetHealth":  "as above",
	"elasticloadbalancing:DescribeListeners":     "as above",
	"elasticloadbalancing:DescribeRules":         "as above",
	"elasticloadbalancing:DescribeTags":          "as above",
	"lambda:GetAccountSettings":                  "of the account as a whole",
	"ec2:DescribeNetworkInterfaces":              "EC2's, as above",
	"ec2:DescribeSubnets":                        "as above",
	"ec2:CreateNetworkInterface":                 "Lambda requires it on all; the function's own code is denied it",
	"ec2:DeleteNetworkInterface":                 "as above",
	"ec2:AssignPrivateIpAddresses":               "as above",
	"ec2:UnassignPrivateIpAddresses":             "as above",
	"cloudwatch:PutMetricData":                   "CloudWatch's metrics have no ARN; a condition names the namespace",
	"ssm:GetCommandInvocation":                   "Systems Manager authorizes it on no resource",
	"ssm:DescribeInstanceInformation":            "as above",
	"ssm:UpdateInstanceInformation":              "an instance cannot be named in the policy that it starts with",
	"ssmmessages:CreateControlChannel":           "the agent's channels have no ARN",
	"ssmmessages:OpenControlChannel":             "as above",
	"logs:CreateLogDelivery":                     "vended logs are authorized on no resource",
	"logs:GetLogDelivery":                        "as above",
	"logs:UpdateLogDelivery":                     "as above",
	"logs:DeleteLogDelivery":                     "as above",
	"logs:ListLogDeliveries":                     "as above",
	"logs:PutResourcePolicy":                     "as above",
	"logs:DescribeResourcePolicies":              "as above",
	"logs:DescribeLogGroups":                     "as above",
	"xray:PutTraceSegments":                      "X-Ray's traces have no ARN",
	"xray:PutTelemetryRecords":                   "as above",
	"xray:GetSamplingRules":                      "as above",
	"xray:GetSamplingTargets":                    "as above",
}

func TestNoWildcards(t *testing.T) {
	d := parse(t)
	used := map[string]bool{}
	check := func(id string, policy any) {
		for _, statement := range list(at(policy, "Statement")) {
			if text(at(statement, "Effect")) != "Allow" {
				continue
			}
			if at(statement, "NotAction") != nil || at(statement, "NotResource") != nil {
				t.Errorf("%s allows everything but something: %v", id, statement)
			}
			resources := list(at(statement, "Resource"))
			for _, action := range list(at(statement, "Action")) {
				if strings.Contains(text(action), "*") {
					t.Errorf("%s allows the action %s", id, action)
				}
				if slices.ContainsFunc(resources, func(r any) bool { return text(r) == "*" }) {
					used[text(action)] = true
					if everywhere[text(action)] == "" {
						t.Errorf("%s allows %s on all resources, for no reason that this test knows", id, action)
					}
				}
			}
		}
	}
	for id, role := range d.each("AWS::IAM::Role") {
		for _, policy := range list(role.Properties["Policies"]) {
			check(id, at(policy, "PolicyDocument"))
		}
		if role.Properties["ManagedPolicyArns"] != nil {
			t.Errorf("%s has managed policies, which are broader than any step needs", id)
		}
	}
	for id, policy := range d.each("AWS::IAM::Policy") {
		check(id, policy.Properties["PolicyDocument"])
	}
	for action := range everywhere {
		if !used[action] {
			t.Errorf("%s is excused and not granted; take it off the list", action)
		}
	}
}
