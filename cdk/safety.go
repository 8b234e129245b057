package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

// addSafety is what ends a fleet whose execution could not: no Catch sees an
// abort, the machine's timeout or a runtime failure. The event tells at once,
// but is best effort; the schedule is the guarantee.
func addSafety(stack awscdk.Stack, f *functions, machine awsstepfunctions.CfnStateMachine) awslambda.Function {
	name := *awscdk.Aws_STACK_NAME()
	sweep := f.add(step{
		name: "sweep", does: "ends what no running execution owns", memory: 512, seconds: 300,
		environment: map[string]string{"FAIRLEAD_MACHINE": *machine.AttrArn()},
		grants: append(teardownGrants(name),
			allow("s3:GetObject", "s3:PutObject").on(objects(f.results, "runs/*")).because(namedLater),
			listGrant(f),
			allow("states:DescribeExecution").on(executions(machine, ":*")).because(namedLater),
			allow("states:ListExecutions").on(*machine.AttrArn()),
			// Whose a load balancer is: its name tells of the stack, its tags of the run.
			allow("elasticloadbalancing:DescribeTags").onAll().because(noResource),
			publishGrant(),
		),
	})
	trigger(stack, "EndedBadly", sweep, &awsevents.CfnRuleProps{
		Description: jsii.String("Fairlead: an execution failed, timed out or was aborted."),
		EventPattern: map[string]any{
			"source":      []any{"aws.states"},
			"detail-type": []any{"Step Functions Execution Status Change"},
			"detail": map[string]any{
				"status": []any{"FAILED", "TIMED_OUT", "ABORTED"},
				// Exactly: a Distributed Map's children end under <this ARN>/<label>, and a
				// failed one is no reason to sweep a run that goes on.
				"stateMachineArn": []any{machine.AttrArn()},
			},
		},
	})
	trigger(stack, "EveryQuarter", sweep, &awsevents.CfnRuleProps{
		Description:        jsii.String("Fairlead: ends what is past its expiry or whose execution is not running."),
		ScheduleExpression: jsii.String("rate(15 minutes)"),
	})
	return sweep
}

// trigger lets a rule, and only it, invoke the function.
func trigger(stack awscdk.Stack, id string, function awslambda.Function, props *awsevents.CfnRuleProps) {
	props.Targets = &[]any{&awsevents.CfnRule_TargetProperty{Id: jsii.String("sweep"), Arn: function.FunctionArn()}}
	rule := awsevents.NewCfnRule(stack, jsii.String(id), props)
	awslambda.NewCfnPermission(stack, jsii.String(id+"Permission"), &awslambda.CfnPermissionProps{
		Action:       jsii.String("lambda:InvokeFunction"),
		FunctionName: function.FunctionArn(),
		Principal:    jsii.String("events.amazonaws.com"),
		SourceArn:    rule.AttrArn(),
	})
}
