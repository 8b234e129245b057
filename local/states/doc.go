// Package states is the local cloud's Step Functions: it checks Amazon States
// Language definitions, runs their executions and answers the service's API.
//
// # What it knows
//
// Standard workflows written in JSONata: Task (arn:aws:states:::lambda:invoke),
// Map (inline and distributed with STANDARD children), Parallel, Choice, Wait,
// Pass, Succeed and Fail, with Retry, Catch, Assign, Output and timeouts.
// Everything else, down to a single unknown field, is refused when the machine
// is created (InvalidDefinition, with every problem at once). Two checks are
// stricter than the service's: a variable that no state of a visible scope
// assigns is refused instead of failing at run time, and so is HeartbeatSeconds,
// because a lambda:invoke task has nobody who could send a heartbeat.
//
// # What stops what
//
// As on AWS, a failing branch of a Parallel or an inline Map ends the state: its
// siblings stop where they stand (TaskStateAborted, WaitStateAborted,
// MapIterationAborted), and a Lambda function that one of them had invoked runs
// on, its result dropped. StopExecution, the execution's own timeout and a full
// history stop everything in the same way, and no Catch sees them. When an
// execution's deadline and a state's fall on the same instant, the execution's
// wins. A fan-out returns only when all its branches have ended, so an
// execution's terminal event is its last.
//
// # Time
//
// The engine reads the clock of package time only, so that its tests run in
// virtual time (testing/synctest).
package states
