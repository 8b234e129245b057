package states

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

const (
	testRole    = "arn:aws:iam::000000000000:role/machine"
	testMachine = "arn:aws:states:us-east-1:000000000000:stateMachine:m"
)

// function is a Lambda function of the test cloud.
type function func(ctx context.Context, payload []byte) (InvokeResult, error)

// cloud is the surroundings of a Service: functions by name, and a role that may
// do everything but what is denied.
type cloud struct {
	mu        sync.Mutex
	functions map[string]function
	denied    map[string]bool // actions
	asked     []string        // "action resource"
	events    []Event
	calls     map[string]int
}

func (c *cloud) Invoke(ctx context.Context, arn string, payload []byte) (InvokeResult, error) {
	name := arn[strings.LastIndexByte(arn, ':')+1:]
	c.mu.Lock()
	fn := c.functions[name]
	if c.calls == nil {
		c.calls = map[string]int{}
	}
	c.calls[name]++
	c.mu.Unlock()
	if fn == nil {
		return InvokeResult{}, &gateway.Error{Code: "ResourceNotFoundException", Message: "Function not found: " + arn, Status: 404}
	}
	return fn(ctx, payload)
}

func (c *cloud) AssumeRole(role, session, service string, _ time.Duration) (iam.Credentials, iam.Caller, error) {
	if service != "states.amazonaws.com" || role != testRole {
		return iam.Credentials{}, iam.Caller{}, fmt.Errorf("%s may not assume %s", service, role)
	}
	return iam.Credentials{}, iam.Caller{ARN: "arn:aws:sts::000000000000:assumed-role/machine/" + session, RoleARN: role}, nil
}

func (c *cloud) Authorize(caller iam.Caller, action, resource string, _ iam.Keys) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, action+" "+resource)
	if c.denied[action] {
		return fmt.Errorf("User: %s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action", caller.ARN, action, resource, action)
	}
	return nil
}

func (c *cloud) publish(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
}

// statuses are the published ones of one execution.
func (c *cloud) statuses(arn string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, e := range c.events {
		var d changeDetail
		if json.Unmarshal(e.Detail, &d) == nil && d.ExecutionARN == arn {
			out = append(out, d.Status)
		}
	}
	return out
}

func (c *cloud) count(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[name]
}

func answer(payload string) function {
	return func(context.Context, []byte) (InvokeResult, error) {
		return InvokeResult{StatusCode: 200, ExecutedVersion: "$LATEST", Payload: []byte(payload)}, nil
	}
}

func takes(d time.Duration, payload string) function {
	return func(ctx context.Context, _ []byte) (InvokeResult, error) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		return InvokeResult{StatusCode: 200, ExecutedVersion: "$LATEST", Payload: []byte(payload)}, nil
	}
}

func fails(errorType, text string) function {
	return func(context.Context, []byte) (InvokeResult, error) {
		return InvokeResult{StatusCode: 200, FunctionError: "Unhandled", Payload: fmt.Appendf(nil, `{"errorType":%q,"errorMessage":%q}`, errorType, text)}, nil
	}
}

func echo(_ context.Context, payload []byte) (InvokeResult, error) {
	return InvokeResult{StatusCode: 200, ExecutedVersion: "$LATEST", Payload: payload}, nil
}

// start makes a service with one machine, m.
func start(t *testing.T, c *cloud, definition string) *Service {
	t.Helper()
	s := New(Config{Account: "000000000000", Region: "us-east-1", Invoker: c, Authorizer: c, Publish: c.publish})
	if _, err := s.Create(Machine{Name: "m", RoleARN: testRole, Definition: definition}); err != nil {
		t.Fatal(err)
	}
	return s
}

// ended is how an execution went.
type ended struct {
	status, output, err, cause string
	path                       []string // "Type Name" of the entered states, and the other events by type
	states                     []string // names entered
	x                          *execution
	took                       time.Duration
}

// execute runs machine m to its end.
func execute(t *testing.T, s *Service, input string) ended {
	t.Helper()
	arn, at, err := s.Start(testMachine, "", input)
	if err != nil {
		t.Fatal(err)
	}
	return await(t, s, arn, at)
}

func await(t *testing.T, s *Service, arn string, at time.Time) ended {
	t.Helper()
	status, output, name, cause, err := s.Wait(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.execution(arn)
	if err != nil {
		t.Fatal(err)
	}
	e := ended{status: status, output: string(output), err: name, cause: cause, x: x, took: time.Since(at)}
	for _, ev := range x.history.snapshot() {
		e.path = append(e.path, ev.Type)
		if d, ok := ev.Details.(enteredDetails); ok {
			e.states = append(e.states, d.Name)
		}
	}
	return e
}

// inTime runs a test in virtual time, with a service that is closed at its end.
func inTime(t *testing.T, c *cloud, definition string, body func(t *testing.T, s *Service)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, c, definition)
		defer s.Close()
		body(t, s)
	})
}

// machineOf wraps states into a definition that starts at the first name given.
func machineOf(startAt, states string) string {
	return fmt.Sprintf(`{"QueryLanguage":"JSONata","StartAt":%q,"States":{%s}}`, startAt, states)
}

// task is a Task state that calls function f; more are further members.
func taskState(name, more string) string {
	return fmt.Sprintf(`%q:{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Arguments":{"FunctionName":"f","Payload":"{%% $states.input %%}"}%s}`, name, more)
}

func TestEachStateType(t *testing.T) {
	for _, c := range []struct {
		why, definition, input, output string
		took                           time.Duration
	}{
		{"Pass hands its input on", machineOf("P", `"P":{"Type":"Pass","End":true}`), `{"a":1}`, `{"a":1}`, 0},
		{"Output reads the input", machineOf("P", `"P":{"Type":"Pass","Output":{"x":"{% $states.input.a %}","y":[true,"{% 1+1 %}"]},"End":true}`), `{"a":1.50}`, `{"x":1.50,"y":[true,2]}`, 0},
		{"Assign is seen by the states after", machineOf("P", `"P":{"Type":"Pass","Assign":{"v":"{% $states.input.a %}"},"Next":"Q"},"Q":{"Type":"Succeed","Output":"{% $v & '!' %}"}`), `{"a":"x"}`, `"x!"`, 0},
		{"a state's own expressions see the variables from before", machineOf("P", `"P":{"Type":"Pass","Assign":{"v":1},"Next":"Q"},"Q":{"Type":"Pass","Assign":{"v":"{% $v+1 %}","w":"{% $v %}"},"Output":"{% $v %}","Next":"R"},"R":{"Type":"Succeed","Output":"{% [$states.input,$v,$w] %}"}`), `{}`, `[1,2,1]`, 0},
		{"Choice takes the first true rule with its own Output", machineOf("C", `"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.n > 5 %}","Next":"A"},{"Condition":"{% $states.input.n > 1 %}","Output":"mid","Next":"A"}],"Output":"none","Default":"A"},"A":{"Type":"Succeed"}`), `{"n":3}`, `"mid"`, 0},
		{"Default has the state's Output", machineOf("C", `"C":{"Type":"Choice","Choices":[{"Condition":"{% $states.input.n > 5 %}","Next":"A"}],"Output":"none","Default":"A"},"A":{"Type":"Succeed"}`), `{"n":3}`, `"none"`, 0},
		{"Wait seconds", machineOf("W", `"W":{"Type":"Wait","Seconds":"{% $states.input.s %}","End":true}`), `{"s":90}`, `{"s":90}`, 90 * time.Second},
		{"Wait until a time", machineOf("W", `"W":{"Type":"Wait","Timestamp":"{% $fromMillis($toMillis($states.context.Execution.StartTime) + 5000) %}","End":true}`), `{}`, `{}`, 5 * time.Second},
		{"a time that has passed is no wait", machineOf("W", `"W":{"Type":"Wait","Timestamp":"1999-01-01T00:00:00Z","End":true}`), `{}`, `{}`, 0},
		{"a task's result is the invocation", machineOf("T", taskState("T", `,"End":true`)), `{"q":1}`, `{"ExecutedVersion":"$LATEST","Payload":{"q":1},"StatusCode":200}`, 0},
		{"Output of a task reads the result", machineOf("T", taskState("T", `,"Output":"{% $states.result.Payload.q %}","End":true`)), `{"q":[1]}`, `[1]`, 0},
		{"Parallel gives its branches' outputs in order", machineOf("P", `"P":{"Type":"Parallel","Branches":[{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":9,"Output":"a","End":true}}},{"StartAt":"B","States":{"B":{"Type":"Pass","Output":"b","End":true}}}],"End":true}`), `{}`, `["a","b"]`, 9 * time.Second},
		{"branches read the variables around them", machineOf("A", `"A":{"Type":"Pass","Assign":{"v":7},"Next":"P"},"P":{"Type":"Parallel","Branches":[{"StartAt":"B","States":{"B":{"Type":"Pass","Output":"{% $v %}","End":true}}}],"End":true}`), `{}`, `[7]`, 0},
		{"Map runs its items, and gives their outputs in order", machineOf("M", `"M":{"Type":"Map","Items":"{% $states.input.l %}","ItemProcessor":{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":"{% $states.input %}","End":true}}},"End":true}`), `{"l":[3,1,2]}`, `[3,1,2]`, 3 * time.Second},
		{"MaxConcurrency 1 is one after the other", machineOf("M", `"M":{"Type":"Map","MaxConcurrency":1,"ItemProcessor":{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":"{% $states.input %}","End":true}}},"End":true}`), `[3,1,2]`, `[3,1,2]`, 6 * time.Second},
		{"an inline Map runs 40 at once", machineOf("M", `"M":{"Type":"Map","Items":"{% [1..41] %}","ItemProcessor":{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":1,"Output":1,"End":true}}},"Output":"{% $count($states.result) %}","End":true}`), `{}`, `41`, 2 * time.Second},
		{"ItemSelector sees the item, and the iteration too", machineOf("M", `"M":{"Type":"Map","ItemSelector":{"i":"{% $states.context.Map.Item.Index %}","v":"{% $states.context.Map.Item.Value %}","all":"{% $count($states.input) %}"},"ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","Output":["{% $states.input %}","{% $states.context.Map.Item.Value %}"],"End":true}}},"End":true}`), `["x","y"]`, `[[{"i":0,"v":"x","all":2},"x"],[{"i":1,"v":"y","all":2},"y"]]`, 0},
		{"Map over nothing", machineOf("M", `"M":{"Type":"Map","ItemProcessor":{"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}},"End":true}`), `[]`, `[]`, 0},
		{"a distributed Map runs children and gives their outputs in order", machineOf("M", distributed(`,"MaxConcurrency":2`, `"W":{"Type":"Wait","Seconds":"{% $states.input %}","End":true}`, "W")), `[3,1,2]`, `[3,1,2]`, 3 * time.Second},
		{"the functions that Step Functions adds", machineOf("P", `"P":{"Type":"Pass","Output":["{% $partition([1,2,3],2) %}","{% $range(0,4,2) %}","{% $range(3,0,-2) %}","{% $range(1,0,1) %}","{% $count($range(1,1000,1)) %}","{% $hash('a','MD5') %}","{% $random(3) = $random(3) %}","{% $length($uuid()) %}","{% $parse('{\"b\":[null]}') %}"],"End":true}`), `{}`, `[[[1,2],[3]],[0,2,4],[3,1],[],1000,"0cc175b9c0f1b6a831c399e269772661",true,36,{"b":[null]}]`, 0},
		{"the transform operator changes nobody else's input", machineOf("P", `"P":{"Type":"Pass","Output":["{% $states.input ~> |$|{'a':2}| %}","{% $states.input.a %}"],"End":true}`), `{"a":1}`, `[{"a":2},1]`, 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			inTime(t, &cloud{functions: map[string]function{"f": echo}}, c.definition, func(t *testing.T, s *Service) {
				e := execute(t, s, c.input)
				if e.status != statusSucceeded || e.output != c.output || e.took != c.took {
					t.Errorf("%s %s (%s: %s) after %v; want %s after %v", e.status, e.output, e.err, e.cause, e.took, c.output, c.took)
				}
			})
		})
	}
}

// distributed is a distributed Map named M over its input.
func distributed(more, states, startAt string) string {
	return fmt.Sprintf(`"M":{"Type":"Map","ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":%q,"States":{%s}}%s,"End":true}`, startAt, states, more)
}
