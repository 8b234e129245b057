package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/cdk/template"
	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/local"
)

// student is an account that can make no roles: its one role may do all that
// the account may, as LabRole does in AWS Academy's labs.
var student = setting{render: template.RenderStudent, account: account{
	assets: template.StudentBucket,
	prepare: func(c *local.Cloud) error {
		services := []string{"ec2.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"}
		all := []byte(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`)
		return errors.Join(c.PutRole("LabRole", services, all), c.PutInstanceProfile("LabInstanceProfile", "LabRole"))
	},
}}

// started is an execution that a test follows by hand.
type started struct {
	arn  string
	done *sfn.DescribeExecutionOutput
}

// alone starts an execution and waits for its end, beside what the scene runs.
func (c *scene) alone(name, plan string) (s started, err error) {
	out, err := c.sfn.StartExecution(c.t.Context(), &sfn.StartExecutionInput{StateMachineArn: &c.machine, Name: &name, Input: &plan})
	if err != nil {
		return s, err
	}
	s.arn = *out.ExecutionArn
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.done, err = c.sfn.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &s.arn}); err != nil || s.done.Status != types.ExecutionStatusRunning {
			return s, err
		}
		<-tick.C
	}
}

// lock is the body of the run lock, as its users see it.
type lock struct {
	Execution string
	Expiry    time.Time
	Freed     bool
}

func (c *scene) lock() (l lock) {
	c.t.Helper()
	text, err := os.ReadFile(c.object(bench.RunLock))
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		c.t.Error(err)
	}
	return l
}

// freed waits until the lock of the run's execution is free.
func (c *scene) freed(e ended) {
	c.t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		l := c.lock()
		if !strings.HasSuffix(l.Execution, ":"+e.sum.Run) {
			c.t.Fatalf("the lock is %s's, want that of %s", l.Execution, e.sum.Run)
		}
		if l.Freed {
			return
		}
		select {
		case <-deadline.C:
			c.t.Fatalf("the lock is not freed: %+v", l)
		case <-tick.C:
		}
	}
}

// A whole life in a student account: a run, a second one that is refused
// meanwhile, one that is too large, one that is aborted.
func TestStudentAccount(t *testing.T) {
	t.Parallel()
	c := begin(t, student)
	type seconds struct {
		refused, dry started
		err          error
	}
	second := make(chan seconds, 1)
	c.when("runs/*/trials/*/aim.json", func(string) {
		var s seconds
		s.refused, s.err = c.alone("second", tiny)
		if s.err == nil {
			s.dry, s.err = c.alone("second-dry", with(tiny, `{"dryRun": true}`))
		}
		second <- s
	})
	first := c.run(t.Context(), with(tiny, `{"blocks": 4}`))
	if first.code != command.ExitDone || first.errs != "" {
		t.Fatalf("exit %d: %s; %q", first.code, first.sum.Reason, first.errs)
	}
	first.clean(1)
	record := read[bench.RunRecord](first, "plan.json")
	if !record.Locked {
		t.Error("plan.json does not say that the run holds the lock")
	}
	s := <-second
	if s.err != nil {
		t.Fatal(s.err)
	}
	cause := aws.ToString(s.refused.done.Cause)
	if s.refused.done.Status != types.ExecutionStatusFailed || aws.ToString(s.refused.done.Error) != "RunLocked" {
		t.Errorf("the second execution is %s with %s", s.refused.done.Status, aws.ToString(s.refused.done.Error))
	}
	for _, want := range []string{"one run at a time", "execution " + record.Execution + " holds the lock", record.Expiry.Format(time.RFC3339), "s3://" + c.bucket + "/" + bench.RunLock} {
		if !strings.Contains(cause, want) {
			t.Errorf("the refusal does not say %q: %s", want, cause)
		}
	}
	if _, err := os.Stat(c.object(bench.RunKeys{Run: "second"}.Plan())); !os.IsNotExist(err) {
		t.Errorf("the refused run's plan: %v", err)
	}
	if out := aws.ToString(s.dry.done.Output); s.dry.done.Status != types.ExecutionStatusSucceeded || !strings.Contains(out, `"status":"short"`) || !strings.Contains(out, "execution "+record.Execution+" holds the lock") {
		t.Errorf("the dry run meanwhile is %s: %s", s.dry.done.Status, out)
	}
	c.freed(first)

	nine := with(tiny, `{"clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 8}], "targets": [{"kind": "proxy", "strategy": "round-robin"}]}`)
	e := c.run(t.Context(), nine)
	e.refused(c, "QuotaTooSmall", "student account: instances: 9 with the proxy, at most 8 are offered")
	if said := c.dry(with(nine, suggestion(t, e.sum.Reason))); !strings.Contains(said, "8 with the proxy and 0 in the region already") || !strings.Contains(said, "no other run holds the lock") || strings.Contains(said, "short") {
		t.Errorf("what was proposed, with the lock free:\n%s", said)
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	c.now = func() time.Time { return time.Unix(0, 0) } // the run is named by it
	c.when("runs/smoke-19700101-000000/trials/b02-*/shard-0.lease", func(string) { cancel(interrupt.Err) })
	e = c.run(ctx, with(tiny, `{"blocks": 20}`))
	c.now = now
	e.fails(command.ExitInterrupted, "trials did not run")
	e.clean(1)
	if by := read[bench.Receipt](e, "receipt.json").By; by != "sweep" {
		t.Errorf("ended by %s", by)
	}
	c.freed(e)
	if e = c.run(t.Context(), tiny); e.code != command.ExitDone {
		t.Errorf("the run after it: exit %d: %s", e.code, e.sum.Reason)
	}
}
