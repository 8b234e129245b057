package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/internal/steps"
)

// describeTime is the deadline of one call with its retries.
const describeTime = 15 * time.Second

// longestTime is what the state machine gives an execution: its TimeoutSeconds.
const longestTime = 3 * time.Hour

// executions is Step Functions as the sweep sees it.
type executions struct {
	api     *sfn.Client
	machine string // ARN
}

var _ steps.Executions = executions{}

func (e executions) Status(ctx context.Context, arn string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	out, err := e.api.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil {
		if unknown := new(types.ExecutionDoesNotExist); errors.As(err, &unknown) {
			return "", fmt.Errorf("%w: %s", steps.ErrNotFound, arn)
		}
		return "", fmt.Errorf("describe execution %s: %w", arn, err)
	}
	return string(out.Status), nil
}

// Stopped asks for each status on its own, as the API wants it. The newest come
// first, by their start ("Results are sorted by time", API reference of
// ListExecutions): one that stopped since cannot have started long before.
func (e executions) Stopped(ctx context.Context, since time.Time) (arns []string, err error) {
	for _, status := range []types.ExecutionStatus{types.ExecutionStatusAborted, types.ExecutionStatusTimedOut, types.ExecutionStatusFailed} {
		pages := sfn.NewListExecutionsPaginator(e.api, &sfn.ListExecutionsInput{StateMachineArn: &e.machine, StatusFilter: status, MaxResults: 100})
		for old := false; pages.HasMorePages() && !old; {
			list, err := e.page(ctx, pages)
			if err != nil {
				return nil, fmt.Errorf("list %s executions: %w", status, err)
			}
			for _, x := range list {
				old = old || x.StartDate != nil && x.StartDate.Before(since.Add(-longestTime))
				if x.StopDate != nil && !x.StopDate.Before(since) {
					arns = append(arns, *x.ExecutionArn)
				}
			}
		}
	}
	return arns, nil
}

func (e executions) page(ctx context.Context, pages *sfn.ListExecutionsPaginator) ([]types.ExecutionListItem, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTime)
	defer cancel()
	page, err := pages.NextPage(ctx)
	if err != nil {
		return nil, err
	}
	return page.Executions, nil
}
