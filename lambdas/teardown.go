package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/steps"
)

// teardown needs S3, EC2 and Elastic Load Balancing.
func teardown(e *environment) (lambda.Handler, error) {
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
	return handle(e, (&steps.Teardown{Store: store, Fleet: machines, Balancers: newBalancers(cfg), Stack: stack}).Run), nil
}
