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
	})
	// Costs can be told apart by it; instances get theirs from Launch. On the resources
	// alone: tags of the stack itself are set before its name is known.
	awscdk.Tags_Of(stack).Add(jsii.String(stackTag), awscdk.Aws_STACK_NAME(), &awscdk.TagProps{
		ExcludeResourceTypes: jsii.Strings("aws:cdk:stack"),
	})
	awscdk.Annotations_Of(stack).AcknowledgeWarning(jsii.String("@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified"),
		jsii.String("the object's key is a hash of its content: other code has another key"))

	lambdas := upload(stack, "Lambdas", programs["lambdas"])
	backend := upload(stack, "Backend", programs["backend"])
	proxy := upload(stack, "Proxy", programs["proxy"])

	account := newAccount(stack, o)
	network := newNetwork(stack)
	results := newResults(stack)
	fleet := newFleet(stack, account, network, backend, proxy)
	document := newDocument(stack)
	functions := newFunctions(stack, account, lambdas, network, results)
	addSteps(functions, stepInputs{
		account:  account,
		network:  network,
		fleet:    fleet,
		document: document,
		backend:  backend,
		proxy:    proxy,
		t0Lead:   newT0Lead(stack),
	})
	machine := newMachine(stack, functions)
	sweep := addSafety(stack, functions, machine)
	addObservability(stack, functions, machine, sweep)

	output(stack, "StateMachineArn", *machine.AttrArn(), "Start a run: aws stepfunctions start-execution --input '{}' --state-machine-arn <this>")
	output(stack, "ResultsBucket", *results.BucketName(), "Reports and what they were made of, under runs/<run>/.")
	output(stack, "JudgeFunction", *functions.of["judge"].FunctionName(), "Writes the report of what an aborted run has measured.")
	output(stack, "SweepFunction", *sweep.FunctionName(), "Ends what no running execution owns.")
	return stack
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
