package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestDashboard: each thing that the operator looks for has its graph, drawn from
// metrics of a known kind.
func TestDashboard(t *testing.T) {
	d := parse(t)
	for id, dashboard := range d.each("AWS::CloudWatch::Dashboard") {
		var body struct {
			Widgets []struct {
				X, Y, Width, Height int
				Properties          struct {
					Title, Region string
					Metrics       [][]any
				}
			}
		}
		if err := json.Unmarshal([]byte(text(dashboard.Properties["DashboardBody"])), &body); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		drawn := map[string]int{}
		places := map[string]string{}
		for _, w := range body.Widgets {
			if w.X+w.Width > 24 || len(w.Properties.Metrics) == 0 || w.Properties.Region != "${AWS::Region}" {
				t.Errorf("%q: at %d+%d of 24 columns, of %s, %d metrics", w.Properties.Title, w.X, w.Width, w.Properties.Region, len(w.Properties.Metrics))
			}
			place := fmt.Sprint(w.X, ",", w.Y)
			if other := places[place]; other != "" {
				t.Errorf("%q and %q are at the same place", w.Properties.Title, other)
			}
			places[place] = w.Properties.Title
			for _, metric := range w.Properties.Metrics {
				drawn[drawnAs(metric)]++
			}
		}
		for _, want := range []string{
			"Fairlead Requests Sum", "Fairlead Errors Sum", "Fairlead HealthyHosts Minimum",
			"Fairlead Latency p50", "Fairlead Latency p90", "Fairlead Latency p99", "Fairlead OldestInstanceAge Maximum",
			"AWS/EC2 CPUUtilization Average", "AWS/EC2 CPUCreditBalance Average", "AWS/EC2 CPUSurplusCreditBalance Average",
			"AWS/ApplicationELB RequestCount Sum", "AWS/ApplicationELB TargetResponseTime p50", "AWS/ApplicationELB TargetResponseTime p99",
			"AWS/ApplicationELB HealthyHostCount Minimum",
			"AWS/States ExecutionsStarted Sum", "AWS/States ExecutionsSucceeded Sum", "AWS/States ExecutionsFailed Sum",
			"AWS/States ExecutionsTimedOut Sum", "AWS/States ExecutionsAborted Sum",
		} {
			if drawn[want] == 0 {
				t.Errorf("no graph of %s; there are %q", want, slices.Sorted(maps.Keys(drawn)))
			}
		}
		for _, each := range []string{"AWS/Lambda Errors Sum", "AWS/Lambda Duration Maximum", "AWS/Lambda Throttles Sum"} {
			if drawn[each] != len(d.steps()) {
				t.Errorf("%d graphs of %s for %d functions", drawn[each], each, len(d.steps()))
			}
		}
	}
}

// drawnAs names a widget's metric, whether given or searched for: namespace, metric
// and statistic.
func drawnAs(metric []any) string {
	options, _ := metric[len(metric)-1].(map[string]any)
	expression := text(options["expression"])
	if expression == "" {
		return fmt.Sprint(metric[0], " ", metric[1], " ", options["stat"])
	}
	_, rest, _ := strings.Cut(expression, "{")
	namespace, rest, _ := strings.Cut(rest, ",")
	_, rest, _ = strings.Cut(rest, `MetricName="`)
	name, rest, _ := strings.Cut(rest, `"`)
	return namespace + " " + name + " " + strings.Split(rest, "'")[2]
}

// TestAlarms: few, since each metric in one is billed, and with a threshold above
// whatever is right.
func TestAlarms(t *testing.T) {
	d := parse(t)
	metrics := 0
	var ids []string
	for id, alarm := range d.each("AWS::CloudWatch::Alarm") {
		ids = append(ids, id)
		metrics++
		if queries := list(alarm.Properties["Metrics"]); len(queries) > 0 {
			metrics += len(queries) - 2 // but the expression, and the one counted
		}
		if text(alarm.Properties["AlarmDescription"]) == "" {
			t.Errorf("%s does not say what is wrong when it rings", id)
		}
	}
	if want := []string{"FleetTooOld", "RunFailed", "SweepFailed"}; !slices.Equal(ids, want) || metrics != 4 {
		t.Errorf("alarms %v over %d metrics, want %v over 4", ids, metrics, want)
	}
	// Nothing may live longer than 170 + 10 minutes, and the sweep comes every 15: an
	// alarm at three hours would ring for what the next sweep ends.
	if limit, _ := d.properties("FleetTooOld")["Threshold"].(float64); limit <= 180*60 || limit > 195*60 {
		t.Errorf("FleetTooOld rings after %v s", limit)
	}
}

func TestLogsAndTraces(t *testing.T) {
	d := parse(t)
	_, machine, _ := machine(t, d)
	if at(machine, "TracingConfiguration", "Enabled") != true {
		t.Error("the machine does not trace")
	}
	if level := text(at(machine, "LoggingConfiguration", "Level")); level != "ERROR" && level != "ALL" {
		t.Errorf("the machine logs %q", level)
	}
	if text(at(machine, "LoggingConfiguration", "Destinations", 0, "CloudWatchLogsLogGroup", "LogGroupArn")) == "" {
		t.Error("the machine logs to nowhere")
	}
}
