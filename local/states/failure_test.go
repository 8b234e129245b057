package states

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// TestFailures gives, for each way to fail, the states that were visited and how
// the execution ended.
func TestFailures(t *testing.T) {
	const handled = `"Next":"OK"},"OK":{"Type":"Succeed"},"Caught":{"Type":"Pass","Output":"{% $states.input %}","End":true}`
	withCatch := func(more, names string) string {
		return machineOf("T", strings.TrimSuffix(taskState("T", more+`,"Catch":[{"ErrorEquals":[`+names+`],"Next":"Caught"}],`), "}")+handled)
	}
	throttled := func(context.Context, []byte) (InvokeResult, error) {
		return InvokeResult{}, &gateway.Error{Code: "TooManyRequestsException", Message: "Rate Exceeded.", Status: 429}
	}
	for _, c := range []struct {
		why, definition, input string
		fn                     function
		status, err, cause     string // cause: a part of it
		output                 string
		states                 string
		calls                  int
		took                   time.Duration
	}{
		{why: "a function's error is the task's: its type, and its payload as the cause",
			definition: machineOf("T", taskState("T", `,"End":true`)), fn: fails("BadPlan", "no nodes"),
			status: statusFailed, err: "BadPlan", cause: `{"errorType":"BadPlan","errorMessage":"no nodes"}`, states: "T", calls: 1},
		{why: "a payload without a type is Lambda.Unknown",
			definition: machineOf("T", taskState("T", `,"End":true`)),
			fn: func(context.Context, []byte) (InvokeResult, error) {
				return InvokeResult{FunctionError: "Unhandled", Payload: []byte(`"x"`)}, nil
			},
			status: statusFailed, err: "Lambda.Unknown", cause: `did not return an error type. Returned payload: "x"`, states: "T", calls: 1},
		{why: "no such function", definition: machineOf("T", strings.Replace(taskState("T", `,"End":true`), `"f"`, `"g"`, 1)),
			status: statusFailed, err: "Lambda.ResourceNotFoundException", cause: "Status Code: 404", states: "T"},
		{why: "Catch leaves with the error as output", definition: withCatch("", `"BadPlan"`), fn: fails("BadPlan", "x"),
			status: statusSucceeded, output: `{"Cause":"{\"errorType\":\"BadPlan\",\"errorMessage\":\"x\"}","Error":"BadPlan"}`, states: "T Caught", calls: 1},
		{why: "Catch of another error does not", definition: withCatch("", `"Other"`), fn: fails("BadPlan", "x"),
			status: statusFailed, err: "BadPlan", states: "T", calls: 1},
		{why: "States.TaskFailed stands for a function's error", definition: withCatch("", `"States.TaskFailed"`), fn: fails("BadPlan", "x"),
			status: statusSucceeded, states: "T Caught", calls: 1},
		{why: "but not for a timeout", definition: withCatch(`,"TimeoutSeconds":5`, `"States.TaskFailed"`), fn: takes(time.Minute, "1"),
			status: statusFailed, err: errTimeout, states: "T", calls: 1, took: 5 * time.Second},
		{why: "a timeout, as an expression", definition: withCatch(`,"TimeoutSeconds":"{% $states.input.t %}"`, `"States.Timeout"`), input: `{"t":7}`, fn: takes(time.Minute, "1"),
			status: statusSucceeded, output: `{"Cause":"","Error":"States.Timeout"}`, states: "T Caught", calls: 1, took: 7 * time.Second},
		{why: "a timeout that is no number", definition: withCatch(`,"TimeoutSeconds":"{% 'x' %}"`, `"States.ALL"`), fn: echo,
			status: statusSucceeded, states: "T Caught"},
		{why: "Retry: 1, 2 and 4 seconds, then Catch", definition: withCatch(`,"Retry":[{"ErrorEquals":["States.ALL"]}]`, `"States.ALL"`), fn: fails("X", "x"),
			status: statusSucceeded, states: "T Caught", calls: 4, took: 7 * time.Second},
		{why: "MaxDelaySeconds bounds the backoff", definition: withCatch(`,"Retry":[{"ErrorEquals":["X"],"IntervalSeconds":2,"BackoffRate":10,"MaxDelaySeconds":3,"MaxAttempts":3}]`, `"States.ALL"`), fn: fails("X", "x"),
			status: statusSucceeded, states: "T Caught", calls: 4, took: 8 * time.Second},
		{why: "each retrier counts for itself", definition: machineOf("T", taskState("T", `,"Retry":[{"ErrorEquals":["Lambda.TooManyRequestsException"],"IntervalSeconds":5,"MaxAttempts":1},{"ErrorEquals":["X"],"MaxAttempts":1}],"End":true`)), fn: throttled,
			status: statusFailed, err: "Lambda.TooManyRequestsException", cause: "Rate Exceeded. (Service: Lambda, Status Code: 429", states: "T", calls: 2, took: 5 * time.Second},
		{why: "MaxAttempts 0 never retries", definition: withCatch(`,"Retry":[{"ErrorEquals":["X"],"MaxAttempts":0},{"ErrorEquals":["States.ALL"]}]`, `"States.ALL"`), fn: fails("X", "x"),
			status: statusSucceeded, states: "T Caught", calls: 1},
		{why: "States.ALL does not catch States.DataLimitExceeded", definition: withCatch("", `"States.ALL"`), fn: answer(`"` + strings.Repeat("x", maxPayload) + `"`),
			status: statusFailed, err: errDataLimit, cause: "exceeding the maximum number of bytes", states: "T", calls: 1},
		{why: "by name it is caught", definition: withCatch("", `"States.DataLimitExceeded"`), fn: answer(`"` + strings.Repeat("x", maxPayload) + `"`),
			status: statusSucceeded, states: "T Caught", calls: 1},
		{why: "States.ALL does not catch States.Runtime", definition: machineOf("T", strings.Replace(strings.TrimSuffix(taskState("T", `,"Catch":[{"ErrorEquals":["States.ALL"],"Next":"Caught"}],`), "}")+handled, `{"FunctionName":"f","Payload":"{% $states.input %}"}`, `"{% {'FunctionName':'f','LogType':'Tail'} %}"`, 1)),
			status: statusFailed, err: errRuntime, cause: "LogType", states: "T"},
		{why: "an undefined expression", definition: machineOf("P", `"P":{"Type":"Pass","Output":{"v":["{% $states.input.absent %}"]},"End":true}`),
			status: statusFailed, err: errQueryEvaluation, cause: "An error occurred while executing the state 'P' (entered at the event id #2). The JSONata expression '$states.input.absent' specified for the field 'Output/v[0]' returned nothing (undefined).", states: "P"},
		{why: "an undefined Output of a task is caught", definition: withCatch(`,"Output":"{% $states.result.Payload.absent %}"`, `"States.QueryEvaluationError"`), fn: echo,
			status: statusSucceeded, states: "T Caught", calls: 1},
		{why: "a function is no result", definition: machineOf("P", `"P":{"Type":"Pass","Output":"{% function($x){$x} %}","End":true}`),
			status: statusFailed, err: errQueryEvaluation, cause: "function or a regular expression", states: "P"},
		{why: "nor is a built-in one, in an array", definition: machineOf("P", `"P":{"Type":"Pass","Output":"{% [$sum] %}","End":true}`),
			status: statusFailed, err: errQueryEvaluation, cause: "function or a regular expression", states: "P"},
		{why: "nor is a regular expression", definition: machineOf("P", `"P":{"Type":"Pass","Output":"{% /a/i %}","End":true}`),
			status: statusFailed, err: errQueryEvaluation, cause: "function or a regular expression", states: "P"},
		{why: "a condition that is no boolean", definition: machineOf("C", `"C":{"Type":"Choice","Choices":[{"Condition":"{% 1 %}","Next":"P"}],"Default":"P"},"P":{"Type":"Succeed"}`),
			status: statusFailed, err: errQueryEvaluation, cause: "'Condition' returned an unexpected result type. Expected 'boolean', but was 'number' for value: 1", states: "C"},
		{why: "no rule and no Default", definition: machineOf("C", `"C":{"Type":"Choice","Choices":[{"Condition":"{% false %}","Next":"P"}]},"P":{"Type":"Succeed"}`),
			status: statusFailed, err: errNoChoiceMatched, states: "C"},
		{why: "Fail with expressions", definition: machineOf("F", `"F":{"Type":"Fail","Error":"{% 'E' & $states.input.n %}","Cause":"c"}`), input: `{"n":1}`,
			status: statusFailed, err: "E1", cause: "c", states: "F"},
		{why: "Items that are no array", definition: machineOf("M", `"M":{"Type":"Map","Items":"{% 'x' %}","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}`),
			status: statusFailed, err: errQueryEvaluation, cause: "Expected 'array'", states: "M"},
		{why: "an iteration's error is the Map's, and the others stop", definition: machineOf("M", `"M":{"Type":"Map","ItemProcessor":{"StartAt":"C","States":{"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input %}","Next":"F"}],"Default":"W"},"F":{"Type":"Fail","Error":"E"},"W":{"Type":"Wait","Seconds":60,"End":true}}},"Catch":[{"ErrorEquals":["E"],"Next":"OK"}],"End":true},"OK":{"Type":"Succeed"}`), input: `[true,false]`,
			status: statusSucceeded, output: `{"Cause":"","Error":"E"}`},
		{why: "more failed children than tolerated", definition: machineOf("M", distributed(`,"ToleratedFailurePercentage":49`, `"F":{"Type":"Fail","Error":"E"}`, "F")), input: `[1,2]`,
			status: statusFailed, err: errExceedToleration, cause: "tolerated failure threshold", states: "M"},
		{why: "as many as tolerated", definition: machineOf("M", distributed(`,"ToleratedFailurePercentage":100`, `"F":{"Type":"Fail","Error":"E","Cause":"c"}`, "F")), input: `[1]`,
			status: statusSucceeded, output: `[{"Cause":"c","Error":"E","Status":"FAILED"}]`, states: "M"},
		{why: "the execution's own timeout is not caught", definition: strings.Replace(withCatch("", `"States.ALL"`), `{`, `{"TimeoutSeconds":3,`, 1), fn: takes(time.Minute, "1"),
			status: statusTimedOut, err: errTimeout, states: "T", calls: 1, took: 3 * time.Second},
		{why: "of two deadlines at once the execution's wins", definition: strings.Replace(withCatch(`,"TimeoutSeconds":3`, `"States.ALL"`), `{`, `{"TimeoutSeconds":3,`, 1), fn: takes(time.Minute, "1"),
			status: statusTimedOut, err: errTimeout, states: "T", calls: 1, took: 3 * time.Second},
		{why: "also over a Wait that ends then", definition: strings.Replace(machineOf("W", `"W":{"Type":"Wait","Seconds":3,"End":true}`), `{`, `{"TimeoutSeconds":3,`, 1),
			status: statusTimedOut, err: errTimeout, states: "W", took: 3 * time.Second},
		{why: "a loop ends when the history is full", definition: machineOf("P", `"P":{"Type":"Pass","Next":"C"},"C":{"Type":"Choice","Choices":[{"Condition":"{% true %}","Next":"P"}],"Default":"S"},"S":{"Type":"Succeed"}`),
			status: statusFailed, err: errRuntime, cause: "maximum number of history events (25000)"},
		{why: "recursion without end", definition: machineOf("P", `"P":{"Type":"Pass","Output":"{% ($f := function($n){1 + $f($n)}; $f(1)) %}","End":true}`),
			status: statusFailed, err: errQueryEvaluation, states: "P"},
	} {
		t.Run(c.why, func(t *testing.T) {
			if c.input == "" {
				c.input = "{}"
			}
			cl := &cloud{functions: map[string]function{}}
			if c.fn != nil {
				cl.functions["f"] = c.fn
			}
			inTime(t, cl, c.definition, func(t *testing.T, s *Service) {
				e := execute(t, s, c.input)
				if e.status != c.status || e.err != c.err || !strings.Contains(e.cause, c.cause) || c.output != "" && e.output != c.output {
					t.Errorf("%s %s (%s: %.300s)", e.status, e.output, e.err, e.cause)
				}
				if c.states != "" && strings.Join(e.states, " ") != c.states {
					t.Errorf("visited %q, want %q", e.states, c.states)
				}
				if e.took != c.took || cl.count("f") != c.calls {
					t.Errorf("took %v and %d calls, want %v and %d", e.took, cl.count("f"), c.took, c.calls)
				}
				if n := len(e.path); n > maxEvents {
					t.Errorf("%d events", n)
				}
				if got := cl.statuses(e.x.arn); !slices.Equal(got, []string{statusRunning, c.status}) {
					t.Errorf("published %v", got)
				}
			})
		})
	}
}

// TestHistories compares whole histories: AWS's names, in AWS's order, each with
// the event it follows.
func TestHistories(t *testing.T) {
	for _, c := range []struct {
		why, definition string
		fn              function
		want            []string // "type previous"
	}{
		{"a task that is retried and caught", machineOf("T", taskState("T", `,"Retry":[{"ErrorEquals":["X"],"MaxAttempts":1}],"Catch":[{"ErrorEquals":["X"],"Next":"F"}],"End":true`)+`,"F":{"Type":"Fail"}`), fails("X", "x"),
			[]string{"ExecutionStarted 0", "TaskStateEntered 1", "TaskScheduled 2", "TaskStarted 3", "TaskFailed 4", "TaskScheduled 5", "TaskStarted 6", "TaskFailed 7", "TaskStateExited 8", "FailStateEntered 9", "ExecutionFailed 10"}},
		{"a timeout", machineOf("T", taskState("T", `,"TimeoutSeconds":1,"End":true`)), takes(time.Minute, "1"),
			[]string{"ExecutionStarted 0", "TaskStateEntered 1", "TaskScheduled 2", "TaskStarted 3", "TaskTimedOut 4", "ExecutionFailed 5"}},
		{"a failed evaluation", machineOf("P", `"P":{"Type":"Pass","Output":"{% $states.input.x %}","End":true}`), nil,
			[]string{"ExecutionStarted 0", "PassStateEntered 1", "EvaluationFailed 2", "ExecutionFailed 3"}},
		{"Choice, Wait and Succeed", machineOf("C", `"C":{"Type":"Choice","Choices":[{"Condition":"{% true %}","Next":"W"}]},"W":{"Type":"Wait","Seconds":1,"Next":"S"},"S":{"Type":"Succeed"}`), nil,
			[]string{"ExecutionStarted 0", "ChoiceStateEntered 1", "ChoiceStateExited 2", "WaitStateEntered 3", "WaitStateExited 4", "SucceedStateEntered 5", "SucceedStateExited 6", "ExecutionSucceeded 7"}},
		{"an inline Map, one at a time", machineOf("M", `"M":{"Type":"Map","Items":[1,2],"MaxConcurrency":1,"ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}`), nil,
			[]string{"ExecutionStarted 0", "MapStateEntered 1", "MapStateStarted 2", "MapIterationStarted 3", "PassStateEntered 4", "PassStateExited 5", "MapIterationSucceeded 6", "MapIterationStarted 3", "PassStateEntered 8", "PassStateExited 9", "MapIterationSucceeded 10", "MapStateSucceeded 11", "MapStateExited 12", "ExecutionSucceeded 13"}},
		{"a Map whose iteration fails", machineOf("M", `"M":{"Type":"Map","Items":[1],"ItemProcessor":{"StartAt":"F","States":{"F":{"Type":"Fail"}}},"End":true}`), nil,
			[]string{"ExecutionStarted 0", "MapStateEntered 1", "MapStateStarted 2", "MapIterationStarted 3", "FailStateEntered 4", "MapIterationFailed 5", "MapStateFailed 6", "ExecutionFailed 7"}},
		{"a Parallel whose other branches stop", machineOf("P", `"P":{"Type":"Parallel","Branches":[{"StartAt":"A","States":{`+taskState("A", `,"End":true`)+`}},{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":2,"Next":"F"},"F":{"Type":"Fail"}}}],"End":true}`), takes(time.Minute, "1"),
			nil},
		{"a distributed Map", machineOf("M", `"M":{"Type":"Map","Items":[1],"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}`), nil,
			[]string{"ExecutionStarted 0", "MapStateEntered 1", "MapStateStarted 2", "MapRunStarted 3", "MapRunSucceeded 4", "MapStateSucceeded 5", "MapStateExited 6", "ExecutionSucceeded 7"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			inTime(t, &cloud{functions: map[string]function{"f": c.fn}}, c.definition, func(t *testing.T, s *Service) {
				e := execute(t, s, "{}")
				if c.want == nil { // branches interleave: only what happens, and the last events' order
					for _, kind := range []string{"TaskStateAborted", "ParallelStateFailed"} {
						if !slices.Contains(e.path, kind) {
							t.Errorf("no %s in %v", kind, e.path)
						}
					}
					if e.took != 2*time.Second || slices.Contains(e.path, "TaskSucceeded") {
						t.Errorf("after %v: %v", e.took, e.path)
					}
					return
				}
				var got []string
				for _, ev := range e.x.history.snapshot() {
					got = append(got, fmt.Sprintf("%s %d", ev.Type, ev.Previous))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("history\n%q\nwant\n%q", got, c.want)
				}
			})
		})
	}
}
