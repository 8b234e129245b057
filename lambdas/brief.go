package main

import (
	"errors"
	"regexp"

	"github.com/fairlead/fairlead/internal/steps"
)

// The SDK's errors begin with what matters least, and Step Functions keeps the
// first characters of a cause only: of a failed trial 160. The log has it all.
var (
	exchange = regexp.MustCompile(`operation error ([\w ]+): (\w+), https response error StatusCode: \d+, RequestID: [^,]*,(?: HostID: [^,]*,)? (?:api error )?`)
	// Each function has a role of its own, so the step's name says who.
	who = regexp.MustCompile(`(?:You are not authorized to perform this operation\. )?User: \S+ is not authorized`)
)

// brief shortens an error that the user will read in the execution's result.
// Errors under a name of their own are in plain words already.
func brief(err error) error {
	failed := new(steps.StepFailed)
	if !errors.As(err, &failed) {
		return err
	}
	text := exchange.ReplaceAllString(failed.Err.Error(), "$1 $2: ")
	return &steps.StepFailed{Step: failed.Step, Err: errors.New(who.ReplaceAllString(text, "not authorized"))}
}
