package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/steps"
)

// ready needs S3, EC2 and Elastic Load Balancing.
func ready(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	machines, _, err := e.machines()
	if err != nil {
		return nil, err
	}
	cfg, err := e.aws()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Ready{Store: store, Fleet: machines, Targets: newBalancers(cfg)}).Run), nil
}
