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

// executions is Step Functions as the sweep sees it.
type executions struct{ api *sfn.Client }

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
