package states

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// Operations are the calls of the API (awsJson 1.0, target AWSStepFunctions)
// that this service answers; gateway.Table refuses the others by name.
func (s *Service) Operations() map[string]gateway.Operation {
	return map[string]gateway.Operation{
		"DescribeExecution":                s.describeExecution,
		"DescribeMapRun":                   s.describeMapRun,
		"DescribeStateMachine":             s.describeStateMachine,
		"DescribeStateMachineForExecution": s.describeForExecution,
		"GetExecutionHistory":              s.getExecutionHistory,
		"ListExecutions":                   s.listExecutions,
		"ListMapRuns":                      s.listMapRuns,
		"ListStateMachines":                s.listStateMachines,
		"StartExecution":                   s.startExecution,
		"StopExecution":                    s.stopExecution,
		"ValidateStateMachineDefinition":   s.validateDefinition,
	}
}

// epoch is a time in awsJson: seconds with milliseconds.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// allow decodes the call's input and authorises it on the ARN that it names.
func allow(r *gateway.Request, in any, action string, resource func() string) error {
	if err := r.Decode(in); err != nil {
		return err
	}
	return r.Authorize("states:"+action, resource(), iam.Keys{})
}

func missing(name string) error {
	return &gateway.Error{Code: "ValidationException", Message: fmt.Sprintf(
		"1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null", name)}
}

func (s *Service) startExecution(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Machine string `json:"stateMachineArn"`
		Name    string `json:"name"`
		Input   string `json:"input"`
		Trace   string `json:"traceHeader"`
	}
	if err := allow(r, &in, "StartExecution", func() string { return in.Machine }); err != nil {
		return nil, err
	}
	if in.Machine == "" {
		return nil, missing("stateMachineArn")
	}
	x, err := s.start(in.Machine, in.Name, in.Input, in.Trace)
	if err != nil {
		return nil, err
	}
	return map[string]any{"executionArn": x.arn, "startDate": epoch(x.start)}, nil
}

func (s *Service) stopExecution(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ARN   string `json:"executionArn"`
		Error string `json:"error"`
		Cause string `json:"cause"`
	}
	if err := allow(r, &in, "StopExecution", func() string { return in.ARN }); err != nil {
		return nil, err
	}
	at, err := s.Stop(in.ARN, in.Error, in.Cause)
	if err != nil {
		return nil, err
	}
	return map[string]any{"stopDate": epoch(at)}, nil
}

// includedData is ALL_DATA or METADATA_ONLY; the former when it is left out.
func includedData(value string) (all bool, err error) {
	switch value {
	case "", "ALL_DATA":
		return true, nil
	case "METADATA_ONLY":
		return false, nil
	}
	return false, &gateway.Error{Code: "ValidationException", Message: "includedData must be ALL_DATA or METADATA_ONLY"}
}

func (s *Service) describeExecution(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ARN  string `json:"executionArn"`
		Data string `json:"includedData"`
	}
	if err := allow(r, &in, "DescribeExecution", func() string { return in.ARN }); err != nil {
		return nil, err
	}
	all, err := includedData(in.Data)
	if err != nil {
		return nil, err
	}
	x, err := s.execution(in.ARN)
	if err != nil {
		return nil, err
	}
	out := x.item()
	status, output, f, _ := x.state()
	if all {
		out["input"] = string(x.input)
		if output != nil && status == statusSucceeded {
			out["output"] = string(output)
		}
	}
	out["inputDetails"] = included{all}
	if status == statusSucceeded {
		out["outputDetails"] = included{all}
	}
	if f != nil {
		if f.Name != "" {
			out["error"] = f.Name
		}
		if f.Cause != "" {
			out["cause"] = f.Cause
		}
	}
	if x.header != "" {
		out["traceHeader"] = x.header
	}
	out["redriveStatus"], out["redriveStatusReason"] = "NOT_REDRIVABLE", notRedrivable
	return out, nil
}

// item is an execution as lists show it.
func (x *execution) item() map[string]any {
	status, _, _, stopped := x.state()
	out := map[string]any{"executionArn": x.arn, "stateMachineArn": x.machineARN(), "name": x.name,
		"status": status, "startDate": epoch(x.start), "redriveCount": 0}
	if !stopped.IsZero() {
		out["stopDate"] = epoch(stopped)
	}
	if x.mapRun != nil {
		out["mapRunArn"] = x.mapRun.arn
	}
	return out
}

func (s *Service) getExecutionHistory(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ARN     string `json:"executionArn"`
		Max     int    `json:"maxResults"`
		Next    string `json:"nextToken"`
		Reverse bool   `json:"reverseOrder"`
		Data    *bool  `json:"includeExecutionData"`
	}
	if err := allow(r, &in, "GetExecutionHistory", func() string { return in.ARN }); err != nil {
		return nil, err
	}
	x, err := s.execution(in.ARN)
	if err != nil {
		return nil, err
	}
	events := x.history.snapshot()
	if in.Reverse {
		events = slices.Clone(events)
		slices.Reverse(events)
	}
	page, next, err := paginate(events, in.Max, in.Next)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(page))
	for i, e := range page {
		list[i] = e.render(x, in.Data == nil || *in.Data)
	}
	return withToken(map[string]any{"events": list}, next), nil
}

func (s *Service) listExecutions(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Machine string `json:"stateMachineArn"`
		MapRun  string `json:"mapRunArn"`
		Status  string `json:"statusFilter"`
		Max     int    `json:"maxResults"`
		Next    string `json:"nextToken"`
	}
	if err := allow(r, &in, "ListExecutions", func() string { return in.Machine + in.MapRun }); err != nil {
		return nil, err
	}
	if (in.Machine == "") == (in.MapRun == "") {
		return nil, &gateway.Error{Code: "ValidationException", Message: "Must specify exactly one of stateMachineArn and mapRunArn"}
	}
	// Nothing here is ever redriven, so that no execution is PENDING_REDRIVE.
	if known := []string{"", statusRunning, statusSucceeded, statusFailed, statusTimedOut, statusAborted, "PENDING_REDRIVE"}; !slices.Contains(known, in.Status) {
		return nil, &gateway.Error{Code: "ValidationException", Message: fmt.Sprintf("statusFilter %q is none of %v", in.Status, known[1:])}
	}
	var all []*execution
	if in.MapRun != "" {
		run, err := s.mapRun(in.MapRun)
		if err != nil {
			return nil, err
		}
		run.mu.Lock()
		all = slices.Clone(run.children)
		run.mu.Unlock()
	} else {
		if _, err := s.machine(in.Machine); err != nil {
			return nil, err
		}
		s.mu.Lock()
		for _, x := range s.order {
			if x.mapRun == nil && x.machine.ARN == in.Machine {
				all = append(all, x)
			}
		}
		s.mu.Unlock()
	}
	slices.Reverse(all) // the newest first
	all = slices.DeleteFunc(all, func(x *execution) bool {
		status, _, _, _ := x.state()
		return in.Status != "" && status != in.Status
	})
	page, next, err := paginate(all, in.Max, in.Next)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(page))
	for i, x := range page {
		list[i] = x.item()
	}
	return withToken(map[string]any{"executions": list}, next), nil
}

func (s *Service) validateDefinition(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Definition string `json:"definition"`
		Type       string `json:"type"`
		Severity   string `json:"severity"`
		Max        int    `json:"maxResults"`
	}
	if err := allow(r, &in, "ValidateStateMachineDefinition", func() string { return "*" }); err != nil {
		return nil, err
	}
	if in.Type != "" && in.Type != "STANDARD" {
		return nil, &gateway.Error{Code: "StateMachineTypeNotSupported", Message: "only STANDARD state machines are supported"}
	}
	_, err := Parse(in.Definition)
	diagnostics := []any{}
	result := "OK"
	var invalid *DefinitionError
	if errors.As(err, &invalid) {
		result = "FAIL"
		for _, p := range invalid.Problems {
			diagnostics = append(diagnostics, map[string]any{"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": p.Message, "location": p.Path})
		}
	}
	limit := in.Max
	switch {
	case limit == 0:
		limit = 100
	case limit < 0 || limit > 100:
		return nil, &gateway.Error{Code: "ValidationException", Message: "maxResults must be from 0 to 100"}
	}
	if in.Severity != "" && in.Severity != "ERROR" && in.Severity != "WARNING" {
		return nil, &gateway.Error{Code: "ValidationException", Message: "severity must be ERROR or WARNING"}
	}
	truncated := len(diagnostics) > limit
	return map[string]any{"result": result, "diagnostics": diagnostics[:min(limit, len(diagnostics))], "truncated": truncated}, nil
}
