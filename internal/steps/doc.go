// Package steps is what each Lambda function of the state machine does, over
// interfaces of the few calls it needs. It knows no SDK: lambdas/ joins it to
// AWS, and the tests to fakes that fail as AWS does.
//
// A step is a struct with its dependencies and one method, Run or one for each
// operation. Steps are repeated after lost answers, so each may run twice with
// the same result; the one exception, a shard's load, holds a lease. Results
// are keys and small summaries; data goes to the Store under bench.RunKeys.
//
// An error that the state machine's user should know by name is a type of its
// own (errors.go), returned unwrapped: Step Functions shows the Go type's name.
package steps
