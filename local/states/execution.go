package states

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

// The states of an execution, as DescribeExecution names them.
const (
	statusRunning   = "RUNNING"
	statusSucceeded = "SUCCEEDED"
	statusFailed    = "FAILED"
	statusTimedOut  = "TIMED_OUT"
	statusAborted   = "ABORTED"
)

// maxPayload is the limit on inputs, outputs and results, in bytes of UTF-8.
const maxPayload = 262_144

// execution is one run of a machine, or of a distributed Map's processor.
type execution struct {
	service  *Service
	machine  *machine // as it was when the execution began
	flow     *Flow    // the machine's, or the processor's
	arn      string
	name     string
	input    json.RawMessage
	start    time.Time
	deadline time.Time // zero: none
	caller   iam.Caller
	mapRun   *mapRun // of which this is a child; nil for an execution of the machine
	header   string  // X-Ray trace header of the start

	stop    context.CancelCauseFunc
	history *history
	done    chan struct{}

	mu      sync.Mutex // guards what follows
	status  string
	output  json.RawMessage
	failure *failure // Error and Cause of FAILED, TIMED_OUT and ABORTED; may be nil
	stopped time.Time
	mapRuns []*mapRun
}

// machineARN is the machine as DescribeExecution shows it: children of a
// distributed Map belong to Name/Label.
func (x *execution) machineARN() string {
	if x.mapRun != nil {
		return x.machine.ARN + "/" + x.mapRun.label
	}
	return x.machine.ARN
}

// run goes through the flow until the execution has ended, whichever way. x.stop
// ends ctx.
func (x *execution) run(ctx context.Context) {
	defer close(x.done)
	defer x.stop(nil)
	if !x.deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, x.deadline, errExpired)
		defer cancel()
	}
	x.history.full = func() { x.stop(errHistoryFull) }
	x.publish()
	x.trace()

	b := &branch{exec: x, vars: &variables{}}
	b.record("ExecutionStarted", startedDetails{x.input})
	out, err := b.run(ctx, x.flow, x.input)
	x.end(b.last, out, err)
}

// end records the terminal event for what the flow gave.
func (x *execution) end(last int64, out json.RawMessage, err error) {
	var failed *failure
	var stop *aborted
	status, kind := statusFailed, "ExecutionFailed"
	var details any
	switch {
	case err == nil:
		status, kind, details = statusSucceeded, "ExecutionSucceeded", succeededDetails{out}
	case errors.As(err, &stop):
		status, kind = statusAborted, "ExecutionAborted"
		failed = &failure{stop.Name, stop.Cause}
	case errors.Is(err, errExpired) && x.mapRun == nil:
		status, kind = statusTimedOut, "ExecutionTimedOut"
		failed = &failure{Name: errTimeout}
	case errors.Is(err, errHistoryFull) && x.mapRun == nil:
		failed = fail(errRuntime, "The execution reached the maximum number of history events (%d).", maxEvents)
	case errors.As(err, &failed):
	case x.mapRun != nil: // the parent was stopped, or the Map Run had too many failures
		status, kind = statusAborted, "ExecutionAborted"
		failed = &failure{Cause: err.Error()}
	default:
		failed = fail(errRuntime, "%v", err)
	}
	if failed != nil {
		details = failedDetails{failed.Name, failed.Cause}
	}
	at := x.history.end(last, kind, details)
	x.mu.Lock()
	x.status, x.output, x.failure, x.stopped = status, out, failed, at
	x.mu.Unlock()
	x.publish()
}

// state is a consistent copy of what changes while the execution runs.
func (x *execution) state() (status string, output json.RawMessage, f *failure, stopped time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.status, x.output, x.failure, x.stopped
}

// abort ends a running execution; the call returns when it has ended.
func (x *execution) abort(cause error) {
	x.stop(cause)
	<-x.done
}

// cut says whether the flow must stop, and why. An execution whose deadline has
// come is over although its timer may not have fired yet.
func (x *execution) cut(ctx context.Context) error {
	if !x.deadline.IsZero() && !time.Now().Before(x.deadline) {
		<-ctx.Done()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
