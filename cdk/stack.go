package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/jsii-runtime-go"
)

// newStack puts the parts together, in the order in which they need each other.
func newStack(app awscdk.App, o options, programs map[string]program) awscdk.Stack {
	stack := awscdk.NewStack(app, jsii.String(o.stack), &awscdk.StackProps{
		Synthesizer: synthesizer(o),
		Description: jsii.String("Fairlead: benchmarks of load balancers, strategies and instance types."),
		Tags:        &map[string]*string{stackTag: jsii.String(o.stack)},
	})
	// Costs can be told apart by it; instances get theirs from Launch. On the resources
	// under whatever name the template is deployed; on the stack itself, above, under
	// the name that the CDK gives it.
	awscdk.Tags_Of(stack).Add(jsii.String(stackTag), awscdk.Aws_STACK_NAME(), &awscdk.TagProps{
		ExcludeResourceTypes: jsii.Strings("aws:cdk:stack"),
	})
	awscdk.Annotations_Of(stack).AcknowledgeWarning(jsii.String("@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified"),
		jsii.String("the object's key is a hash of its content: other code has another key"))

	lambdas := upload(stack, "Lambdas", programs["lambdas"])
	backend := map[architecture]artifact{}
	proxy := map[architecture]artifact{}
	for _, a := range architectures() {
		backend[a] = upload(stack, "Backend"+a.id, programs[a.asset("backend")])
		proxy[a] = upload(stack, "Proxy"+a.id, programs[a.asset("proxy")])
	}

	account := newAccount(stack, o)
	network := newNetwork(stack, o)
	results := newResults(stack, o)
	fleet := newFleet(stack, account, network, backend, proxy)
	document := newDocument(stack)
	functions := newFunctions(stack, account, lambdas, network, results)
	addSteps(functions, stepInputs{
		account:  account,
		network:  network,
		fleet:    fleet,
		document: document,
		t0Lead:   newT0Lead(stack),
	})
	machine := newMachine(stack, functions)
	sweep := addSafety(stack, functions, machine)
	addAlarms(stack, machine, sweep)
	dashboard := addDashboard(stack, functions, machine)

	region, arn := *awscdk.Aws_REGION(), *machine.AttrArn()
	output(stack, "StateMachineArn", arn, "The workflow that runs a benchmark.")
	output(stack, "StartCommand", "aws stepfunctions start-execution --state-machine-arn "+arn+" --input '{}' --region "+region,
		"Starts a run of the default plan.")
	output(stack, "ConsoleUrl", console("states/home?region="+region+"#/statemachines/view/"+arn),
		"The workflow in the console: \"Start execution\" with the input {} starts a run.")
	output(stack, "DashboardUrl", console("cloudwatch/home?region="+region+"#dashboards/dashboard/"+*dashboard.Ref()),
		"Requests, latency, CPU, errors and executions.")
	output(stack, "ResultsBucket", *results.BucketName(), "Reports and what they were made of, under runs/<run>/.")
	output(stack, "JudgeFunction", *functions.of["judge"].FunctionName(), "Writes the report of what an aborted run has measured.")
	output(stack, "SweepFunction", *sweep.FunctionName(), "Ends what no running execution owns.")
	if !o.keepResults {
		output(stack, "EmptyCommand", "aws s3 rm s3://"+*results.BucketName()+" --recursive --region "+region,
			"Run it before `cdk destroy`: CloudFormation deletes an empty bucket only.")
	}
	return stack
}

// console is a page of the region's console. China's and GovCloud's have domains of
// their own (amazonaws.cn, amazonaws-us-gov.com): there the address needs a hand.
func console(page string) string {
	return "https://" + *awscdk.Aws_REGION() + ".console.aws.amazon.com/" + page
}

// artifact is a program in the bootstrap bucket, where the deployment puts it.
type artifact struct {
	asset  awss3assets.Asset
	sha256 string
}

func upload(stack awscdk.Stack, id string, from program) artifact {
	return artifact{
		asset:  awss3assets.NewAsset(stack, jsii.String(id), &awss3assets.AssetProps{Path: jsii.String(from.path)}),
		sha256: from.sha256,
	}
}

func (a artifact) uri() string {
	return "s3://" + *a.asset.S3BucketName() + "/" + *a.asset.S3ObjectKey()
}

// arn is the one object's, since Asset.GrantRead would open the whole bucket.
func (a artifact) arn() string {
	return "arn:" + *awscdk.Aws_PARTITION() + ":s3:::" + *a.asset.S3BucketName() + "/" + *a.asset.S3ObjectKey()
}

// newT0Lead is the time between Aim and the first request of a trial. Workers
// start within it; a local cloud, whose workers start in milliseconds, takes less.
func newT0Lead(stack awscdk.Stack) string {
	parameter := awscdk.NewCfnParameter(stack, jsii.String("T0Lead"), &awscdk.CfnParameterProps{
		Type:           jsii.String("String"),
		Default:        jsii.String("10s"),
		AllowedPattern: jsii.String(`^[0-9]{1,5}([.][0-9]{1,3})?(ms|s)$`),
		Description:    jsii.String("Time between the naming of a trial's first instant and that instant, such as 10s or 500ms."),
	})
	return *parameter.ValueAsString()
}

func output(stack awscdk.Stack, id, value, description string) {
	awscdk.NewCfnOutput(stack, jsii.String(id), &awscdk.CfnOutputProps{
		Value:       jsii.String(value),
		Description: jsii.String(description),
	})
}
