package main

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/fairlead/fairlead/internal/steps"
)

// setup needs S3 and Systems Manager.
func setup(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	cfg, err := e.aws()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Setup{Store: store, Commands: commands{ssm.NewFromConfig(cfg)}}).Run), nil
}
