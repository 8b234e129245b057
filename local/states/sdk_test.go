package states_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
	"github.com/fairlead/fairlead/local/states"
)

// echo is a Lambda service whose every function gives its payload back.
type echo struct{}

func (echo) Invoke(_ context.Context, _ string, payload []byte) (states.InvokeResult, error) {
	return states.InvokeResult{StatusCode: 200, ExecutedVersion: "$LATEST", Payload: payload}, nil
}

const definition = `{"QueryLanguage":"JSONata","StartAt":"T","States":{
	"T":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":"{% $states.input %}"},"TimeoutSeconds":9,
		"Assign":{"n":"{% $states.result.Payload.n %}"},"Output":"{% $states.result.Payload %}","Next":"C"},
	"C":{"Type":"Choice","Choices":[{"Condition":"{% $n = 0 %}","Next":"F"},{"Condition":"{% $n < 0 %}","Next":"W"}],"Default":"M"},
	"F":{"Type":"Fail","Error":"Zero","Cause":"n is 0"},
	"W":{"Type":"Wait","Seconds":3600,"End":true},
	"M":{"Type":"Map","Items":"{% [1..$n] %}","Label":"ones","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},
		"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}}}`

// clients makes the service behind a gateway, and SDK clients of the operator
// and of a role that may start executions of machine m only.
func clients(t *testing.T) (operator, limited *sfn.Client, arn string) {
	t.Helper()
	store := iam.NewStore("000000000000")
	put := func(name, service, statement string) iam.Role {
		trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		policy, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[` + statement + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		role := iam.Role{Name: name, ARN: "arn:aws:iam::000000000000:role/" + name, Trust: trust, Policies: map[string]iam.Document{"p": policy}}
		if err := store.PutRole(role); err != nil {
			t.Fatal(err)
		}
		return role
	}
	machine := put("machine", "states.amazonaws.com", `{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f"},
		{"Effect":"Allow","Action":"states:StartExecution","Resource":"arn:aws:states:us-east-1:000000000000:stateMachine:m"},
		{"Effect":"Allow","Action":["states:DescribeExecution","states:StopExecution"],"Resource":"arn:aws:states:us-east-1:000000000000:execution:m/*"}`)
	starter := put("starter", "lambda.amazonaws.com", `{"Effect":"Allow","Action":"states:StartExecution","Resource":"arn:aws:states:us-east-1:000000000000:stateMachine:m"}`)
	keys, _, err := store.AssumeRole(starter.ARN, "test", "lambda.amazonaws.com", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s := states.New(states.Config{Account: "000000000000", Region: "us-east-1", Invoker: echo{}, Authorizer: store})
	t.Cleanup(func() { s.Close() })
	if arn, err = s.Create(states.Machine{Name: "m", RoleARN: machine.ARN, Definition: definition}); err != nil {
		t.Fatal(err)
	}
	g := gateway.New(store, "us-east-1")
	g.Register("states", s)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	client := func(k iam.Credentials) *sfn.Client {
		return sfn.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
			Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken)})
	}
	return client(store.Operator()), client(keys), arn
}

// ended polls until the execution has ended.
func ended(t *testing.T, c *sfn.Client, arn *string) *sfn.DescribeExecutionOutput {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := c.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: arn})
		if err != nil {
			t.Fatal(err)
		}
		if out.Status != types.ExecutionStatusRunning {
			return out
		}
		<-tick.C
	}
}

func TestSDK(t *testing.T) {
	c, _, machine := clients(t)
	ctx := t.Context()
	list, err := c.ListStateMachines(ctx, &sfn.ListStateMachinesInput{})
	if err != nil || len(list.StateMachines) != 1 || *list.StateMachines[0].StateMachineArn != machine {
		t.Fatal(list, err)
	}
	described, err := c.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &machine})
	if err != nil || *described.Definition != definition || described.Status != types.StateMachineStatusActive {
		t.Fatal(described, err)
	}
	begun, err := c.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &machine, Name: aws.String("one"), Input: aws.String(`{"n":3}`)})
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Since(*begun.StartDate); d < -time.Second || d > time.Minute {
		t.Errorf("started %v ago", d)
	}
	done := ended(t, c, begun.ExecutionArn)
	if done.Status != types.ExecutionStatusSucceeded || *done.Output != "[1,2,3]" || *done.Input != `{"n":3}` || done.StopDate == nil {
		t.Errorf("%+v", done)
	}
	of, err := c.DescribeStateMachineForExecution(ctx, &sfn.DescribeStateMachineForExecutionInput{ExecutionArn: begun.ExecutionArn})
	if err != nil || *of.StateMachineArn != machine {
		t.Error(of, err)
	}

	runs, err := c.ListMapRuns(ctx, &sfn.ListMapRunsInput{ExecutionArn: begun.ExecutionArn})
	if err != nil || len(runs.MapRuns) != 1 {
		t.Fatal(runs, err)
	}
	run, err := c.DescribeMapRun(ctx, &sfn.DescribeMapRunInput{MapRunArn: runs.MapRuns[0].MapRunArn})
	if err != nil || run.Status != types.MapRunStatusSucceeded || run.ItemCounts.Succeeded != 3 || run.ExecutionCounts.Total != 3 {
		t.Errorf("%+v %v", run, err)
	}
	children, err := c.ListExecutions(ctx, &sfn.ListExecutionsInput{MapRunArn: runs.MapRuns[0].MapRunArn})
	if err != nil || len(children.Executions) != 3 || !strings.Contains(*children.Executions[0].ExecutionArn, ":execution:m/ones:") {
		t.Error(children, err)
	}

	failed, err := c.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &machine, Input: aws.String(`{"n":0}`)})
	if err != nil {
		t.Fatal(err)
	}
	if out := ended(t, c, failed.ExecutionArn); out.Status != types.ExecutionStatusFailed || *out.Error != "Zero" || *out.Cause != "n is 0" || out.Output != nil {
		t.Errorf("%+v", out)
	}
	waiting, err := c.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &machine, Input: aws.String(`{"n":-1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: waiting.ExecutionArn, Error: aws.String("E"), Cause: aws.String("C")}); err != nil {
		t.Fatal(err)
	}
	if out := ended(t, c, waiting.ExecutionArn); out.Status != types.ExecutionStatusAborted || *out.Error != "E" {
		t.Errorf("%+v", out)
	}
	all, err := c.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine, MaxResults: 2})
	if err != nil || len(all.Executions) != 2 || all.NextToken == nil || *all.Executions[0].ExecutionArn != *waiting.ExecutionArn {
		t.Fatal(all, err)
	}
	all, err = c.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine, MaxResults: 2, NextToken: all.NextToken})
	if err != nil || len(all.Executions) != 1 || all.NextToken != nil {
		t.Error(all, err)
	}
	some, err := c.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: types.ExecutionStatusFailed})
	if err != nil || len(some.Executions) != 1 {
		t.Error(some, err)
	}
	checked, err := c.ValidateStateMachineDefinition(ctx, &sfn.ValidateStateMachineDefinitionInput{Definition: aws.String("{}")})
	if err != nil || checked.Result != types.ValidateStateMachineDefinitionResultCodeFail || len(checked.Diagnostics) < 3 {
		t.Error(checked, err)
	}
}

func TestSDKHistory(t *testing.T) {
	c, _, machine := clients(t)
	begun, err := c.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &machine, Input: aws.String(`{"n":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	ended(t, c, begun.ExecutionArn)
	var events []types.HistoryEvent
	pages := sfn.NewGetExecutionHistoryPaginator(c, &sfn.GetExecutionHistoryInput{ExecutionArn: begun.ExecutionArn, MaxResults: 4})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, page.Events...)
	}
	for i, e := range events {
		if e.Id != int64(i+1) || e.PreviousEventId >= e.Id || e.Timestamp == nil {
			t.Errorf("event %d: %+v", i, e)
		}
		switch e.Type {
		case types.HistoryEventTypeExecutionStarted:
			if d := e.ExecutionStartedEventDetails; *d.Input != `{"n":1}` || *d.RoleArn != "arn:aws:iam::000000000000:role/machine" {
				t.Errorf("%+v", d)
			}
		case types.HistoryEventTypeTaskStateEntered:
			if d := e.StateEnteredEventDetails; *d.Name != "T" || *d.Input != `{"n":1}` || d.InputDetails.Truncated {
				t.Errorf("%+v", d)
			}
		case types.HistoryEventTypeTaskScheduled:
			if d := e.TaskScheduledEventDetails; *d.Resource != "invoke" || *d.ResourceType != "lambda" || *d.Region != "us-east-1" || *d.TimeoutInSeconds != 9 || *d.Parameters != `{"FunctionName":"f","Payload":{"n":1}}` {
				t.Errorf("%+v", d)
			}
		case types.HistoryEventTypeTaskStarted:
			if d := e.TaskStartedEventDetails; *d.Resource != "invoke" {
				t.Errorf("%+v", d)
			}
		case types.HistoryEventTypeTaskSucceeded:
			if d := e.TaskSucceededEventDetails; !json.Valid([]byte(*d.Output)) || *d.ResourceType != "lambda" {
				t.Errorf("%+v", d)
			}
		case types.HistoryEventTypeTaskStateExited:
			if d := e.StateExitedEventDetails; *d.Output != `{"n":1}` || d.AssignedVariables["n"] != "1" {
				t.Errorf("%+v", d)
			}
		case types.HistoryEventTypeMapStateStarted:
			if e.MapStateStartedEventDetails.Length != 1 {
				t.Errorf("%+v", e.MapStateStartedEventDetails)
			}
		case types.HistoryEventTypeMapRunStarted:
			if !strings.Contains(*e.MapRunStartedEventDetails.MapRunArn, ":mapRun:m/ones:") {
				t.Errorf("%+v", e.MapRunStartedEventDetails)
			}
		}
	}
	if last := events[len(events)-1]; last.Type != types.HistoryEventTypeExecutionSucceeded || *last.ExecutionSucceededEventDetails.Output != "[1]" {
		t.Errorf("last event %+v", last)
	}
	back, err := c.GetExecutionHistory(t.Context(), &sfn.GetExecutionHistoryInput{ExecutionArn: begun.ExecutionArn, ReverseOrder: true, IncludeExecutionData: aws.Bool(false)})
	if err != nil || back.Events[0].Id != int64(len(events)) || back.Events[0].ExecutionSucceededEventDetails != nil {
		t.Errorf("%+v %v", back.Events[0], err)
	}
}

func TestSDKErrors(t *testing.T) {
	operator, limited, machine := clients(t)
	ctx := t.Context()
	none := "arn:aws:states:us-east-1:000000000000:execution:m:none"
	for _, c := range []struct {
		why  string
		call func() error
		code string
	}{
		{"no such execution", func() error {
			_, err := operator.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &none})
			return err
		}, "ExecutionDoesNotExist"},
		{"no such machine", func() error {
			_, err := operator.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &none})
			return err
		}, "StateMachineDoesNotExist"},
		{"a bad token", func() error {
			_, err := operator.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine, NextToken: aws.String("x")})
			return err
		}, "InvalidToken"},
		{"a bad name", func() error {
			_, err := operator.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &machine, Name: aws.String("a b")})
			return err
		}, "InvalidName"},
		{"an operation that is not there", func() error {
			_, err := operator.CreateActivity(ctx, &sfn.CreateActivityInput{Name: aws.String("a")})
			return err
		}, "UnknownOperationException"},
		{"a field that is not known", func() error {
			_, err := operator.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine, RedriveFilter: types.ExecutionRedriveFilterRedriven})
			return err
		}, "ValidationException"},
		{"a status that there is not", func() error {
			_, err := operator.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: "FINISHED"})
			return err
		}, "ValidationException"},
		{"less than no diagnostics", func() error {
			_, err := operator.ValidateStateMachineDefinition(ctx, &sfn.ValidateStateMachineDefinitionInput{Definition: aws.String("{}"), MaxResults: -1})
			return err
		}, "ValidationException"},
		{"a severity that there is not", func() error {
			_, err := operator.ValidateStateMachineDefinition(ctx, &sfn.ValidateStateMachineDefinitionInput{Definition: aws.String("{}"), Severity: "NOTE"})
			return err
		}, "ValidationException"},
		{"a role that may start", func() error {
			_, err := limited.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &machine, Input: aws.String(`{"n":0}`)})
			return err
		}, ""},
		{"but not describe", func() error {
			_, err := limited.DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &machine})
			return err
		}, "AccessDeniedException"},
		{"nor list", func() error { _, err := limited.ListStateMachines(ctx, &sfn.ListStateMachinesInput{}); return err }, "AccessDeniedException"},
	} {
		err := c.call()
		got := ""
		var api smithy.APIError
		if errors.As(err, &api) {
			got = api.ErrorCode()
		}
		if got != c.code || err != nil && c.code == "" {
			t.Errorf("%s: %v, want %s", c.why, err, c.code)
		}
	}
}
