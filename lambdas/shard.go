package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/fairlead/fairlead/internal/load"
	"github.com/fairlead/fairlead/internal/steps"
)

// megabytesPerCPU is the memory that comes with one vCPU (Lambda developer
// guide, "Configure Lambda function memory").
const megabytesPerCPU = 1769.0

// shard runs in the VPC: it needs S3, through the gateway endpoint, and the
// target's address.
func shard(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	s := &steps.Shard{Store: store, Load: load.Run}
	if v := e.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"); v != "" {
		memory, err := strconv.Atoi(v)
		if err != nil {
			return nil, fmt.Errorf("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is %q, not a number", v)
		}
		s.Cores = float64(memory) / megabytesPerCPU
	}
	return handle(e, func(ctx context.Context, in shardIn) (any, error) {
		if in.Op == "warm" {
			return map[string]bool{"warm": true}, nil
		}
		if c, ok := lambdacontext.FromContext(ctx); ok {
			in.Worker = c.AwsRequestID
		}
		return s.Run(ctx, in.ShardIn)
	}), nil
}

// shardIn is a shard, or a call that only wakes the function.
type shardIn struct {
	Op string `json:"op"`
	steps.ShardIn
}
