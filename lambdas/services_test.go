package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/fairlead/fairlead/internal/steps"
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
	status, err := executions{sfn.NewFromConfig(answering(t, 200, `{"status": "ABORTED"}`))}.Status(t.Context(), "arn")
	if err != nil || status != "ABORTED" {
		t.Errorf("%q, %v", status, err)
	}
	_, err = executions{sfn.NewFromConfig(answering(t, 400, `{"__type": "ExecutionDoesNotExist", "message": "no"}`))}.Status(t.Context(), "arn")
	if !errors.Is(err, steps.ErrNotFound) {
		t.Errorf("an unknown execution: %v", err)
	}
	_, err = executions{sfn.NewFromConfig(answering(t, 400, `{"__type": "AccessDeniedException", "message": "no"}`))}.Status(t.Context(), "arn")
	if err == nil || errors.Is(err, steps.ErrNotFound) || !strings.Contains(err.Error(), "arn") {
		t.Errorf("a denied call must not pass for an unknown execution: %v", err)
	}
}
