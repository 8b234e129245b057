package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// cli is one unmodified aws command.
type cli struct {
	path, version string
	env           []string
	endpoint      string
	dir           string
}

// clis are the aws commands of this machine.
func clis(t *testing.T) []cli {
	t.Helper()
	paths := []string{"/usr/bin/aws"}
	if p, err := exec.LookPath("aws"); err == nil {
		paths = append(paths, p)
	}
	var found []cli
	for _, p := range paths {
		out, err := exec.CommandContext(t.Context(), p, "--version").Output()
		version, _, _ := strings.Cut(string(out), " ")
		if err == nil && !slices.ContainsFunc(found, func(c cli) bool { return c.version == version }) {
			found = append(found, cli{path: p, version: version})
		}
	}
	return found
}

func (c cli) try(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, append([]string{"--endpoint-url", c.endpoint, "--output", "json"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, c.env, &out, &errs
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		return "", err.Error(), -1
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// at is the command as its user sets it up for a local AWS.
func (c cli) at(t *testing.T, s served) cli {
	c.env = append(append(s.environ(), s.keys...), "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
	for i, v := range c.env { // a version manager's stand-in for aws looks in the user's own home
		if strings.HasPrefix(v, "HOME=") {
			c.env[i] = "HOME=" + os.Getenv("HOME")
		}
	}
	c.endpoint, c.dir = s.endpoint, t.TempDir()
	return c
}

// do calls and demands success.
func (c cli) do(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := c.try(t.Context(), args...)
	if code != 0 {
		t.Fatalf("aws %v: exit %d\n%s%s", args, code, out, errs)
	}
	return out
}

// into calls and decodes the answer.
func (c cli) into(t *testing.T, v any, args ...string) {
	t.Helper()
	out := c.do(t, args...)
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("aws %v: %v\n%s", args, err, out)
	}
}

func TestUnmodifiedCLI(t *testing.T) {
	t.Parallel()
	found := clis(t)
	if len(found) == 0 {
		t.Skip("skipped: no aws command on this machine")
	}
	s := newHome(t).serve(t)
	t.Run("with", func(t *testing.T) {
		for _, c := range found {
			c = c.at(t, s)
			name := strings.Map(func(r rune) rune {
				if r == '/' || r == '.' {
					return '-'
				}
				return r
			}, c.version)
			t.Run(name, func(t *testing.T) {
				t.Parallel() // two executions in one account, as on AWS
				c.refusals(t)
				c.smoke(t, s, "smoke-"+name)
				c.balanced(t, s, "balanced-"+name)
				c.abort(t, s, "abort-"+name)
			})
		}
	})
	s.stop(t)
}

// refusals: what is not implemented, or not allowed, is said by name.
func (c cli) refusals(t *testing.T) {
	for _, tt := range []struct {
		args []string
		env  string
		says []string
	}{
		{[]string{"ec2", "describe-volumes"}, "", []string{"DescribeVolumes"}},
		{[]string{"stepfunctions", "list-activities"}, "", []string{"ListActivities"}},
		{[]string{"sqs", "list-queues"}, "", []string{"ListQueues", "sqs"}},
		{[]string{"s3api", "get-bucket-website", "--bucket", "b"}, "", []string{"GetBucketWebsite"}},
		{[]string{"sts", "get-caller-identity"}, "AWS_SECRET_ACCESS_KEY=wrong", []string{"SignatureDoesNotMatch"}},
		{[]string{"s3", "ls"}, "AWS_SECRET_ACCESS_KEY=wrong", []string{"SignatureDoesNotMatch"}},
		{[]string{"stepfunctions", "list-state-machines"}, "AWS_ACCESS_KEY_ID=AKIAUNKNOWN000000000", []string{"UnrecognizedClientException"}},
	} {
		other := c
		if tt.env != "" {
			other.env = append(slices.Clone(c.env), tt.env)
		}
		_, errs, code := other.try(t.Context(), tt.args...)
		if code == 0 || code == -1 {
			t.Errorf("aws %v: exit %d, want a refusal\n%s", tt.args, code, errs)
		}
		contains(t, fmt.Sprint("the refusal of ", tt.args), errs, tt.says...)
	}
}

type instances struct {
	Reservations []struct {
		Instances []struct {
			InstanceID   string `json:"InstanceId"`
			InstanceType string
			State        struct{ Name string }
		}
	}
	NextToken string
}

func (l instances) states() map[string]int {
	n := map[string]int{}
	for _, r := range l.Reservations {
		for _, i := range r.Instances {
			n[i.State.Name]++
		}
	}
	return n
}

func (c cli) instances(t *testing.T, run string) (l instances) {
	c.into(t, &l, "ec2", "describe-instances", "--filters", "Name=tag:fairlead:run,Values="+run)
	return l
}

func (c cli) status(t *testing.T, arn string) string {
	var d struct{ Status string }
	c.into(t, &d, "stepfunctions", "describe-execution", "--execution-arn", arn)
	return d.Status
}

// smoke runs to its end, and every service is asked about it.
func (c cli) smoke(t *testing.T, s served, run string) {
	var who struct{ Account, Arn string }
	c.into(t, &who, "sts", "get-caller-identity")
	if who.Account != "000000000000" {
		t.Errorf("the account is %q: it must be one that cannot exist", who.Account)
	}
	var machines struct {
		StateMachines []struct{ StateMachineArn string }
	}
	c.into(t, &machines, "stepfunctions", "list-state-machines")
	if len(machines.StateMachines) != 1 || machines.StateMachines[0].StateMachineArn != s.machine {
		t.Errorf("state machines: %+v, want %s", machines, s.machine)
	}
	arn := s.execution(run)
	c.do(t, "stepfunctions", "start-execution", "--state-machine-arn", s.machine, "--name", run, "--input", `{"preset": "smoke"}`)
	eventually(t, 90*time.Second, "smoke ends", func() bool { return c.status(t, arn) != "RUNNING" })
	if got := c.status(t, arn); got != "SUCCEEDED" {
		t.Fatalf("smoke is %s: %s", got, c.do(t, "stepfunctions", "describe-execution", "--execution-arn", arn))
	}
	c.history(t, arn)
	c.fleet(t, s, run)
	c.files(t, s, run)
	c.functions(t, s)
}

// history is the same in one call and in pages.
func (c cli) history(t *testing.T, arn string) {
	type page struct {
		Events []struct {
			ID   int64 `json:"id"`
			Type string
		}
		NextToken string
	}
	var whole, paged page
	c.into(t, &whole, "stepfunctions", "get-execution-history", "--execution-arn", arn)
	c.into(t, &paged, "stepfunctions", "get-execution-history", "--execution-arn", arn, "--page-size", "40")
	n := len(whole.Events)
	if n < 60 || n != len(paged.Events) || whole.Events[0].Type != "ExecutionStarted" || whole.Events[n-1].Type != "ExecutionSucceeded" {
		t.Fatalf("%d events at once, %d in pages of 40", n, len(paged.Events))
	}
	for i, e := range paged.Events {
		if e.ID != int64(i+1) || e != whole.Events[i] {
			t.Fatalf("event %d of the pages is %+v", i+1, e)
		}
	}
}

// fleet asks for the instances, what was run on them and how busy they were.
func (c cli) fleet(t *testing.T, s served, run string) {
	mine := c.instances(t, run)
	if n := mine.states(); n["terminated"] != 3 || len(n) != 1 {
		t.Fatalf("instances of the ended run: %v, want 3 terminated", n)
	}
	var page, large, running instances
	c.into(t, &page, "ec2", "describe-instances", "--filters", "Name=tag:fairlead:run,Values="+run, "--max-items", "1")
	if n := page.states()["terminated"]; n != 1 || page.NextToken == "" {
		t.Errorf("a page of one item: %+v", page)
	}
	c.into(t, &large, "ec2", "describe-instances", "--filters", "Name=tag:fairlead:run,Values="+run, "Name=instance-type,Values=t2.large")
	if len(large.Reservations) != 1 || large.Reservations[0].Instances[0].InstanceType != "t2.large" {
		t.Errorf("filtered by type: %+v", large)
	}
	c.into(t, &running, "ec2", "describe-instances", "--filters", "Name=tag:fairlead:run,Values="+run, "Name=instance-state-name,Values=running,pending")
	if len(running.Reservations) != 0 {
		t.Errorf("running: %+v", running)
	}
	var sent struct {
		CommandInvocations []struct {
			InstanceID     string `json:"InstanceId"`
			Status         string
			CommandPlugins []struct{ Output string }
		}
	}
	var ids []string
	for _, r := range mine.Reservations {
		for _, i := range r.Instances {
			ids = append(ids, i.InstanceID)
		}
	}
	c.into(t, &sent, "ssm", "list-command-invocations", "--details")
	for _, id := range ids {
		ok := false
		for _, i := range sent.CommandInvocations {
			ok = ok || i.InstanceID == id && i.Status == "Success" && len(i.CommandPlugins) == 1 && strings.Contains(i.CommandPlugins[0].Output, "is healthy")
		}
		if !ok {
			t.Errorf("no successful set-up of %s among %+v", id, sent)
		}
	}
	var metrics struct {
		Metrics []struct{ Namespace, MetricName string }
	}
	c.into(t, &metrics, "cloudwatch", "list-metrics")
	if !strings.Contains(fmt.Sprint(metrics), "{AWS/EC2 CPUUtilization}") {
		t.Errorf("metrics: %+v", metrics)
	}
	var data struct {
		MetricDataResults []struct {
			ID     string `json:"Id"`
			Values []float64
		}
	}
	now := time.Now().UTC()
	c.into(t, &data, "cloudwatch", "get-metric-data", "--start-time", now.Add(-time.Hour).Format(time.RFC3339), "--end-time", now.Add(time.Hour).Format(time.RFC3339),
		"--metric-data-queries", `[{"Id": "cpu", "MetricStat": {"Metric": {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Dimensions": [{"Name": "InstanceId", "Value": "`+ids[0]+`"}]}, "Period": 60, "Stat": "Average"}}]`)
	if len(data.MetricDataResults) != 1 || len(data.MetricDataResults[0].Values) == 0 || data.MetricDataResults[0].Values[0] <= 0 {
		t.Errorf("CPU of %s: %+v", ids[0], data)
	}
}

// files: the report comes out of the bucket as it lies in the results folder,
// and what goes up comes down the same.
func (c cli) files(t *testing.T, s served, run string) {
	folder := filepath.Join(s.out, "runs", run)
	list := c.do(t, "s3", "ls", s.bucket+"/runs/"+run+"/", "--recursive")
	for _, name := range []string{"report.json", "report.html", "trials.csv", "nodes.csv", "receipt.json"} {
		contains(t, "s3 ls", list, "runs/"+run+"/"+name)
		if !exists(filepath.Join(folder, name)) {
			t.Errorf("%s is not in the results folder", name)
		}
	}
	c.do(t, "s3", "cp", s.bucket+"/runs/"+run+"/report.json", "report.json")
	same(t, filepath.Join(c.dir, "report.json"), filepath.Join(folder, "report.json"))

	large := bytes.Repeat([]byte("twenty megabytes go up in parts"), 20<<20/31)
	if err := os.WriteFile(filepath.Join(c.dir, "up"), large, 0o600); err != nil {
		t.Fatal(err)
	}
	key := s.bucket + "/mine/" + run
	c.do(t, "s3", "cp", "up", key)
	c.do(t, "s3", "cp", key, "down")
	same(t, filepath.Join(c.dir, "up"), filepath.Join(c.dir, "down"))
	same(t, filepath.Join(c.dir, "up"), filepath.Join(s.out, "mine", run))
	c.do(t, "s3", "rm", key)
	if exists(filepath.Join(s.out, "mine", run)) {
		t.Error("the object is still there")
	}
}

func same(t *testing.T, a, b string) {
	t.Helper()
	x, errA := os.ReadFile(a)
	y, errB := os.ReadFile(b)
	if errA != nil || errB != nil || !bytes.Equal(x, y) {
		t.Errorf("%s (%d bytes, %v) and %s (%d bytes, %v) differ", a, len(x), errA, b, len(y), errB)
	}
}

// functions invokes one by hand: the sweep, which finds nothing that is abandoned.
func (c cli) functions(t *testing.T, s served) {
	var list struct {
		Functions []struct{ FunctionName, Handler string }
	}
	c.into(t, &list, "lambda", "list-functions")
	sweep := ""
	for _, f := range list.Functions {
		if f.Handler == "sweep" {
			sweep = f.FunctionName
		}
	}
	if sweep == "" || len(list.Functions) < 10 {
		t.Fatalf("functions: %+v", list)
	}
	args := []string{"lambda", "invoke", "--function-name", sweep, "--payload", "{}", "answer.json"}
	if strings.HasPrefix(c.version, "aws-cli/2") {
		args = append(args, "--cli-binary-format", "raw-in-base64-out")
	}
	var answer struct {
		StatusCode    int
		FunctionError string
	}
	c.into(t, &answer, args...)
	text, err := os.ReadFile(filepath.Join(c.dir, "answer.json"))
	if err != nil || answer.StatusCode != 200 || answer.FunctionError != "" || !strings.Contains(string(text), `"swept"`) {
		t.Errorf("%+v: %s, %v", answer, text, err)
	}
}

// abort stops the console's default input, the lab, once its fleet is up; the
// sweep that the stop sets off ends the fleet.
func (c cli) abort(t *testing.T, s served, run string) {
	arn := s.execution(run)
	c.do(t, "stepfunctions", "start-execution", "--state-machine-arn", s.machine, "--name", run, "--input", "{}")
	eventually(t, 60*time.Second, "all nine instances of the lab run", func() bool { return c.instances(t, run).states()["running"] == 9 })
	c.do(t, "stepfunctions", "stop-execution", "--execution-arn", arn, "--error", "Enough", "--cause", "the test has seen it")
	if got := c.status(t, arn); got != "ABORTED" {
		t.Errorf("the stopped execution is %s", got)
	}
	receipt := filepath.Join(s.out, "runs", run, "receipt.json")
	eventually(t, 30*time.Second, "the sweep's receipt", func() bool { return exists(receipt) })
	var r struct{ Left []any }
	text, err := os.ReadFile(receipt)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || r.Left == nil || len(r.Left) != 0 {
		t.Errorf("the receipt: %s, %v", text, err)
	}
	if n := c.instances(t, run).states(); n["terminated"] != 9 || len(n) != 1 {
		t.Errorf("instances after the sweep: %v", n)
	}
}
