package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/steps"
)

// teardown needs S3 and EC2.
func teardown(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	machines, stack, err := e.machines()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Teardown{Store: store, Fleet: machines, Stack: stack}).Run), nil
}
