package main

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/fairlead/fairlead/internal/steps"
)

// sweep needs S3, EC2 and Step Functions.
func sweep(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	machines, stack, err := e.machines()
	if err != nil {
		return nil, err
	}
	cfg, err := e.aws()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Sweeper{Store: store, Fleet: machines, Executions: executions{sfn.NewFromConfig(cfg)}, Stack: stack}).Run), nil
}
