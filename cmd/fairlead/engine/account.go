package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/bench"
)

// Of a run in an account. Two calls every two seconds stay far below the API's
// refill (Step Functions quotas: 20 GetExecutionHistory a second); a sweep takes
// up to 100 s after its event. A laptop may lose its network for a minute: the
// execution does not need it, so calls are tried for about as long.
const (
	accountEvery    = 2 * time.Second
	accountPatience = 5 * time.Minute
	accountAttempts = 12
	accountBackoff  = 10 * time.Second
)

// runInAccount is `fairlead run --aws`.
func (e engine) runInAccount(ctx context.Context, o command.Run, paint *painter) (int, error) {
	paint.show(func(int) string { return "looking for the stack " + o.AWS.Stack })
	d, stack, err := e.find(ctx, o)
	paint.clear()
	switch {
	case err != nil && interrupted(ctx):
		fmt.Fprintln(e.Err, "fairlead: interrupted before the run began; nothing was started")
		return command.ExitInterrupted, nil
	case errors.As(err, new(notThere)), errors.Is(err, errResults):
		return command.ExitBadInput, err
	case err != nil:
		return command.ExitFailed, err
	}
	if !o.JSON {
		fmt.Fprintf(e.Err, "fairlead: account %s, %s, stack %s: about %.0f minutes and $%.2f, refused above $%.2f\n",
			stack.account, stack.region, o.AWS.Stack, o.Plan.EstimateTime().Minutes(), o.Plan.EstimateCost().USD, o.Plan.MaxUSD)
	}
	code, err := e.execute(ctx, d, o, paint)
	if err != nil {
		err = fmt.Errorf("%w\nWhat was started goes on and ends by itself; follow it at\n  %s\nand fetch its results with\n  aws s3 cp --recursive s3://%s/runs/ %s",
			err, stack.console, d.bucket, filepath.Join(o.Out, "runs"))
	}
	return code, err
}

// notThere is a stack, a region or credentials that the user named wrongly or not at all.
type notThere struct{ error }

// stackFacts is what a user is told of the stack.
type stackFacts struct{ account, region, console string }

// find looks the stack up with the AWS configuration's own credentials.
func (e engine) find(ctx context.Context, o command.Run) (*deployment, stackFacts, error) {
	out, err := filepath.Abs(o.Out)
	if err != nil {
		return nil, stackFacts{}, err
	}
	if err := writable(out); err != nil {
		return nil, stackFacts{}, fmt.Errorf("%w: %w", errResults, err)
	}
	c, err := configured(ctx, *o.AWS)
	if err != nil {
		return nil, stackFacts{}, err
	}
	found, err := cloudformation.NewFromConfig(c).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &o.AWS.Stack})
	if err != nil {
		return nil, stackFacts{}, lookup(err, *o.AWS, c.Region)
	}
	if len(found.Stacks) != 1 {
		return nil, stackFacts{}, fmt.Errorf("CloudFormation describes %d stacks by the name %s", len(found.Stacks), o.AWS.Stack)
	}
	s := found.Stacks[0]
	if status := string(s.StackStatus); !strings.HasSuffix(status, "_COMPLETE") || strings.HasPrefix(status, "DELETE") || status == "ROLLBACK_COMPLETE" {
		return nil, stackFacts{}, notThere{fmt.Errorf("the stack %s is %s: deploy it again, or wait until it is done", o.AWS.Stack, status)}
	}
	outputs := map[string]string{}
	for _, v := range s.Outputs {
		outputs[aws.ToString(v.OutputKey)] = aws.ToString(v.OutputValue)
	}
	d := &deployment{results: out, every: accountEvery, patience: accountPatience}
	if err := d.outputs(outputs); err != nil {
		return nil, stackFacts{}, notThere{err}
	}
	d.clients(c)
	b := bucket{s3.NewFromConfig(c), d.bucket}
	d.has = b.has
	d.fetch = func(ctx context.Context, keys bench.RunKeys) error { return b.fetch(ctx, keys.Prefix(), d.results) }
	id, err := arn.Parse(aws.ToString(s.StackId))
	if err != nil {
		return nil, stackFacts{}, fmt.Errorf("the stack's id %q: %w", aws.ToString(s.StackId), err)
	}
	return d, stackFacts{account: id.AccountID, region: id.Region, console: outputs["ConsoleUrl"]}, nil
}

// configured is the SDK's default configuration with what the flags say.
func configured(ctx context.Context, a command.Account) (aws.Config, error) {
	options := []func(*config.LoadOptions) error{
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = accountAttempts, accountBackoff })
		}),
	}
	if a.Region != "" {
		options = append(options, config.WithRegion(a.Region))
	}
	if a.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(a.Profile))
	}
	if a.Endpoint != "" {
		options = append(options, config.WithBaseEndpoint(a.Endpoint))
	}
	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return c, notThere{fmt.Errorf("the AWS configuration: %w", err)}
	}
	if c.Region == "" {
		return c, notThere{errors.New("no AWS region: give --region, set AWS_REGION, or run aws configure")}
	}
	if _, err := c.Credentials.Retrieve(ctx); err != nil {
		return c, notThere{fmt.Errorf("no AWS credentials: run aws configure or aws login, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --profile (%w)", err)}
	}
	return c, nil
}

// lookup says what to do about a stack that could not be described.
func lookup(err error, a command.Account, region string) error {
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist") {
		return notThere{fmt.Errorf("there is no stack %s in %s: deploy it with npx aws-cdk@2.1148.1 deploy, or give --stack and --region of the one there is", a.Stack, region)}
	}
	return fmt.Errorf("looking for the stack %s in %s: %w", a.Stack, region, err)
}

// announce tells where to see the execution in the console.
func announce(w io.Writer, execution string) {
	id, err := arn.Parse(execution)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "fairlead: https://%s.console.aws.amazon.com/states/home?region=%s#/v2/executions/details/%s\n", id.Region, id.Region, execution)
}
