package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/fairlead/fairlead/internal/steps"
	"github.com/fairlead/fairlead/local"
)

// answering is a configuration whose every call gets this JSON answer.
func answering(t *testing.T, status int, body string) aws.Config {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	return aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
}

func TestCommands(t *testing.T) {
	of := func(status int, body string) commands { return commands{ssm.NewFromConfig(answering(t, status, body))} }
	online, err := of(200, `{"InstanceInformationList": [{"InstanceId": "i-1", "PingStatus": "Online"}, {"InstanceId": "i-2", "PingStatus": "ConnectionLost"}]}`).Online(t.Context(), []string{"i-1", "i-2"})
	if err != nil || len(online) != 1 || online[0] != "i-1" {
		t.Errorf("online: %v, %v", online, err)
	}
	online, err = of(400, `{"__type": "InvalidInstanceId", "message": "not registered"}`).Online(t.Context(), []string{"i-1"})
	if err != nil || len(online) != 0 {
		t.Errorf("an instance whose agent has not registered is waited for, not a failure: %v, %v", online, err)
	}
	online, err = of(400, `{"__type": "AccessDeniedException", "message": "no"}`).Online(t.Context(), []string{"i-1"})
	if err == nil {
		t.Errorf("a denied call must not be waited for: %v", online)
	}
	if id, err := of(200, `{"Command": {"CommandId": "c-1"}}`).Send(t.Context(), steps.Command{Document: "d", Instance: "i-1"}); err != nil || id != "c-1" {
		t.Errorf("send: %q, %v", id, err)
	}
	if _, err := of(400, `{"__type": "InvalidInstanceId", "message": "not registered"}`).Send(t.Context(), steps.Command{Document: "d", Instance: "i-1"}); !errors.Is(err, steps.ErrNotYet) {
		t.Errorf("an unregistered instance: %v", err)
	}
	if _, err := of(400, `{"__type": "AccessDeniedException", "message": "no"}`).Send(t.Context(), steps.Command{Document: "d", Instance: "i-1"}); err == nil || errors.Is(err, steps.ErrNotYet) {
		t.Errorf("a denied call must not be waited for: %v", err)
	}
	r, err := of(200, `{"Status": "Failed", "StatusDetails": "Failed", "StandardErrorContent": "bad"}`).Result(t.Context(), "c-1", "i-1")
	if err != nil || r.Status != "Failed" || r.Stderr != "bad" {
		t.Errorf("result: %+v, %v", r, err)
	}
	if _, err := of(400, `{"__type": "InvocationDoesNotExist", "message": ""}`).Result(t.Context(), "c-1", "i-1"); !errors.Is(err, steps.ErrNotYet) {
		t.Errorf("an invocation not known yet: %v", err)
	}
}

func TestExecutions(t *testing.T) {
	status, err := executions{sfn.NewFromConfig(answering(t, 200, `{"status": "ABORTED"}`)), "m"}.Status(t.Context(), "arn")
	if err != nil || status != "ABORTED" {
		t.Errorf("%q, %v", status, err)
	}
	_, err = executions{sfn.NewFromConfig(answering(t, 400, `{"__type": "ExecutionDoesNotExist", "message": "no"}`)), "m"}.Status(t.Context(), "arn")
	if !errors.Is(err, steps.ErrNotFound) {
		t.Errorf("an unknown execution: %v", err)
	}
	_, err = executions{sfn.NewFromConfig(answering(t, 400, `{"__type": "AccessDeniedException", "message": "no"}`)), "m"}.Status(t.Context(), "arn")
	if err == nil || errors.Is(err, steps.ErrNotFound) || !strings.Contains(err.Error(), "arn") {
		t.Errorf("a denied call must not pass for an unknown execution: %v", err)
	}
}

// TestStoppedExecutions: one that stopped before is old news, and one that
// started too long ago to have stopped since ends the listing.
func TestStoppedExecutions(t *testing.T) {
	now := time.Now()
	list := func(more string, ages ...float64) string {
		var items []string
		for i, hours := range ages {
			items = append(items, fmt.Sprintf(`{"executionArn": "x-%d", "startDate": %d, "stopDate": %d}`, i, now.Unix()-int64(hours*3600), now.Unix()-int64(hours*3600)+60))
		}
		return `{"executions": [` + strings.Join(items, ", ") + `]` + more + `}`
	}
	since := now.Add(-30 * time.Minute)
	// Each of the three statuses gets this answer, and none asks for the next page.
	arns, err := executions{sfn.NewFromConfig(answering(t, 200, list(`, "nextToken": "more"`, 0.1, 1, 4))), "m"}.Stopped(t.Context(), since)
	if err != nil || strings.Join(arns, " ") != "x-0 x-0 x-0" {
		t.Errorf("%v, %v", arns, err)
	}
	_, err = executions{sfn.NewFromConfig(answering(t, 400, `{"__type": "AccessDeniedException", "message": "no"}`)), "m"}.Stopped(t.Context(), since)
	if err == nil || !strings.Contains(err.Error(), "list ABORTED executions") {
		t.Errorf("a denied call: %v", err)
	}
}

func TestMetrics(t *testing.T) {
	cloud, err := local.Start(t.Context(), local.Config{Registry: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := cloud.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	k := cloud.OperatorCredentials()
	api := cloudwatch.NewFromConfig(aws.Config{
		Region: cloud.Region(), BaseEndpoint: aws.String(cloud.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, ""),
	})
	began := time.Now()
	if err := (metrics{api, "fl"}).OldestInstance(t.Context(), 90*time.Second); err != nil {
		t.Fatal(err)
	}
	out, err := api.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{
		StartTime: aws.Time(began.Truncate(time.Minute)), EndTime: aws.Time(began.Add(2 * time.Minute)),
		MetricDataQueries: []types.MetricDataQuery{{Id: aws.String("age"), MetricStat: &types.MetricStat{
			Period: aws.Int32(60), Stat: aws.String("Maximum"), Metric: &types.Metric{
				Namespace: aws.String("Fairlead"), MetricName: aws.String("OldestInstanceAge"),
				Dimensions: []types.Dimension{{Name: aws.String("Stack"), Value: aws.String("fl")}},
			},
		}}},
	})
	if err != nil || len(out.MetricDataResults) != 1 || !slices.Equal(out.MetricDataResults[0].Values, []float64{90}) {
		t.Errorf("read back %+v, %v", out, err)
	}
}
