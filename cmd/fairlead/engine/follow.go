package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// executions are the calls that follow needs.
type executions interface {
	DescribeExecution(context.Context, *sfn.DescribeExecutionInput, ...func(*sfn.Options)) (*sfn.DescribeExecutionOutput, error)
	GetExecutionHistory(context.Context, *sfn.GetExecutionHistoryInput, ...func(*sfn.Options)) (*sfn.GetExecutionHistoryOutput, error)
}

// outcome is how an execution ended.
type outcome struct {
	status types.ExecutionStatus
	output string
	err    string // the Fail state's error
	cause  string
}

// follow watches an execution until it ends, handing each history event to
// see, in order and once.
func follow(ctx context.Context, api executions, arn string, every time.Duration, see func(types.HistoryEvent)) (outcome, error) {
	var seen int64
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		// The state first: events that come between the two calls belong to an
		// execution that is described as running, and are read the next time.
		d, err := api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		if err != nil {
			return outcome{}, following(ctx, err)
		}
		events, err := newEvents(ctx, api, arn, seen)
		if err != nil {
			return outcome{}, following(ctx, err)
		}
		for _, e := range events {
			seen = e.Id
			see(e)
		}
		if d.Status != types.ExecutionStatusRunning {
			return outcome{d.Status, aws.ToString(d.Output), aws.ToString(d.Error), aws.ToString(d.Cause)}, nil
		}
		select {
		case <-ctx.Done():
			return outcome{}, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// following tells a call that failed from one that ended with ctx: the SDK's
// error for the latter knows that ctx ended, not why.
func following(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("following the execution: %w", err)
}

// newEvents reads the history backwards until it meets what has been seen, so
// that a long history is not read again and again.
func newEvents(ctx context.Context, api executions, arn string, seen int64) ([]types.HistoryEvent, error) {
	in := &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, ReverseOrder: true, MaxResults: 100, IncludeExecutionData: aws.Bool(false)}
	var newer []types.HistoryEvent
	for {
		page, err := api.GetExecutionHistory(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if e.Id <= seen {
				return reversed(newer), nil
			}
			newer = append(newer, e)
		}
		if page.NextToken == nil {
			return reversed(newer), nil
		}
		in.NextToken = page.NextToken
	}
}

func reversed(events []types.HistoryEvent) []types.HistoryEvent {
	for i, j := 0, len(events)-1; i < j; i, j = i+1, j-1 {
		events[i], events[j] = events[j], events[i]
	}
	return events
}
