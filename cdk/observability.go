package main

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"
)

const (
	// metricNamespace is the only one that the proxy and the sweep may write to.
	metricNamespace = "Fairlead"
	// ageMetric is the age of the stack's oldest instance in seconds, with the
	// dimension Stack alone. The sweep publishes it while an instance lives.
	ageMetric = "OldestInstanceAge"
)

// addDashboard makes one dashboard, $3 a month at list price.
func addDashboard(stack awscdk.Stack, f *functions, machine awsstepfunctions.CfnStateMachine) awscloudwatch.CfnDashboard {
	return awscloudwatch.NewCfnDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: awscdk.Aws_STACK_NAME(),
		DashboardBody: stack.ToJsonString(dashboard(f, machine), nil),
	})
}

// dashboard is the body as CloudWatch documents it: rows of three graphs. Runs come
// and go, so what they publish is found by search, by stack and cluster; a run is no
// dimension, since each new one would be a metric to pay for.
func dashboard(f *functions, machine awsstepfunctions.CfnStateMachine) map[string]any {
	rows := [][]graph{
		{
			{"Requests, by cluster", published("Requests", "Sum")},
			{"Latency by the proxy, ms", slices.Concat(published("Latency", "p50"), published("Latency", "p90"), published("Latency", "p99"))},
			{"Errors, by cluster", published("Errors", "Sum")},
		},
		{
			{"Healthy hosts of the proxy", published("HealthyHosts", "Minimum")},
			{"CPU of instances, %", everyInstance("CPUUtilization", 60)},
			{"CPU credits: balance and surplus spent", slices.Concat(everyInstance("CPUCreditBalance", 300), everyInstance("CPUSurplusCreditBalance", 300))},
		},
		{
			{"Load balancer: requests", balancers("LoadBalancer", "RequestCount", "Sum")},
			{"Load balancer: response time of nodes, s", slices.Concat(balancers("LoadBalancer", "TargetResponseTime", "p50"), balancers("LoadBalancer", "TargetResponseTime", "p99"))},
			{"Load balancer: healthy hosts", balancers("TargetGroup,LoadBalancer", "HealthyHostCount", "Minimum")},
		},
		{
			{"Function errors", eachFunction(f, "Errors", "Sum")},
			{"Function duration, ms", eachFunction(f, "Duration", "Maximum")},
			{"Function throttles", eachFunction(f, "Throttles", "Sum")},
		},
		{
			{"Executions", outcomes(machine)},
			{"Execution time, ms", []any{[]any{"AWS/States", "ExecutionTime", "StateMachineArn", machine.AttrArn(), map[string]any{"stat": "Maximum"}}}},
			{"Age of the oldest instance, s", []any{[]any{metricNamespace, ageMetric, "Stack", awscdk.Aws_STACK_NAME(), map[string]any{"stat": "Maximum", "period": 900}}}},
		},
	}
	const width, height = 8, 6
	var widgets []any
	for y, row := range rows {
		for x, g := range row {
			widgets = append(widgets, map[string]any{
				"type": "metric", "x": x * width, "y": y * height, "width": width, "height": height,
				"properties": map[string]any{
					"title": g.title, "view": "timeSeries", "period": 60,
					"region": awscdk.Aws_REGION(), "metrics": g.metrics,
				},
			})
		}
	}
	return map[string]any{"widgets": widgets}
}

type graph struct {
	title   string
	metrics []any
}

// published is what the proxy measures.
func published(metric, statistic string) []any {
	return search(fmt.Sprintf(`{%s,Stack,Cluster} MetricName="%s" Stack="%s"`, metricNamespace, metric, *awscdk.Aws_STACK_NAME()),
		statistic, 60, "${PROP('Dim.Cluster')} "+statistic)
}

// everyInstance is of the region: EC2 has no dimension for tags.
func everyInstance(metric string, period int) []any {
	return search(fmt.Sprintf(`{AWS/EC2,InstanceId} MetricName="%s"`, metric), "Average", period, "${PROP('Dim.InstanceId')} "+metric)
}

// balancers are those of this app: a load balancer's dimension is app/fl-…/…, and a
// term without quotes matches one word of the value (CloudWatch, "Search expression
// examples"). Their names hold a hash of the stack's name, which CloudFormation has
// no function for.
func balancers(dimensions, metric, statistic string) []any {
	return search(fmt.Sprintf(`{AWS/ApplicationELB,%s} MetricName="%s" LoadBalancer=fl`, dimensions, metric), statistic, 60, "${LABEL} "+statistic)
}

func search(terms, statistic string, period int, label string) []any {
	return []any{[]any{map[string]any{"expression": fmt.Sprintf("SEARCH('%s', '%s', %d)", terms, statistic, period), "label": label}}}
}

func eachFunction(f *functions, metric, statistic string) []any {
	var all []any
	for _, name := range names(f) {
		all = append(all, []any{"AWS/Lambda", metric, "FunctionName", f.of[name].FunctionName(), map[string]any{"label": name, "stat": statistic}})
	}
	return all
}

func outcomes(machine awsstepfunctions.CfnStateMachine) []any {
	var all []any
	for _, metric := range []string{"ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"} {
		all = append(all, []any{"AWS/States", metric, "StateMachineArn", machine.AttrArn(), map[string]any{"stat": "Sum"}})
	}
	return all
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
