package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
)

// stepInputs is what the steps' grants and environments name.
type stepInputs struct {
	account  account
	network  network
	fleet    fleet
	document awsssm.CfnDocument
	t0Lead   string
}

// addSteps makes the functions that the state machine calls. Each row's grants
// are all that its code may do.
func addSteps(f *functions, in stepInputs) {
	stack := *awscdk.Aws_STACK_NAME()
	runs := objects(f.results, "runs/*")
	trials := objects(f.results, "runs/*/trials/*")
	readWrite := allow("s3:GetObject", "s3:PutObject").on(runs).because(namedLater)
	list := listGrant(f)
	workers := []awsec2.CfnSecurityGroup{in.network.workers}

	for _, s := range []step{
		{
			name: "plan", does: "validates the input, prices the run, writes the plan", memory: 512, seconds: 60,
			environment: planEnvironment(in),
			grants:      append(preflightGrants(), readWrite),
		},
		{
			name: "launch", does: "starts one group of instances", memory: 512, seconds: 60,
			grants: append(launchGrants(in, stack), readWrite, list),
		},
		{
			name: "setup", does: "installs and starts the programs through SSM", memory: 256, seconds: 300,
			grants: []grant{
				allow("ssm:SendCommand").on(arn("ssm", "document/"+*in.document.Ref())),
				allow("ssm:SendCommand").on(arn("ec2", "instance/*")).when("StringEquals", "ssm:resourceTag/"+stackTag, stack).because(taggedLater),
				allow("ssm:GetCommandInvocation", "ssm:DescribeInstanceInformation").onAll().because(noResource),
				allow("s3:GetObject").on(runs).because(namedLater),
			},
		},
		{
			name: "balance", does: "creates the load balancer and puts the nodes behind it", memory: 256, seconds: 300,
			grants: append(balanceGrants(stack), readWrite, list),
		},
		{
			name: "ready", does: "looks that the fleet is whole and writes down who is in it", memory: 256, seconds: 120,
			grants: []grant{
				allow("ec2:DescribeInstances", "elasticloadbalancing:DescribeTargetHealth").onAll().because(noResource),
				readWrite,
			},
		},
		{
			name: "aim", does: "proves the paths, sets the strategy, names the first instant, reads the samples", memory: 512, seconds: 120,
			groups: append([]awsec2.CfnSecurityGroup{in.network.admin}, workers...),
			grants: []grant{readWrite},
		},
		{
			// 1,769 MB are one whole vCPU: the generator must not be what is measured.
			name: "shard", does: "sends one worker's share of a trial's load", memory: 1769, seconds: 900,
			groups: workers,
			grants: []grant{allow("s3:GetObject", "s3:PutObject").on(trials).because(namedLater)},
		},
		{
			name: "merge", does: "adds up a trial's shards", memory: 1024, seconds: 120,
			grants: []grant{readWrite, list},
		},
		{
			name: "teardown", does: "ends the run's instances and load balancer and writes the receipt", memory: 512, seconds: 300,
			grants: append(teardownGrants(stack), readWrite, list),
		},
		{
			name: "judge", does: "statistics, cost, verdict, report", memory: 1769, seconds: 300,
			grants: []grant{readWrite, list},
		},
	} {
		f.add(s)
	}
}

// planEnvironment is all that depends on the deployment. Plan writes it into
// plan.json, and later steps read it there, so that a deployment during a run
// changes nothing of the run.
func planEnvironment(in stepInputs) map[string]string {
	environment := map[string]string{
		"FAIRLEAD_ACCOUNT":        in.account.kind(),
		"FAIRLEAD_T0_LEAD":        in.t0Lead,
		"FAIRLEAD_SUBNETS":        strings.Join(in.network.subnetIDs(), ","),
		"FAIRLEAD_BALANCER_GROUP": *in.network.balancer.AttrGroupId(),
		"FAIRLEAD_DOCUMENT":       *in.document.Ref(),
	}
	if len(in.network.zones) > 0 {
		environment["FAIRLEAD_ZONES"] = strings.Join(in.network.zones, ",")
	}
	for _, a := range architectures() {
		suffix := "_" + strings.ToUpper(a.name)
		add := func(role, program string, i instances) {
			environment["FAIRLEAD_"+role+"_TEMPLATE"+suffix] = *i.template[a].Ref()
			environment["FAIRLEAD_"+role+"_TEMPLATE_VERSION"+suffix] = *i.template[a].AttrLatestVersionNumber()
			environment["FAIRLEAD_"+program+"_URI"+suffix] = i.program[a].uri()
			environment["FAIRLEAD_"+program+"_SHA256"+suffix] = i.program[a].sha256
		}
		add("NODE", "BACKEND", in.fleet.node)
		add("PROXY", "PROXY", in.fleet.proxy)
	}
	return environment
}

// preflightGrants let Plan ask the account what it may run. None is needed for a
// run: what is refused is unknown.
func preflightGrants() []grant {
	return []grant{
		allow("ec2:DescribeInstances", "ec2:DescribeInstanceTypes", "ec2:DescribeInstanceTypeOfferings", "lambda:GetAccountSettings").
			onAll().because(noResource),
		// vCPUs of running On-Demand Standard instances. The service authorization
		// reference names no resource for this action; AWS's own policies grant it by the
		// quota's ARN (AmazonRedshiftServiceLinkedRolePolicy). Without it the quota is
		// unknown, and the run goes on.
		allow("servicequotas:GetServiceQuota").on(arn("servicequotas", "ec2/L-1216C47A")),
	}
}

// launchGrants follows how EC2 authorizes RunInstances: once for each resource
// that the call makes or uses, each with condition keys of its own (service
// authorization reference, Amazon EC2, RunInstances).
func launchGrants(in stepInputs, stack string) []grant {
	templates := append(in.fleet.node.arns(), in.fleet.proxy.arns()...)
	used := append([]string{}, templates...)
	for _, subnet := range in.network.subnetIDs() {
		used = append(used, arn("ec2", "subnet/"+subnet))
	}
	for _, group := range []awsec2.CfnSecurityGroup{in.network.nodes, in.network.proxy} {
		used = append(used, arn("ec2", "security-group/"+*group.AttrGroupId()))
	}
	made := []string{arn("ec2", "instance/*"), arn("ec2", "volume/*")}
	image := "arn:" + *awscdk.Aws_PARTITION() + ":ec2:" + *awscdk.Aws_REGION() + "::image/*"
	var parameters []string
	for _, a := range architectures() {
		parameters = append(parameters, "arn:"+*awscdk.Aws_PARTITION()+":ssm:"+*awscdk.Aws_REGION()+"::parameter"+a.imageParameter())
	}
	return []grant{
		allow("ec2:RunInstances").on(made...).
			when("StringEquals", "aws:RequestTag/"+stackTag, stack).
			when("ArnEquals", "ec2:LaunchTemplate", templates...).
			because("what a launch makes has no name before; it must come from these templates and carry the tag"),
		allow("ec2:RunInstances").on(used...),
		allow("ec2:RunInstances").on(arn("ec2", "network-interface/*")).because("the launch makes it, and it has no name before"),
		allow("ec2:RunInstances").on(image).when("StringEquals", "ec2:Owner", "amazon").because("the newest image of Amazon has another id each week"),
		allow("ec2:CreateTags").on(made...).when("StringEquals", "ec2:CreateAction", "RunInstances").
			because("only what the same launch makes, which has no name before"),
		allow("iam:PassRole").on(*in.fleet.node.role.RoleArn(), *in.fleet.proxy.role.RoleArn()).
			when("StringEquals", "iam:PassedToService", "ec2.amazonaws.com"),
		allow("ssm:GetParameters").on(parameters...),
	}
}

// listGrant is for steps that look for what may be missing: of an object that is
// not there, S3 tells AccessDenied, not NoSuchKey, to who may not list.
func listGrant(f *functions) grant {
	return allow("s3:ListBucket").on(*f.results.BucketArn()).when("StringLike", "s3:prefix", "runs/*")
}

// teardownGrants names the stack in the condition: two stacks in one account must
// not end each other's fleets.
func teardownGrants(stack string) []grant {
	return append(unbalanceGrants(stack),
		allow("ec2:TerminateInstances").on(arn("ec2", "instance/*")).when("StringEquals", "aws:ResourceTag/"+stackTag, stack).because(taggedLater),
		allow("ec2:DescribeInstances").onAll().because(noResource),
	)
}
