package main

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
)

// stepInputs is what the steps' grants and environments name.
type stepInputs struct {
	account        account
	network        network
	fleet          fleet
	document       awsssm.CfnDocument
	backend, proxy artifact
	t0Lead         string
}

// addSteps makes the functions that the state machine calls. Each row's grants
// are all that its code may do.
func addSteps(f *functions, in stepInputs) {
	stack := *awscdk.Aws_STACK_NAME()
	runs := objects(f.results, "runs/*")
	trials := objects(f.results, "runs/*/trials/*")
	readWrite := allow("s3:GetObject", "s3:PutObject").on(runs)
	list := listGrant(f)
	workers := []awsec2.CfnSecurityGroup{in.network.workers}

	for _, s := range []step{
		{
			name: "plan", does: "validates the input, prices the run, writes the plan", memory: 512, seconds: 60,
			environment: planEnvironment(in),
			grants:      []grant{readWrite},
		},
		{
			name: "launch", does: "starts one group of instances", memory: 512, seconds: 60,
			grants: append(launchGrants(in, stack), readWrite, list),
		},
		{
			name: "setup", does: "installs and starts the programs through SSM", memory: 256, seconds: 300,
			grants: []grant{
				allow("ssm:SendCommand").on(arn("ssm", "document/"+*in.document.Ref())),
				allow("ssm:SendCommand").on(arn("ec2", "instance/*")).when("StringEquals", "ssm:resourceTag/"+stackTag, stack),
				allow("ssm:GetCommandInvocation", "ssm:DescribeInstanceInformation").onAll(),
				allow("s3:GetObject").on(runs),
			},
		},
		{
			name: "ready", does: "looks that the fleet is whole and writes down who is in it", memory: 256, seconds: 120,
			grants: []grant{
				allow("ec2:DescribeInstances").onAll(),
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
			grants: []grant{allow("s3:GetObject", "s3:PutObject").on(trials)},
		},
		{
			name: "merge", does: "adds up a trial's shards", memory: 1024, seconds: 120,
			grants: []grant{readWrite, list},
		},
		{
			name: "teardown", does: "ends the run's instances and writes the receipt", memory: 512, seconds: 300,
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
	return map[string]string{
		"FAIRLEAD_ACCOUNT":                in.account.kind(),
		"FAIRLEAD_T0_LEAD":                in.t0Lead,
		"FAIRLEAD_NODE_TEMPLATE":          *in.fleet.node.template.Ref(),
		"FAIRLEAD_NODE_TEMPLATE_VERSION":  *in.fleet.node.template.AttrLatestVersionNumber(),
		"FAIRLEAD_PROXY_TEMPLATE":         *in.fleet.proxy.template.Ref(),
		"FAIRLEAD_PROXY_TEMPLATE_VERSION": *in.fleet.proxy.template.AttrLatestVersionNumber(),
		"FAIRLEAD_SUBNETS":                strings.Join(in.network.subnetIDs(), ","),
		"FAIRLEAD_DOCUMENT":               *in.document.Ref(),
		"FAIRLEAD_BACKEND_URI":            in.backend.uri(),
		"FAIRLEAD_BACKEND_SHA256":         in.backend.sha256,
		"FAIRLEAD_PROXY_URI":              in.proxy.uri(),
		"FAIRLEAD_PROXY_SHA256":           in.proxy.sha256,
	}
}

// launchGrants follows how EC2 authorizes RunInstances: once for each resource
// that the call makes or uses, each with condition keys of its own (service
// authorization reference, Amazon EC2, RunInstances).
func launchGrants(in stepInputs, stack string) []grant {
	templates := []string{in.fleet.node.arn(), in.fleet.proxy.arn()}
	used := append([]string{}, templates...)
	for _, subnet := range in.network.subnetIDs() {
		used = append(used, arn("ec2", "subnet/"+subnet))
	}
	for _, group := range []awsec2.CfnSecurityGroup{in.network.nodes, in.network.proxy} {
		used = append(used, arn("ec2", "security-group/"+*group.AttrGroupId()))
	}
	made := []string{arn("ec2", "instance/*"), arn("ec2", "volume/*")}
	image := "arn:" + *awscdk.Aws_PARTITION() + ":ec2:" + *awscdk.Aws_REGION() + "::image/*"
	parameter := "arn:" + *awscdk.Aws_PARTITION() + ":ssm:" + *awscdk.Aws_REGION() + "::parameter" + imageParameter
	return []grant{
		allow("ec2:RunInstances").on(made...).
			when("StringEquals", "aws:RequestTag/"+stackTag, stack).
			when("ArnEquals", "ec2:LaunchTemplate", templates...),
		allow("ec2:RunInstances").on(used...),
		allow("ec2:RunInstances").on(arn("ec2", "network-interface/*")),
		allow("ec2:RunInstances").on(image).when("StringEquals", "ec2:Owner", "amazon"),
		allow("ec2:CreateTags").on(made...).when("StringEquals", "ec2:CreateAction", "RunInstances"),
		allow("iam:PassRole").on(*in.fleet.node.role.RoleArn(), *in.fleet.proxy.role.RoleArn()).
			when("StringEquals", "iam:PassedToService", "ec2.amazonaws.com"),
		allow("ssm:GetParameters").on(parameter),
	}
}

// listGrant is for steps that look for what may be missing: of an object that is
// not there, S3 tells AccessDenied, not NoSuchKey, to who may not list.
func listGrant(f *functions) grant {
	return allow("s3:ListBucket").on(*f.results.BucketArn()).when("StringLike", "s3:prefix", "runs/*")
}

// teardownGrants names the stack in the condition: two stacks in one account must
// not end each other's instances.
func teardownGrants(stack string) []grant {
	return []grant{
		allow("ec2:TerminateInstances").on(arn("ec2", "instance/*")).when("StringEquals", "aws:ResourceTag/"+stackTag, stack),
		allow("ec2:DescribeInstances").onAll(),
	}
}
