package main

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/fairlead/fairlead/cdk/template"
	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/internal/bench"
)

// Every grant of the template is used by a run, or AWS itself uses it; and
// every statement is needed: without it, the run that uses it fails and says
// which permission is missing.

func golden(t *testing.T) document {
	t.Helper()
	sums := map[string]string{}
	for _, a := range template.Assets() {
		if a.Hashed {
			sums[a.Name] = strings.Repeat("0", 64)
		}
	}
	text, err := template.Render(sums)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEveryGrantIsUsed(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{plan: tinyProxied, change: nameSweep})
	// Of many shards, with a sweep on schedule in its midst that must spare it.
	c.when("runs/*/trials/*/aim.json", func(string) {
		if said := c.sweep(); said != "" {
			t.Errorf("the sweep of a live run: %s", said)
		}
	})
	e := c.run(t.Context(), with(tinyProxied, `{"shards": 41, "load": {"kind": "burst", "requests": 41, "timeout": "10s"}, "work": {"sleep": "3s"}}`))
	if e.code != command.ExitDone {
		t.Fatalf("exit %d: %s", e.code, e.sum.Reason)
	}
	e.clean(2)
	// Ended by Ctrl-C, swept because of it.
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	c.when("runs/*/trials/b02-*/aim.json", func(string) { cancel(interrupt.Err) })
	if e = c.run(ctx, with(tiny, `{"blocks": 20}`)); e.code != command.ExitInterrupted {
		t.Fatalf("exit %d: %s", e.code, e.sum.Reason)
	}
	e.clean(1)

	// A run whose name is taken, by an execution of long ago: Plan reads whose it is.
	c.now = func() time.Time { return time.Unix(0, 0) }
	taken := bench.RunKeys{Run: "smoke-19700101-000000"}
	if err := os.MkdirAll(filepath.Dir(c.object(taken.Plan())), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.object(taken.Plan()), []byte(`{"execution": "the older one"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run(t.Context(), tiny).fails(command.ExitFailed, "belong to execution the older one")

	roles := map[string]string{}
	for _, s := range golden(t).statements() {
		roles[s.roleID] = s.Role
	}
	grants := c.cloud.Usage()
	for _, g := range grants {
		// The role's name: the stack's, the logical id and a suffix.
		name := strings.Split(g.RoleARN[strings.LastIndexByte(g.RoleARN, '/')+1:], "-")
		if roles[name[1]] == "" {
			t.Errorf("%s is no role of the template", g.RoleARN)
		}
		if g.Allowed == 0 {
			t.Errorf("%s may %s (policy %s, statement %d), and no run needs it", roles[name[1]], g.Action, g.Policy, g.Statement)
		}
	}
	if len(grants) < 90 {
		t.Errorf("only %d grants: is the template's list of them read?", len(grants))
	}
}

// sweeper names the sweep function, so that a test can call it.
const sweeper = "the-sweep"

func nameSweep(d document) { d.function("sweep")["FunctionName"] = sweeper }

// sweep calls the sweep as its schedule does and gives its error's message.
func (c *scene) sweep() string {
	c.t.Helper()
	out, err := c.lambda.Invoke(c.t.Context(), &lambda.InvokeInput{FunctionName: aws.String(sweeper), Payload: []byte(`{"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}`)})
	if err != nil {
		c.t.Error(err)
		return ""
	}
	if out.FunctionError == nil {
		return ""
	}
	var said struct{ ErrorMessage string }
	if err := json.Unmarshal(out.Payload, &said); err != nil {
		c.t.Errorf("%v in %s", err, out.Payload)
	}
	return said.ErrorMessage
}

// lack is what happens without a statement.
type lack struct {
	words   []string       // of the reason; none: the run goes on
	plan    string         // empty: tiny
	refused bool           // the template, not the run
	leaks   bool           // whoever may not end the fleet cannot prove its end
	change  func(document) // of the template besides
}

const denied = "not authorized to perform: "

// Two functions that wait for minutes for what will not come.
func shortSetup(d document) { d.function("setup")["Timeout"] = 12 }
func shortAim(d document)   { d.function("aim")["Timeout"] = 8 }

// many is a run whose shards are executions of their own.
var many = with(tiny, `{"shards": 41, "load": {"kind": "burst", "requests": 41, "timeout": "2s"}}`)

// lacks tells of each statement what happens without it.
var lacks = map[string]lack{
	"plan: s3:GetObject runs": {words: []string{denied + "s3:PutObject", "plan.json"}},

	"launch: ec2:RunInstances instance":          {words: []string{"Launch of cluster1", denied + "ec2:RunInstances", "instance/"}},
	"launch: ec2:RunInstances launch-template":   {words: []string{denied + "ec2:RunInstances"}},
	"launch: ec2:RunInstances network-interface": {words: []string{denied + "ec2:RunInstances", "network-interface/"}},
	"launch: ec2:RunInstances image":             {words: []string{denied + "ec2:RunInstances", "image/"}},
	"launch: ec2:CreateTags instance":            {words: []string{denied + "ec2:CreateTags"}},
	"launch: iam:PassRole":                       {words: []string{denied + "iam:PassRole"}},
	"launch: ssm:GetParameters parameter/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64": {words: []string{denied + "ssm:GetParameters"}},
	"launch: s3:GetObject runs": {words: []string{"Launch of cluster1", denied + "s3:GetObject"}},
	"launch: s3:ListBucket":     {words: []string{"Launch of cluster1", denied + "s3:ListBucket"}},

	"setup: ssm:SendCommand document":   {words: []string{"Setup of cluster1", denied + "ssm:SendCommand", "document/"}},
	"setup: ssm:SendCommand instance":   {words: []string{"Setup of cluster1", denied + "ssm:SendCommand", "instance/"}},
	"setup: ssm:GetCommandInvocation":   {words: []string{"Setup of cluster1", denied + "ssm:DescribeInstanceInformation"}},
	"setup: s3:GetObject runs":          {words: []string{"Setup of cluster1", denied + "s3:GetObject"}},
	"ready: ec2:DescribeInstances":      {words: []string{"Ready failed", denied + "ec2:DescribeInstances"}},
	"ready: s3:GetObject runs":          {words: []string{"Ready failed", denied + "s3:GetObject"}},
	"aim: s3:GetObject runs":            {words: []string{"Prove failed", denied + "s3:GetObject"}},
	"aim: ec2:CreateNetworkInterface":   {refused: true, words: []string{denied + "ec2:CreateNetworkInterface"}},
	"shard: ec2:CreateNetworkInterface": {refused: true, words: []string{denied + "ec2:CreateNetworkInterface"}},
	"shard: s3:GetObject runs/*/trials": {words: []string{"1 of 1 shards left no tally", denied + "s3:GetObject"}},
	"merge: s3:GetObject runs":          {words: []string{"Merge failed", denied + "s3:GetObject"}},
	"merge: s3:ListBucket":              {words: []string{"Merge failed", denied + "s3:ListBucket"}},
	"judge: s3:GetObject runs":          {words: []string{"the report could not be written", denied + "s3:GetObject"}},
	"judge: s3:ListBucket":              {words: []string{"the report could not be written", denied + "s3:ListBucket"}},

	"teardown: ec2:TerminateInstances instance": {leaks: true, words: []string{denied + "ec2:TerminateInstances", "i-"}},
	"teardown: ec2:DescribeInstances":           {leaks: true, words: []string{denied + "ec2:DescribeInstances"}},
	"teardown: s3:GetObject runs":               {leaks: true, words: []string{denied + "s3:GetObject"}},
	"teardown: s3:ListBucket":                   {leaks: true, words: []string{denied + "s3:ListBucket"}},

	"MachineRole: lambda:InvokeFunction":         {words: []string{denied + "lambda:InvokeFunction"}},
	"MachineRole: logs:CreateLogDelivery":        {refused: true, words: []string{denied + "logs:CreateLogDelivery"}},
	"MachineRole: states:StartExecution":         {plan: many, words: []string{"41 of 41 shards left no tally", denied + "states:StartExecution"}},
	"MachineRole: states:DescribeExecution":      {plan: many, words: []string{"41 of 41 shards left no tally", denied + "states:DescribeExecution"}},
	"MachineRole: xray:PutTraceSegments":         {}, // a lost trace is not told of, as on AWS
	"NodeRole: ssm:UpdateInstanceInformation":    {change: shortSetup, words: []string{"cluster1", "did not register with Systems Manager"}},
	"NodeRole: ssmmessages:CreateControlChannel": {change: shortSetup, words: []string{"cluster1", "did not register with Systems Manager"}},
	"NodeRole: s3:GetObject assets/backend":      {words: []string{"Setup of cluster1", denied + "s3:GetObject"}},

	"ProxyRole: ssm:UpdateInstanceInformation":    {plan: tinyProxied, change: shortSetup, words: []string{"proxy", "did not register with Systems Manager"}},
	"ProxyRole: ssmmessages:CreateControlChannel": {plan: tinyProxied, change: shortSetup, words: []string{"proxy", "did not register with Systems Manager"}},
	"ProxyRole: s3:GetObject assets/proxy":        {plan: tinyProxied, words: []string{"Setup of proxy", denied + "s3:GetObject"}},
	"ProxyRole: ec2:DescribeInstances":            {plan: tinyProxied, change: shortAim, words: []string{"Prove failed", "cluster1"}},
	"ProxyRole: cloudwatch:PutMetricData":         {plan: tinyProxied}, // the dashboard stays empty; no figure of the report comes from there

	"sweep: ec2:TerminateInstances instance": {words: []string{denied + "ec2:TerminateInstances"}},
	"sweep: ec2:DescribeInstances":           {words: []string{denied + "ec2:DescribeInstances"}},
	"sweep: s3:GetObject runs":               {words: []string{denied + "s3:"}},
	"sweep: s3:ListBucket":                   {words: []string{denied + "s3:ListBucket"}},
	"sweep: states:DescribeExecution":        {words: []string{denied + "states:DescribeExecution"}},
}

func logs(s statement) bool { return s.Actions[0] == "logs:CreateLogStream" }

func TestEveryStatementIsNeeded(t *testing.T) {
	statements := golden(t).statements()
	for name := range lacks {
		if !slices.ContainsFunc(statements, func(s statement) bool { return s.name() == name }) {
			t.Errorf("no statement is named %q", name)
		}
	}
	for _, s := range statements {
		if logs(s) {
			continue // TestWithoutLogs
		}
		name, role := s.name(), s.Role
		want, known := lacks[name]
		if !known {
			t.Errorf("what happens without %q?", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := cmp.Or(want.plan, tiny)
			c, err := try(t, setting{plan: plan, change: func(d document) {
				d.hasten()
				nameSweep(d)
				d.without(func(s statement) bool { return s.name() == name })
				if want.change != nil {
					want.change(d)
				}
			}})
			if (err != nil) != want.refused {
				t.Fatalf("deployment: %v", err)
			}
			switch {
			case want.refused:
				says(t, err.Error(), want.words)
			case role == "sweep":
				c.sweeps(want.words)
			case want.leaks:
				c.run(t.Context(), plan).fails(command.ExitLeaked, want.words...)
			case len(want.words) == 0:
				if e := c.run(t.Context(), plan); e.code != command.ExitDone {
					t.Errorf("exit %d: %s", e.code, e.sum.Reason)
				}
			default:
				e := c.run(t.Context(), plan)
				e.fails(command.ExitFailed, want.words...)
				if read, err := os.ReadFile(filepath.Join(e.folder, "receipt.json")); err == nil && !strings.Contains(string(read), `"left": []`) {
					t.Errorf("receipt %s", read)
				}
			}
		})
	}
}

func says(t *testing.T, text string, words []string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}

// sweeps has the sweep called for a live run and, once its execution has been
// stopped, for an abandoned one: one of the calls must fail and say why.
func (c *scene) sweeps(words []string) {
	c.t.Helper()
	name := "abandoned"
	started, err := c.sfn.StartExecution(c.t.Context(), &sfn.StartExecutionInput{StateMachineArn: &c.machine, Name: &name, Input: aws.String(with(tiny, `{"blocks": 50}`))})
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.waitFor(c.t.Context(), bench.RunKeys{Run: name}.Group("cluster1")); err != nil {
		c.t.Fatal(err)
	}
	said := c.sweep()
	if _, err := c.sfn.StopExecution(c.t.Context(), &sfn.StopExecutionInput{ExecutionArn: started.ExecutionArn}); err != nil {
		c.t.Fatal(err)
	}
	says(c.t, said+c.sweep(), words)
}

// logOf is a function's log.
func (c *scene) logOf(handler string) string {
	c.t.Helper()
	// The function's name: the stack's, the logical id and a suffix.
	found, err := filepath.Glob(c.cloud.FunctionLog(stackName + "-Functions" + strings.ToUpper(handler[:1]) + handler[1:] + "*"))
	if err != nil || len(found) > 1 {
		c.t.Fatalf("logs %v, %v", found, err)
	}
	if len(found) == 0 {
		return ""
	}
	b, err := os.ReadFile(found[0])
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

// Without the permission to log a function runs as with it and its log is lost,
// as on AWS. All functions at once: the run is the same for each.
func TestWithoutLogs(t *testing.T) {
	t.Parallel()
	for _, denied := range []bool{false, true} {
		c := begin(t, setting{change: func(d document) {
			if denied {
				d.without(logs)
			}
		}})
		if e := c.run(t.Context(), tiny); e.code != command.ExitDone {
			t.Fatalf("exit %d: %s", e.code, e.sum.Reason)
		}
		for _, f := range golden(t).each("AWS::Lambda::Function") {
			handler := f["Handler"].(string)
			if handler == "sweep" {
				continue // this run needs none
			}
			if text := c.logOf(handler); (text == "") != denied {
				t.Errorf("denied %v: the log of %s is %q", denied, handler, text)
			}
		}
	}
}
