package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/steps"
)

// launch needs S3 and EC2.
func launch(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	machines, _, err := e.machines()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Launcher{Store: store, Fleet: machines}).Run), nil
}
