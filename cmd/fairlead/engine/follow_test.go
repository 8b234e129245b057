package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/internal/bench"
)

// recorded is an execution that writes some events a second, in pages as the
// service gives them.
type recorded struct {
	begun    time.Time
	total    int64
	perSec   int64
	pageSize int64
	calls    int
}

func (r *recorded) written() int64 {
	return min(r.total, int64(time.Since(r.begun)/time.Second)*r.perSec)
}

func (r *recorded) DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	if r.written() < r.total {
		return &sfn.DescribeExecutionOutput{Status: types.ExecutionStatusRunning}, nil
	}
	return &sfn.DescribeExecutionOutput{Status: types.ExecutionStatusFailed, Error: aws.String("RunFailed"), Cause: aws.String("why")}, nil
}

func (r *recorded) GetExecutionHistory(_ context.Context, in *sfn.GetExecutionHistoryInput, _ ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error) {
	r.calls++
	last := r.written()
	if in.NextToken != nil {
		last, _ = strconv.ParseInt(*in.NextToken, 10, 64)
	}
	out := &sfn.GetExecutionHistoryOutput{}
	for id := last; id > 0 && int64(len(out.Events)) < r.pageSize; id-- {
		out.Events = append(out.Events, types.HistoryEvent{Id: id})
	}
	if next := last - r.pageSize; next > 0 {
		out.NextToken = aws.String(strconv.FormatInt(next, 10))
	}
	return out, nil
}

func TestFollowSeesEachEventOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorded{begun: time.Now(), total: 300, perSec: 7, pageSize: 5}
		var seen []int64
		end, err := follow(t.Context(), r, "arn", time.Second, func(e types.HistoryEvent) { seen = append(seen, e.Id) })
		if err != nil || end.status != types.ExecutionStatusFailed || end.err != "RunFailed" || end.cause != "why" {
			t.Fatalf("ended %+v, %v", end, err)
		}
		if int64(len(seen)) != r.total {
			t.Fatalf("saw %d events of %d", len(seen), r.total)
		}
		for i, id := range seen {
			if id != int64(i+1) {
				t.Fatalf("event %d came at place %d", id, i)
			}
		}
		if r.calls > 44*3 { // 44 polls, of which each meets 7 new events: two pages, at most three
			t.Errorf("%d calls for 300 events: old pages are read again", r.calls)
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorded{begun: time.Now(), total: 1000, perSec: 1, pageSize: 100}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(interrupt.Err) })
		_, err := follow(ctx, r, "arn", time.Second, func(types.HistoryEvent) {})
		if !errors.Is(err, interrupt.Err) || time.Since(r.begun) > 11*time.Second {
			t.Errorf("ended with %v after %v", err, time.Since(r.begun))
		}
	})
}

// cut is an execution whose named call is under way when the user interrupts.
type cut struct {
	*recorded
	call   string
	cancel context.CancelCauseFunc
}

func (c cut) fail(ctx context.Context, call string) error {
	if call == c.call {
		c.cancel(interrupt.Err)
	}
	return ctx.Err() // as the SDK: without the cause
}

func (c cut) DescribeExecution(ctx context.Context, in *sfn.DescribeExecutionInput, o ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error) {
	if err := c.fail(ctx, "DescribeExecution"); err != nil {
		return nil, err
	}
	return c.recorded.DescribeExecution(ctx, in, o...)
}

func (c cut) GetExecutionHistory(ctx context.Context, in *sfn.GetExecutionHistoryInput, o ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error) {
	if err := c.fail(ctx, "GetExecutionHistory"); err != nil {
		return nil, err
	}
	return c.recorded.GetExecutionHistory(ctx, in, o...)
}

// An interruption in the middle of a call was taken for a failed call: the run
// was not stopped and swept, and what it had measured was not reported.
func TestFollowInterruptedDuringACall(t *testing.T) {
	for _, call := range []string{"DescribeExecution", "GetExecutionHistory"} {
		ctx, cancel := context.WithCancelCause(t.Context())
		r := &recorded{begun: time.Now(), total: 10, perSec: 1, pageSize: 100}
		_, err := follow(ctx, cut{r, call, cancel}, "arn", time.Second, func(types.HistoryEvent) {})
		if !errors.Is(err, interrupt.Err) {
			t.Errorf("%s: ended with %v", call, err)
		}
	}
}

func TestProgressNamesStateBlockAndRest(t *testing.T) {
	plan, err := bench.ParsePlan([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(0, 0)
	p := newProgress(plan, func() time.Time { return now })
	enter := func(name string) {
		p.see(types.HistoryEvent{StateEnteredEventDetails: &types.StateEnteredEventDetails{Name: &name}})
	}
	iteration := func(i int) *types.MapIterationEventDetails {
		return &types.MapIterationEventDetails{Name: aws.String("Blocks"), Index: int32(i)}
	}
	says := func(parts ...string) {
		t.Helper()
		for _, want := range parts {
			if got := p.line(200); !strings.Contains(got, want) {
				t.Errorf("%q does not say %q", got, want)
			}
		}
	}
	enter("Setup")
	says("setting up", "10 of 10 trials left")
	for i := range 3 {
		p.see(types.HistoryEvent{MapIterationStartedEventDetails: iteration(i)})
		enter("Aim")
		now = now.Add(2 * time.Second)
		p.see(types.HistoryEvent{MapIterationSucceededEventDetails: iteration(i)})
	}
	p.see(types.HistoryEvent{MapIterationStartedEventDetails: iteration(3)})
	enter("Shards")
	says(fmt.Sprintf("block 2/5 · %s · sending", plan.Trials()[3].Arm), "7 of 10 trials left, about 15 s", "██████░")
	if got := p.line(60); !strings.HasPrefix(got, "7 of 10 trials left, about 15 s · block 2/5") || len([]rune(got)) > 60 {
		t.Errorf("in a narrow terminal %q does not say what is left and where the run is", got)
	}
	enter("Teardown")
	says("ending the fleet")
	if n := len([]rune(p.line(40))); n > 40 {
		t.Errorf("a line of %d columns does not fit a terminal of 40", n)
	}
}

func TestExitCodes(t *testing.T) {
	done := outcome{status: types.ExecutionStatusSucceeded}
	failed := outcome{status: types.ExecutionStatusFailed, err: "RunFailed"}
	for _, tt := range []struct {
		why         string
		end         outcome
		sum         summary
		interrupted bool
		want        int
	}{
		{"all is well", done, summary{Status: bench.StatusDone}, false, 0},
		{"a threshold was broken", done, summary{Status: bench.StatusDone, Thresholds: []bench.Threshold{{Passed: true}, {Passed: false}}}, false, 1},
		{"the run failed", failed, summary{Status: bench.StatusFailed}, false, 1},
		{"no report although the execution succeeded", done, summary{Status: bench.StatusFailed}, false, 1},
		{"something is left", outcome{status: types.ExecutionStatusFailed, err: "Leaked"}, summary{Status: bench.StatusLeaked}, false, 3},
		{"left behind after Ctrl-C is worse than Ctrl-C", outcome{status: types.ExecutionStatusAborted}, summary{Status: bench.StatusLeaked}, true, 3},
		{"Ctrl-C", outcome{status: types.ExecutionStatusAborted}, summary{Status: bench.StatusPartial}, true, 130},
	} {
		if got := exitCode(tt.end, tt.sum, tt.interrupted); got != tt.want {
			t.Errorf("%s: exit %d, want %d", tt.why, got, tt.want)
		}
	}
}
