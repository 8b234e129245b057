package main

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/fairlead/fairlead/internal/steps"
)

// sweep needs S3, EC2, Elastic Load Balancing, Step Functions and CloudWatch.
func sweep(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	machines, stack, err := e.machines()
	if err != nil {
		return nil, err
	}
	v, err := e.need("FAIRLEAD_MACHINE")
	if err != nil {
		return nil, err
	}
	cfg, err := e.aws()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Sweeper{
		Store: store, Fleet: machines, Balancers: newBalancers(cfg), Executions: executions{sfn.NewFromConfig(cfg), v[0]},
		Metrics: metrics{cloudwatch.NewFromConfig(cfg), stack}, Stack: stack,
	}).Run), nil
}
