package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/internal/bench"
)

// deployment is a stack that executions run on: on the local AWS, or in an account.
type deployment struct {
	machine, bucket, judge string
	results                string // folder with the bucket's layout

	sfn    *sfn.Client
	lambda *lambda.Client

	every    time.Duration // between two looks at an execution
	patience time.Duration // for the clean-up after an interrupt

	// has tells whether the bucket has an object; fetch brings a run's objects
	// into the results folder, where that is not the bucket itself.
	has   func(ctx context.Context, key string) (bool, error)
	fetch func(ctx context.Context, keys bench.RunKeys) error
}

// outputs takes what the stack tells of itself.
func (d *deployment) outputs(of map[string]string) error {
	for name, into := range map[string]*string{"ResultsBucket": &d.bucket, "StateMachineArn": &d.machine, "JudgeFunction": &d.judge} {
		if *into = of[name]; *into == "" {
			return fmt.Errorf("the stack has no output %s: it is not Fairlead's, or of another version: deploy it again", name)
		}
	}
	return nil
}

// clients makes the clients of an execution.
func (d *deployment) clients(c aws.Config) {
	d.sfn, d.lambda = sfn.NewFromConfig(c), lambda.NewFromConfig(c)
}

// object is the file of an object of the bucket in the results folder.
func (d *deployment) object(key string) string {
	return filepath.Join(d.results, filepath.FromSlash(key))
}

// hasFile is has where the results folder is the bucket.
func (d *deployment) hasFile(_ context.Context, key string) (bool, error) {
	_, err := os.Stat(d.object(key))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// abort stops the execution, waits for the sweep that the stop sets off, and
// has what was measured so far judged. It has a deadline of its own: the user
// has asked to end.
func (d *deployment) abort(arn string, keys bench.RunKeys) (outcome, error) {
	ctx, cancel := context.WithTimeout(context.Background(), d.patience)
	defer cancel()
	if _, err := d.sfn.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &arn, Error: aws.String("Interrupted"), Cause: aws.String("stopped by the user")}); err != nil {
		return outcome{}, fmt.Errorf("stopping the execution: %w", err)
	}
	end, err := follow(ctx, d.sfn, arn, d.every/2, func(types.HistoryEvent) {})
	if err != nil {
		return outcome{}, err
	}
	if planned, err := d.has(ctx, keys.Plan()); err != nil || !planned {
		return end, err // stopped before anything was planned
	}
	if err := d.waitFor(ctx, keys.Receipt()); err != nil {
		return end, fmt.Errorf("the fleet's receipt did not come: %w", err)
	}
	// The run alone: a report that the execution has written itself knows more.
	payload, err := json.Marshal(map[string]any{"run": keys.Run})
	if err != nil {
		return end, err
	}
	out, err := d.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &d.judge, Payload: payload})
	if err != nil {
		return end, fmt.Errorf("judging what was measured: %w", err)
	}
	if out.FunctionError != nil {
		return end, fmt.Errorf("judging what was measured: %s", out.Payload)
	}
	return end, nil
}

// waitFor waits until the bucket has an object.
func (d *deployment) waitFor(ctx context.Context, key string) error {
	tick := time.NewTicker(d.every / 4)
	defer tick.Stop()
	for {
		if there, err := d.has(ctx, key); err != nil || there {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", key, ctx.Err())
		case <-tick.C:
		}
	}
}
