package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// Limits of the Error and Cause of a failed task (API reference, TaskFailedEventDetails).
const (
	maxErrorName = 256
	maxCause     = 32_768
)

// Invoker runs Lambda functions. An error that is a *gateway.Error (throttled,
// no such function) becomes the task's error Lambda.<Code>; another one
// Lambda.SdkClientException. The context ends only when the service closes: a
// task that is stopped or times out leaves its function running, as on AWS.
type Invoker interface {
	Invoke(ctx context.Context, functionARN string, payload []byte) (InvokeResult, error)
}

// InvokeResult is what the synchronous Invoke of Lambda answers.
type InvokeResult struct {
	StatusCode      int // 200
	ExecutedVersion string
	FunctionError   string // "", "Unhandled" or "Handled": then Payload describes the error
	Payload         []byte // JSON
}

// invocation is what the arguments of a task name.
type invocation struct {
	FunctionName string          `json:"FunctionName"`
	Payload      json.RawMessage `json:"Payload"`
}

func (v *visit) task(ctx context.Context) (json.RawMessage, error) {
	ev := v.evaluation(nil)
	args, err := v.state.Task.Arguments.eval(ev)
	if err != nil {
		return nil, err
	}
	if len(args) > maxPayload {
		return nil, fail(errDataLimit, "The state/task '%s' was given arguments with a size exceeding the maximum number of bytes service limit.", v.state.Name)
	}
	var call invocation
	dec := json.NewDecoder(strings.NewReader(string(args)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&call); err != nil || call.FunctionName == "" {
		return nil, fail(errRuntime, "The arguments of the state '%s' (entered at the event id #%d) are not {FunctionName, Payload}: %s", v.state.Name, v.enteredID, reason(err))
	}
	if call.Payload == nil {
		call.Payload = json.RawMessage("{}")
	}
	timeout := 0
	if t := v.state.Task.Timeout; t != nil {
		raw, err := t.eval(ev)
		if err != nil {
			return nil, err
		}
		timeout = integer(raw)
	}
	v.record("TaskScheduled", scheduledDetails{args, timeout})
	v.record("TaskStarted", nil)
	result, err := v.invoke(ctx, call, time.Duration(timeout)*time.Second)
	var f *failure
	if errors.As(err, &f) {
		kind := "TaskFailed"
		if f.Name == errTimeout {
			kind = "TaskTimedOut"
		}
		v.record(kind, failedDetails{f.Name, f.Cause})
		return nil, f
	}
	if err != nil {
		return nil, err
	}
	v.record("TaskSucceeded", succeededDetails{result})
	return result, nil
}

func reason(err error) string {
	if err == nil {
		return "FunctionName is empty"
	}
	return err.Error()
}

func (v *visit) invoke(ctx context.Context, call invocation, timeout time.Duration) (json.RawMessage, error) {
	x := v.exec
	arn := x.service.functionARN(call.FunctionName)
	if err := x.service.may(x.caller, "lambda:InvokeFunction", arn); err != nil {
		// The Lambda integration reports what it has no own name for as AWSLambdaException.
		return nil, fail("Lambda.AWSLambdaException", "%s (Service: Lambda, Status Code: 403, Request ID: %s)", message(err), newUUID())
	}
	type answer struct {
		result InvokeResult
		err    error
	}
	answered := make(chan answer, 1)
	x.service.invocations.Go(func() {
		result, err := x.service.config.Invoker.Invoke(x.service.ctx, arn, call.Payload)
		answered <- answer{result, err}
	})
	var expired <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		expired = timer.C
	}
	var got answer
	select {
	case got = <-answered:
	case <-expired:
		if err := x.cut(ctx); err != nil {
			return nil, err
		}
		return nil, &failure{Name: errTimeout}
	case <-ctx.Done():
	}
	if err := x.cut(ctx); err != nil {
		return nil, err
	}
	if got.err != nil {
		return nil, refused(got.err)
	}
	return taskResult(got.result)
}

// message is an error's text without the code that AWS shows beside it.
func message(err error) string {
	var e *gateway.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}

// refused is the failure for a call that Lambda did not run.
func refused(err error) *failure {
	var e *gateway.Error
	if !errors.As(err, &e) {
		return fail("Lambda.SdkClientException", "%v", err)
	}
	status := e.Status
	if status == 0 {
		status = 400
	}
	name := e.Code
	if name == "AccessDeniedException" {
		name = "AWSLambdaException"
	}
	return fail("Lambda."+name, "%s (Service: Lambda, Status Code: %d, Request ID: %s)", e.Message, status, newUUID())
}

// taskResult is the task's result, or the failure that the function reported:
// its errorType, and its whole payload as the cause.
func taskResult(r InvokeResult) (json.RawMessage, error) {
	if r.FunctionError != "" {
		var report struct {
			Type string `json:"errorType"`
		}
		f := &failure{Name: "Lambda.Unknown", Cause: string(r.Payload)}
		if json.Unmarshal(r.Payload, &report) == nil && report.Type != "" {
			f.Name = report.Type
		} else {
			f.Cause = "The cause could not be determined because Lambda did not return an error type. Returned payload: " + f.Cause
		}
		f.Name, f.Cause = shorten(f.Name, maxErrorName), shorten(f.Cause, maxCause)
		return nil, f
	}
	payload := json.RawMessage(r.Payload)
	if len(payload) == 0 {
		payload = json.RawMessage("null")
	}
	if !json.Valid(payload) {
		return nil, fail("Lambda.Unknown", "the function's payload is not valid JSON: %s", shorten(string(payload), 200))
	}
	version, _ := json.Marshal(r.ExecutedVersion)
	result := json.RawMessage(fmt.Sprintf(`{"ExecutedVersion":%s,"Payload":%s,"StatusCode":%d}`, version, payload, r.StatusCode))
	if len(result) > maxPayload {
		return nil, fail(errDataLimit, "The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.", lambdaInvoke)
	}
	return result, nil
}

func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "")
}
