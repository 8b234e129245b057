package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// step is one function: the same program as all others, told apart by its
// handler's name, with a role of its own.
type step struct {
	name        string
	does        string
	memory      float64                   // MB; at most 3,008, which is what new accounts may have
	seconds     float64                   // less than the timeout of each task that calls it
	groups      []awsec2.CfnSecurityGroup // in the VPC if any
	environment map[string]string         // beside what all have
	grants      []grant                   // beside its logs, and its interfaces in the VPC
}

// functions makes steps into Lambda functions and keeps them by name.
type functions struct {
	scope   constructs.Construct
	account account
	code    artifact
	network network
	results awss3.Bucket
	of      map[string]awslambda.Function
}

func newFunctions(stack awscdk.Stack, account account, code artifact, network network, results awss3.Bucket) *functions {
	return &functions{scope: constructs.NewConstruct(stack, jsii.String("Functions")), account: account, code: code, network: network, results: results, of: map[string]awslambda.Function{}}
}

// interfaceActions are what Lambda does under a VPC function's role when the
// function is made and deleted (AWS: "Giving Lambda functions access to resources
// in an Amazon VPC", required IAM permissions).
var interfaceActions = []string{
	"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
	"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
}

func (f *functions) add(s step) awslambda.Function {
	id := string(s.name[0]-'a'+'A') + s.name[1:]
	// No fixed name: the log group goes with the stack, and nothing of it is left.
	logs := awslogs.NewLogGroup(f.scope, jsii.String(id+"Logs"), &awslogs.LogGroupProps{
		Retention:     awslogs.RetentionDays_TWO_WEEKS,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	grants := append([]grant{
		allow("logs:CreateLogStream", "logs:PutLogEvents").on(*logs.LogGroupArn()),
	}, s.grants...)
	if len(s.groups) > 0 {
		grants = append(grants, allow(interfaceActions...).onAll().
			because("Lambda requires these on all to attach the function; the function's own code is denied them"))
	}
	role := f.account.newRole(f.scope, id+"Role", "lambda.amazonaws.com", "Fairlead step: "+s.name, grants...)

	environment := map[string]*string{
		"FAIRLEAD_STACK":  awscdk.Aws_STACK_NAME(),
		"FAIRLEAD_BUCKET": f.results.BucketName(),
	}
	for name, value := range s.environment {
		environment[name] = jsii.String(value)
	}
	props := &awslambda.FunctionProps{
		Description:  jsii.String("Fairlead: " + s.does),
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: awslambda.Architecture_ARM_64(),
		Handler:      jsii.String(s.name),
		Code:         awslambda.Code_FromBucketV2(f.code.asset.Bucket(), f.code.asset.S3ObjectKey(), nil),
		MemorySize:   jsii.Number(s.memory),
		Timeout:      awscdk.Duration_Seconds(jsii.Number(s.seconds)),
		Environment:  &environment,
		Role:         role,
		LogGroup:     logs,
	}
	if len(s.groups) > 0 {
		props.Vpc = f.network.vpc
		props.VpcSubnets = &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PUBLIC}
		// A function there gets no public address. It wants none: it calls instances
		// in the VPC, and S3 through the gateway endpoint.
		props.AllowPublicSubnet = jsii.Bool(true)
		var groups []awsec2.ISecurityGroup
		for i, group := range s.groups {
			groups = append(groups, awsec2.SecurityGroup_FromSecurityGroupId(f.scope, jsii.String(fmt.Sprint(id, "Group", i)),
				group.AttrGroupId(), &awsec2.SecurityGroupImportOptions{Mutable: jsii.Bool(false)}))
		}
		props.SecurityGroups = &groups
	}
	function := awslambda.NewFunction(f.scope, jsii.String(id), props)
	if len(s.groups) > 0 {
		f.keepInterfacesFrom(id, role, function)
	}
	f.of[s.name] = function
	return function
}

// keepInterfacesFrom leaves the interfaces to the Lambda service: calls that the
// function's own code makes carry the function's ARN and are denied. Under the one
// role of a student account nothing denies them.
func (f *functions) keepInterfacesFrom(id string, role awsiam.IRole, function awslambda.Function) {
	f.account.addPolicy(f.scope, id+"InterfacesPolicy", role,
		deny(append([]string{"ec2:DetachNetworkInterface"}, interfaceActions...)...).onAll().
			when("ArnEquals", "lambda:SourceFunctionArn", *function.FunctionArn()))
}
