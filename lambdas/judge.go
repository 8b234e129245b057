package main

import (
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/steps"
)

// judge needs S3.
func judge(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Judge{Store: store}).Run), nil
}
