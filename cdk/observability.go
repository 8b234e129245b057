package main

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

// metricNamespace is the only one that the proxy may write to.
const metricNamespace = "Fairlead"

// addObservability makes one dashboard ($3 a month at list price) and one alarm
// ($0.10): a sweep that fails is the one failure that costs money unseen.
func addObservability(stack awscdk.Stack, f *functions, machine awsstepfunctions.CfnStateMachine, sweep awslambda.Function) {
	awscloudwatch.NewCfnDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: awscdk.Aws_STACK_NAME(),
		DashboardBody: stack.ToJsonString(dashboard(f, machine), nil),
	})
	awscloudwatch.NewCfnAlarm(stack, jsii.String("SweepFailed"), &awscloudwatch.CfnAlarmProps{
		AlarmDescription: jsii.String("Fairlead: a sweep failed, so instances may be running that nobody ends."),
		Namespace:        jsii.String("AWS/Lambda"),
		MetricName:       jsii.String("Errors"),
		Dimensions: &[]any{&awscloudwatch.CfnAlarm_DimensionProperty{
			Name: jsii.String("FunctionName"), Value: sweep.FunctionName(),
		}},
		Statistic:          jsii.String("Sum"),
		Period:             jsii.Number(900),
		EvaluationPeriods:  jsii.Number(1),
		Threshold:          jsii.Number(0),
		ComparisonOperator: jsii.String("GreaterThanThreshold"),
		TreatMissingData:   jsii.String("notBreaching"),
	})
}

// dashboard is the body as CloudWatch documents it. Runs come and go, so what
// they publish is found by search, by stack and cluster; a run is no dimension,
// since each new one would be a metric to pay for.
func dashboard(f *functions, machine awsstepfunctions.CfnStateMachine) map[string]any {
	published := func(metric, statistic string) []any {
		search := fmt.Sprintf(`SEARCH('{%s,Stack,Cluster} MetricName="%s" Stack="%s"', '%s', 60)`,
			metricNamespace, metric, *awscdk.Aws_STACK_NAME(), statistic)
		return []any{[]any{map[string]any{"expression": search, "label": "${PROP('Dim.Cluster')}"}}}
	}
	var failures []any
	for _, name := range names(f) {
		failures = append(failures, []any{"AWS/Lambda", "Errors", "FunctionName", f.of[name].FunctionName(), map[string]any{"label": name}})
	}
	var outcomes []any
	for _, metric := range []string{"ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"} {
		outcomes = append(outcomes, []any{"AWS/States", metric, "StateMachineArn", machine.AttrArn()})
	}
	// EC2 has no dimension for tags: this shows each instance of the region.
	cpu := []any{[]any{map[string]any{"expression": `SEARCH('{AWS/EC2,InstanceId} MetricName="CPUUtilization"', 'Average', 60)`}}}

	widgets := []any{
		widget(0, 0, "Requests", "Sum", published("Requests", "Sum")),
		widget(8, 0, "Latency, ms (p99)", "p99", published("Latency", "p99")),
		widget(16, 0, "Errors", "Sum", published("Errors", "Sum")),
		widget(0, 6, "Healthy hosts", "Minimum", published("HealthyHosts", "Minimum")),
		widget(8, 6, "CPU of instances, %", "Average", cpu),
		widget(16, 6, "Function errors", "Sum", failures),
		widget(0, 12, "Executions", "Sum", outcomes),
	}
	return map[string]any{"widgets": widgets}
}

func widget(x, y int, title, statistic string, metrics []any) map[string]any {
	return map[string]any{
		"type": "metric", "x": x, "y": y, "width": 8, "height": 6,
		"properties": map[string]any{
			"title": title, "view": "timeSeries", "stat": statistic, "period": 60,
			"region": awscdk.Aws_REGION(), "metrics": metrics,
		},
	}
}

// names of the functions, sorted, so that the template is the same each time.
func names(f *functions) []string {
	var all []string
	for name := range f.of {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
