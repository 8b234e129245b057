package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

// ageLimit is when an instance has outlived everything that should have ended it:
// a plan's time to live is at most 170 minutes and the expiry 10 minutes later
// (internal/steps/plan.go), and a sweep comes within the quarter of an hour.
const ageLimit = (3*60 + 10) * 60 // seconds

// alarm is one rule, written as the operator reads it. Missing data is no alarm:
// between runs there is none.
type alarm struct {
	id, says          string
	namespace, metric string
	dimension, value  string
	statistic         string
	above             float64
}

// addAlarms makes three alarms over four metrics, which is what is billed: $0.10 a
// month each at list price. They cover what costs money unseen. An abort is the
// operator's own doing. No action is set: that takes an address, and the console
// adds one.
func addAlarms(stack awscdk.Stack, machine awsstepfunctions.CfnStateMachine, sweep awslambda.Function) {
	for _, a := range []alarm{
		{
			id: "SweepFailed", says: "Fairlead: a sweep failed, so instances may be running that nobody ends.",
			namespace: "AWS/Lambda", metric: "Errors", dimension: "FunctionName", value: *sweep.FunctionName(), statistic: "Sum", above: 0,
		},
		{
			id: "FleetTooOld", says: "Fairlead: an instance lives on after the last moment at which the sweep should have ended it.",
			namespace: metricNamespace, metric: ageMetric, dimension: "Stack", value: *awscdk.Aws_STACK_NAME(), statistic: "Maximum", above: ageLimit,
		},
	} {
		awscloudwatch.NewCfnAlarm(stack, jsii.String(a.id), &awscloudwatch.CfnAlarmProps{
			AlarmDescription:   jsii.String(a.says),
			Namespace:          jsii.String(a.namespace),
			MetricName:         jsii.String(a.metric),
			Dimensions:         dimensions(a.dimension, a.value),
			Statistic:          jsii.String(a.statistic),
			Period:             jsii.Number(900),
			EvaluationPeriods:  jsii.Number(1),
			Threshold:          jsii.Number(a.above),
			ComparisonOperator: jsii.String("GreaterThanThreshold"),
			TreatMissingData:   jsii.String("notBreaching"),
		})
	}

	ended := func(id, metric string) any {
		return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
			Id: jsii.String(id),
			MetricStat: &awscloudwatch.CfnAlarm_MetricStatProperty{
				Metric: &awscloudwatch.CfnAlarm_MetricProperty{
					Namespace: jsii.String("AWS/States"), MetricName: jsii.String(metric),
					Dimensions: dimensions("StateMachineArn", *machine.AttrArn()),
				},
				Period: jsii.Number(300),
				Stat:   jsii.String("Sum"),
			},
			ReturnData: jsii.Bool(false),
		}
	}
	awscloudwatch.NewCfnAlarm(stack, jsii.String("RunFailed"), &awscloudwatch.CfnAlarmProps{
		AlarmDescription: jsii.String("Fairlead: a run failed or timed out; its receipt says what was ended and what is left."),
		Metrics: &[]any{
			ended("failed", "ExecutionsFailed"),
			ended("timedout", "ExecutionsTimedOut"),
			&awscloudwatch.CfnAlarm_MetricDataQueryProperty{
				Id: jsii.String("runs"), Label: jsii.String("runs that failed or timed out"),
				// Either may have no data while the other has some.
				Expression: jsii.String("SUM([FILL(failed, 0), FILL(timedout, 0)])"),
				ReturnData: jsii.Bool(true),
			},
		},
		EvaluationPeriods:  jsii.Number(1),
		Threshold:          jsii.Number(0),
		ComparisonOperator: jsii.String("GreaterThanThreshold"),
		TreatMissingData:   jsii.String("notBreaching"),
	})
}

func dimensions(name, value string) *[]any {
	return &[]any{&awscloudwatch.CfnAlarm_DimensionProperty{Name: jsii.String(name), Value: jsii.String(value)}}
}
