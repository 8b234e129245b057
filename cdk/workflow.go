package main

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/fairlead/fairlead/workflows"
)

// newMachine inlines the definition: from a file, the CDK would put it into an
// asset, out of the golden template's sight.
func newMachine(stack awscdk.Stack, f *functions) awsstepfunctions.CfnStateMachine {
	tokens, called := fill(workflows.Benchmark, f)
	logs := awslogs.NewLogGroup(stack, jsii.String("MachineLogs"), &awslogs.LogGroupProps{
		// Log delivery adds each group to one resource policy of limited length, but for
		// groups under this prefix.
		LogGroupName:  jsii.String("/aws/vendedlogs/states/" + *awscdk.Aws_STACK_NAME()),
		Retention:     awslogs.RetentionDays_TWO_WEEKS,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	role := f.account.newRole(stack, "MachineRole", "states.amazonaws.com", "Fairlead state machine",
		allow("lambda:InvokeFunction").on(called...),
		// Vended logs and traces are authorized on no resource (AWS: "Logging using
		// CloudWatch Logs" and "X-Ray tracing" of Step Functions, IAM policies).
		allow("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
			"logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups").onAll().because(noResource),
		allow("xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets").onAll().because(noResource),
	)
	machine := awsstepfunctions.NewCfnStateMachine(stack, jsii.String("Benchmark"), &awsstepfunctions.CfnStateMachineProps{
		DefinitionString:        jsii.String(workflows.Benchmark),
		DefinitionSubstitutions: &tokens,
		RoleArn:                 role.RoleArn(),
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			// About 25 events a trial, $0.50 a gigabyte: what a failed run did can be read
			// here when its history is gone.
			Level:                jsii.String("ALL"),
			IncludeExecutionData: jsii.Bool(false),
			Destinations: &[]any{&awsstepfunctions.CfnStateMachine_LogDestinationProperty{
				CloudWatchLogsLogGroup: &awsstepfunctions.CfnStateMachine_CloudWatchLogsLogGroupProperty{LogGroupArn: logs.LogGroupArn()},
			}},
		},
		TracingConfiguration: &awsstepfunctions.CfnStateMachine_TracingConfigurationProperty{Enabled: jsii.Bool(true)},
	})
	// A Distributed Map starts its children as executions of the machine itself,
	// named <machine>/<label>:<id>.
	f.account.addPolicy(stack, "MachineChildrenPolicy", role,
		allow("states:StartExecution").on(*machine.AttrArn()),
		allow("states:DescribeExecution", "states:StopExecution").on(executions(machine, ":*"), executions(machine, "/*")).
			because(namedLater),
	)
	return machine
}

// executions names the machine's executions; the suffix is ":*" for those that
// were started by hand and "/*" for a Distributed Map's children.
func executions(machine awsstepfunctions.CfnStateMachine, suffix string) string {
	return arn("states", "execution:"+*machine.AttrName()+suffix)
}

// fill maps the definition's tokens, such as PlanFunction, to the functions' ARNs,
// and lists the ARNs. A token that names no function is a mistake in this source.
func fill(definition string, f *functions) (map[string]*string, []string) {
	tokens := map[string]*string{}
	var called []string
	for _, match := range regexp.MustCompile(`\$\{([^}]*)\}`).FindAllStringSubmatch(definition, -1) {
		token := match[1]
		if _, had := tokens[token]; had {
			continue
		}
		function, ok := f.of[strings.ToLower(strings.TrimSuffix(token, "Function"))]
		if !ok {
			panic(fmt.Sprintf("cdk: workflows/benchmark.asl.json has the token %s, which no function fills", token))
		}
		tokens[token] = function.FunctionArn()
		called = append(called, *function.FunctionArn())
	}
	return tokens, called
}
