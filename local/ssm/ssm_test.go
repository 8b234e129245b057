package ssm_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local/ec2"
	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/host"
	"github.com/fairlead/fairlead/local/iam"
	localssm "github.com/fairlead/fairlead/local/ssm"
)

func TestMain(m *testing.M) {
	if code, handled := host.Applet(os.Args); handled {
		syscall.Exit(code) // os.Exit takes a second with the race detector (atexit_sleep_ms)
	}
	os.Exit(m.Run())
}

const account = "000000000000"

// machines is a fleet of real instances without EC2's API before them.
type machines struct{ all []ec2.Machine }

func (m *machines) Machines() (running []ec2.Machine) {
	for _, one := range m.all {
		if one.Host.End() == host.Running {
			running = append(running, one)
		}
	}
	return running
}

func (m *machines) Machine(id string) (ec2.Machine, bool) {
	for _, one := range m.Machines() {
		if one.ID == id {
			return one, true
		}
	}
	return ec2.Machine{}, false
}

func (m *machines) Tags(id string) map[string]string {
	for _, one := range m.all {
		if one.ID == id {
			return one.Tags
		}
	}
	return nil
}

const agentGrants = `[{"Effect":"Allow","Action":["ssm:UpdateInstanceInformation","ssmmessages:CreateControlChannel","ssmmessages:OpenControlChannel"],"Resource":"*"}]`

const document = `{"schemaVersion":"2.2","description":"greets",
	"parameters":{"Name":{"type":"String","allowedPattern":"^[a-z]{1,20}$"},"Code":{"type":"String","default":"0","allowedPattern":"^[0-9]{1,3}$"}},
	"mainSteps":[{"action":"aws:runShellScript","name":"greet","inputs":{"timeoutSeconds":"2","runCommand":
	["#!/bin/bash","set -eu","echo \"hello {{ Name }} in ${BASH_VERSION%%.*}\"","echo oops >&2","[[ {{Code}} != 99 ]] || exec sleep 60","exit {{ Code }}"]}}]}`

type cloud struct {
	store    *iam.Store
	ssm      *localssm.Service
	machines *machines
	url      string
}

// newCloud has one instance whose role has the given grants.
func newCloud(t *testing.T, grants string, delays localssm.Delays) *cloud {
	t.Helper()
	store := iam.NewStore(account)
	g := gateway.New(store, "us-east-1")
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	h, err := host.New(host.Config{Dir: t.TempDir(), Registry: filepath.Join(t.TempDir(), "registry"), Endpoint: server.URL, Region: "us-east-1", Account: account})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := &cloud{store: store, url: server.URL}
	c.putRole(t, "node", "ec2.amazonaws.com", grants)
	i, err := h.Start(t.Context(), host.Spec{ID: "i-00000000000000001", Type: "t2.micro", VCPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	c.machines = &machines{all: []ec2.Machine{{ID: i.ID, RoleARN: "arn:aws:iam::000000000000:role/node", Running: time.Now(), Host: i,
		Tags: map[string]string{"stack": "mine"}}}}
	c.ssm = localssm.New(localssm.Config{Account: account, Region: "us-east-1", Machines: c.machines, Roles: store,
		Parameters: ec2.PublicParameters("us-east-1"), Delays: delays})
	t.Cleanup(c.ssm.Close)
	g.Register("ssm", c.ssm)
	if err := c.ssm.CreateDocument("greeter", []byte(document)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cloud) putRole(t *testing.T, name, service, statements string) {
	t.Helper()
	trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"` + service + `"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	d, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":` + statements + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.store.PutRole(iam.Role{Name: name, Trust: trust, Policies: map[string]iam.Document{"grants": d}}); err != nil {
		t.Fatal(err)
	}
}

func (c *cloud) client(keys iam.Credentials) *ssm.Client {
	return ssm.NewFromConfig(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(c.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken)})
}

func (c *cloud) send(name, code string) *ssm.SendCommandInput {
	p := map[string][]string{"Name": {name}}
	if code != "" {
		p["Code"] = []string{code}
	}
	return &ssm.SendCommandInput{DocumentName: aws.String("greeter"), InstanceIds: []string{c.machines.all[0].ID}, Parameters: p, TimeoutSeconds: aws.Int32(60)}
}

// finish sends and polls to the invocation's end.
func (c *cloud) finish(t *testing.T, client *ssm.Client, in *ssm.SendCommandInput, during func(id string)) *ssm.GetCommandInvocationOutput {
	t.Helper()
	sent, err := client.SendCommand(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for {
		out, err := client.GetCommandInvocation(t.Context(), &ssm.GetCommandInvocationInput{CommandId: sent.Command.CommandId, InstanceId: &in.InstanceIds[0]})
		if err != nil {
			t.Fatal(err)
		}
		switch out.Status {
		case types.CommandInvocationStatusInProgress:
			if during != nil {
				during(*sent.Command.CommandId)
				during = nil
			}
		case types.CommandInvocationStatusPending:
		default:
			return out
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the command does not end")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func wantError(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("error %v, want %s with %q", err, code, text)
	}
}

func TestCommandRunsOnTheInstance(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{})
	client := c.client(c.store.Operator())
	for _, row := range []struct {
		why, name, code string
		status          types.CommandInvocationStatus
		details         string
		response        int32
	}{
		{"a script that succeeds", "ada", "", types.CommandInvocationStatusSuccess, "Success", 0},
		{"its exit code is told", "bob", "7", types.CommandInvocationStatusFailed, "Failed", 7},
		{"it is killed at timeoutSeconds", "cyd", "99", types.CommandInvocationStatusTimedOut, "ExecutionTimedOut", 137},
	} {
		out := c.finish(t, client, c.send(row.name, row.code), nil)
		if out.Status != row.status || *out.StatusDetails != row.details || out.ResponseCode != row.response {
			t.Errorf("%s: %s %s %d", row.why, out.Status, *out.StatusDetails, out.ResponseCode)
		}
		if *out.StandardOutputContent != "hello "+row.name+" in 5\n" || *out.StandardErrorContent != "oops\n" {
			t.Errorf("%s: output %q, error %q", row.why, *out.StandardOutputContent, *out.StandardErrorContent)
		}
	}
	list, err := client.ListCommandInvocations(t.Context(), &ssm.ListCommandInvocationsInput{Details: true})
	if err != nil || len(list.CommandInvocations) != 3 || !strings.Contains(*list.CommandInvocations[2].CommandPlugins[0].Output, "hello ada") {
		t.Errorf("list: %v, %+v", err, list)
	}
	commands, err := client.ListCommands(t.Context(), &ssm.ListCommandsInput{Filters: []types.CommandFilter{{Key: "Status", Value: aws.String("Failed")}}})
	if err != nil || len(commands.Commands) != 1 {
		t.Errorf("failed commands: %v, %+v", err, commands)
	}
}

func TestOutputIsCut(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{})
	out := c.finish(t, c.client(c.store.Operator()), &ssm.SendCommandInput{DocumentName: aws.String("AWS-RunShellScript"),
		InstanceIds: []string{c.machines.all[0].ID}, Parameters: map[string][]string{"commands": {"yes é | head -c 3000000", "yes x | head -c 9000 >&2"}}}, nil)
	if n := len([]rune(*out.StandardOutputContent)); n != 24000 || out.Status != types.CommandInvocationStatusSuccess {
		t.Errorf("%s with %d characters of output, want 24000", out.Status, n)
	}
	if n := len(*out.StandardErrorContent); n != 8000 {
		t.Errorf("%d characters of errors, want 8000", n)
	}
}

func TestCommandEndsEarly(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{})
	client := c.client(c.store.Operator())
	out := c.finish(t, client, c.send("ada", "99"), func(id string) {
		_, err := client.CancelCommand(t.Context(), &ssm.CancelCommandInput{CommandId: &id, InstanceIds: []string{"i-0123456789abcdef9"}})
		wantError(t, err, "InvalidInstanceId", "i-0123456789abcdef9")
		if _, err := client.CancelCommand(t.Context(), &ssm.CancelCommandInput{CommandId: &id}); err != nil {
			t.Error(err)
		}
	})
	if out.Status != types.CommandInvocationStatusCancelled {
		t.Errorf("cancelled: %s", out.Status)
	}
	out = c.finish(t, client, c.send("ada", "99"), func(string) { c.machines.all[0].Host.Kill() })
	if out.Status != types.CommandInvocationStatusFailed || *out.StatusDetails != "Undeliverable" {
		t.Errorf("on a dead instance: %s %s", out.Status, *out.StatusDetails)
	}
	_, err := client.SendCommand(t.Context(), c.send("ada", ""))
	wantError(t, err, "InvalidInstanceId", "not in a valid state")
}

func TestSendRefuses(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{})
	client := c.client(c.store.Operator())
	for _, row := range []struct {
		why, code, text string
		change          func(*ssm.SendCommandInput)
	}{
		{"text that bash would expand", "InvalidParameters", "allowedPattern", func(in *ssm.SendCommandInput) { in.Parameters["Name"] = []string{"$(id)"} }},
		{"a missing parameter", "InvalidParameters", "Name is required", func(in *ssm.SendCommandInput) { delete(in.Parameters, "Name") }},
		{"an unknown parameter", "InvalidParameters", "Colour", func(in *ssm.SendCommandInput) { in.Parameters["Colour"] = []string{"red"} }},
		{"an unknown document", "InvalidDocument", "nothing", func(in *ssm.SendCommandInput) { in.DocumentName = aws.String("nothing") }},
		{"an unknown instance", "InvalidInstanceId", "i-0", func(in *ssm.SendCommandInput) { in.InstanceIds = []string{"i-0"} }},
		{"a member that nothing here implements", "ValidationException", "OutputS3BucketName", func(in *ssm.SendCommandInput) { in.OutputS3BucketName = aws.String("bucket") }},
	} {
		in := c.send("ada", "")
		row.change(in)
		_, err := client.SendCommand(t.Context(), in)
		t.Run(row.why, func(t *testing.T) { wantError(t, err, row.code, row.text) })
	}
}

func TestSendNeedsDocumentAndTag(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{})
	const doc = `{"Effect":"Allow","Action":"ssm:SendCommand","Resource":"arn:aws:ssm:us-east-1:000000000000:document/greeter"}`
	instance := func(stack string) string {
		return `{"Effect":"Allow","Action":"ssm:SendCommand","Resource":"arn:aws:ec2:us-east-1:000000000000:instance/*","Condition":{"StringEquals":{"ssm:resourceTag/stack":"` + stack + `"}}}`
	}
	for _, row := range []struct {
		why, statements string
		allowed         bool
	}{
		{"document and tagged instance", "[" + doc + "," + instance("mine") + "]", true},
		{"no document", "[" + instance("mine") + "]", false},
		{"no instance", "[" + doc + "]", false},
		{"another stack's instances", "[" + doc + "," + instance("theirs") + "]", false},
	} {
		c.putRole(t, "setup", "lambda.amazonaws.com", row.statements)
		keys, _, err := c.store.AssumeRole("arn:aws:iam::000000000000:role/setup", "test", "lambda.amazonaws.com", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.client(keys).SendCommand(t.Context(), c.send("ada", ""))
		if row.allowed && err != nil {
			t.Errorf("%s: %v", row.why, err)
		} else if !row.allowed {
			wantError(t, err, "AccessDeniedException", "ssm:SendCommand")
		}
	}
	// Who ends an instance does not take anybody's permission away.
	c.putRole(t, "setup", "lambda.amazonaws.com", "["+doc+","+instance("mine")+"]")
	keys, _, err := c.store.AssumeRole("arn:aws:iam::000000000000:role/setup", "test", "lambda.amazonaws.com", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c.machines.all[0].Host.Kill()
	<-c.machines.all[0].Host.Done()
	_, err = c.client(keys).SendCommand(t.Context(), c.send("ada", ""))
	wantError(t, err, "InvalidInstanceId", "not in a valid state")
}

func TestRegistrationNeedsTheRolesGrants(t *testing.T) {
	for _, row := range []struct {
		why, grants string
		registered  bool
	}{
		{"ssmmessages", agentGrants, true},
		{"ec2messages, as older agents", `[{"Effect":"Allow","Action":["ssm:UpdateInstanceInformation","ec2messages:GetEndpoint","ec2messages:GetMessages"],"Resource":"*"}]`, true},
		{"no channel", `[{"Effect":"Allow","Action":"ssm:UpdateInstanceInformation","Resource":"*"}]`, false},
		{"no information", `[{"Effect":"Allow","Action":"ssmmessages:*","Resource":"*"}]`, false},
	} {
		t.Run(row.why, func(t *testing.T) {
			c := newCloud(t, row.grants, localssm.Delays{})
			out, err := c.client(c.store.Operator()).DescribeInstanceInformation(t.Context(), &ssm.DescribeInstanceInformationInput{
				Filters: []types.InstanceInformationStringFilter{{Key: aws.String("PingStatus"), Values: []string{"Online"}}}})
			if err != nil {
				t.Fatal(err)
			}
			if got := len(out.InstanceInformationList) == 1; got != row.registered {
				t.Errorf("registered: %v, want %v", got, row.registered)
			}
		})
	}
}

func TestRegistrationTakesItsTime(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{Registration: time.Hour})
	client := c.client(c.store.Operator())
	_, err := client.SendCommand(t.Context(), c.send("ada", ""))
	wantError(t, err, "InvalidInstanceId", "not in a valid state")
	c.machines.all[0].Running = time.Now().Add(-time.Hour)
	if _, err := client.SendCommand(t.Context(), c.send("ada", "")); err != nil {
		t.Error(err)
	}
}

func TestDocumentRefusals(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{})
	for _, row := range []struct{ why, content, want string }{
		{"another schema", `{"schemaVersion":"0.3","mainSteps":[]}`, "schemaVersion"},
		{"another plugin", `{"schemaVersion":"2.2","mainSteps":[{"action":"aws:runPowerShellScript","name":"x","inputs":{"runCommand":["x"]}}]}`, "runPowerShellScript"},
		{"an unknown field", `{"schemaVersion":"2.2","mainSteps":[{"action":"aws:runShellScript","name":"x","onFailure":"exit","inputs":{"runCommand":["x"]}}]}`, "onFailure"},
		{"an unknown reference", `{"schemaVersion":"2.2","mainSteps":[{"action":"aws:runShellScript","name":"x","inputs":{"runCommand":["echo {{ ssm:secret }}"]}}]}`, "ssm:secret"},
		{"nothing to do", `{"schemaVersion":"2.2","mainSteps":[]}`, "mainSteps"},
		{"a parameter type that is not known", `{"schemaVersion":"2.2","parameters":{"A":{"type":"MapList"}},"mainSteps":[]}`, "MapList"},
	} {
		err := c.ssm.CreateDocument("other", []byte(row.content))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %q", row.why, err, row.want)
		}
	}
}

func TestPublicParameters(t *testing.T) {
	c := newCloud(t, agentGrants, localssm.Delays{})
	const name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
	out, err := c.client(c.store.Operator()).GetParameters(t.Context(), &ssm.GetParametersInput{Names: []string{name, "/mine"}})
	if err != nil || len(out.Parameters) != 1 || !strings.HasPrefix(*out.Parameters[0].Value, "ami-") || len(out.InvalidParameters) != 1 {
		t.Errorf("%v, %+v", err, out)
	}
}
