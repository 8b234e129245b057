package states

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

func code(err error) string {
	var e *gateway.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

var waitMachine = machineOf("W", `"W":{"Type":"Wait","Seconds":60,"End":true}`)

func TestStartExecution(t *testing.T) {
	inTime(t, &cloud{}, waitMachine, func(t *testing.T, s *Service) {
		arn, at, err := s.Start(testMachine, "one", `{"a":1}`)
		if err != nil || arn != "arn:aws:states:us-east-1:000000000000:execution:m:one" {
			t.Fatal(arn, err)
		}
		time.Sleep(time.Second)
		again, then, err := s.Start(testMachine, "one", `{"a":1}`)
		if err != nil || again != arn || !then.Equal(at) {
			t.Errorf("the same name and input: %s %v %v, want the running execution", again, then, err)
		}
		for _, c := range []struct{ why, machine, name, input, code string }{
			{"the same name with another input", testMachine, "one", `{"a":2}`, "ExecutionAlreadyExists"},
			{"no such machine", testMachine + "x", "two", "", "StateMachineDoesNotExist"},
			{"81 characters", testMachine, strings.Repeat("x", 81), "", "InvalidName"},
			{"a space", testMachine, "a b", "", "InvalidName"},
			{"a colon", testMachine, "a:b", "", "InvalidName"},
			{"no JSON", testMachine, "three", "{", "InvalidExecutionInput"},
			{"too large", testMachine, "four", `"` + strings.Repeat("x", maxPayload) + `"`, "InvalidExecutionInput"},
		} {
			if _, _, err := s.Start(c.machine, c.name, c.input); code(err) != c.code {
				t.Errorf("%s: %v, want %s", c.why, err, c.code)
			}
		}
		if e := await(t, s, arn, at); e.status != statusSucceeded {
			t.Error(e.status)
		}
		if _, _, err := s.Start(testMachine, "one", `{"a":1}`); code(err) != "ExecutionAlreadyExists" {
			t.Errorf("a name that was used: %v", err)
		}
	})
}

// TestForgetting: a cloud that stays up keeps a bounded number of executions,
// with the children of each that it keeps.
func TestForgetting(t *testing.T) {
	inTime(t, &cloud{}, waitMachine, func(t *testing.T, s *Service) {
		running, _, err := s.Start(testMachine, "running", "{}")
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.machine(testMachine)
		if err != nil {
			t.Fatal(err)
		}
		ended := func(name string, of *execution) *execution {
			x := &execution{service: s, machine: m, arn: name, name: name, status: statusSucceeded, history: &history{}, stop: func(error) {}, done: make(chan struct{})}
			close(x.done)
			if of != nil {
				x.mapRun = &mapRun{parent: of}
			}
			s.add(x)
			return x
		}
		oldest := ended("oldest", nil)
		ended("child", oldest)
		for n := range maxKept - 3 {
			ended(fmt.Sprint(n), nil)
		}
		if _, _, err := s.Start(testMachine, "next", "{}"); err != nil {
			t.Fatal(err)
		}
		for arn, want := range map[string]string{running: "", "0": "", "oldest": "ExecutionDoesNotExist", "child": "ExecutionDoesNotExist"} {
			if _, err := s.execution(arn); err == nil && want != "" || err != nil && code(err) != want {
				t.Errorf("%s: %v, want %q", arn, err, want)
			}
		}
		if len(s.order) != maxKept-1 || len(s.executions) != len(s.order) {
			t.Errorf("kept %d executions, %d by name", len(s.order), len(s.executions))
		}
	})
}

func TestCreate(t *testing.T) {
	s := start(t, &cloud{}, waitMachine)
	defer s.Close()
	for _, c := range []struct {
		why  string
		m    Machine
		code string
	}{
		{"the same again", Machine{Name: "m", RoleARN: testRole, Definition: waitMachine}, ""},
		{"another one of that name", Machine{Name: "m", RoleARN: testRole, Definition: machineOf("S", `"S":{"Type":"Succeed"}`)}, "StateMachineAlreadyExists"},
		{"a role that does not trust the service", Machine{Name: "n", RoleARN: "arn:aws:iam::000000000000:role/other", Definition: waitMachine}, "AccessDeniedException"},
		{"a bad definition", Machine{Name: "n", RoleARN: testRole, Definition: "{}"}, "InvalidDefinition"},
		{"a bad name", Machine{Name: "n/n", RoleARN: testRole, Definition: waitMachine}, "InvalidName"},
	} {
		_, err := s.Create(c.m)
		if err == nil && c.code != "" || err != nil && code(err) != c.code {
			t.Errorf("%s: %v, want %q", c.why, err, c.code)
		}
	}
}

// TestStop: what is stopped runs no Catch, says where it stood, and leaves the
// function that it had invoked running.
func TestStop(t *testing.T) {
	var finished bool
	c := &cloud{functions: map[string]function{"f": func(ctx context.Context, _ []byte) (InvokeResult, error) {
		select {
		case <-time.After(time.Hour):
			finished = true
		case <-ctx.Done():
		}
		return InvokeResult{StatusCode: 200, Payload: []byte("1")}, nil
	}}}
	definition := machineOf("P", `"P":{"Type":"Parallel","Branches":[{"StartAt":"T","States":{`+taskState("T", `,"End":true`)+`}},{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":9000,"End":true}}}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"S"}],"End":true},"S":{"Type":"Succeed"}`)
	inTime(t, c, definition, func(t *testing.T, s *Service) {
		arn, at, err := s.Start(testMachine, "", "{}")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := s.Stop(arn, "Stopped", "by hand"); err != nil {
			t.Fatal(err)
		}
		e := await(t, s, arn, at)
		if e.status != statusAborted || e.err != "Stopped" || e.cause != "by hand" || e.took != time.Minute {
			t.Errorf("%s %s %s after %v", e.status, e.err, e.cause, e.took)
		}
		tail := e.path[len(e.path)-2:]
		if !slices.Contains(e.path, "TaskStateAborted") || !slices.Contains(e.path, "WaitStateAborted") || !slices.Equal(tail, []string{"ParallelStateAborted", "ExecutionAborted"}) {
			t.Errorf("history %v", e.path)
		}
		if got := c.statuses(arn); !slices.Equal(got, []string{statusRunning, statusAborted}) {
			t.Errorf("published %v", got)
		}
		first, _ := s.Stop(arn, "", "again")
		if _, _, f, stopped := e.x.state(); f.Cause != "by hand" || !first.Equal(stopped) {
			t.Error("stopping what has ended changed it")
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if !finished {
			t.Error("the function was stopped with its task")
		}
	})
}

// TestExpire: an execution that is made to expire has the history, the status and
// the events of one whose time ran out, but for the time that it took.
func TestExpire(t *testing.T) {
	const definition = `{"QueryLanguage":"JSONata","TimeoutSeconds":3600,"StartAt":"P","States":{"P":{"Type":"Parallel","Branches":[{"StartAt":"A","States":{"A":{"Type":"Wait","Seconds":9000,"End":true}}},{"StartAt":"B","States":{"B":{"Type":"Wait","Seconds":9000,"End":true}}}],"Catch":[{"ErrorEquals":["States.ALL"],"Next":"S"}],"End":true},"S":{"Type":"Succeed"}}}`
	type ending struct {
		status, err, cause string
		path, published    []string
	}
	var endings []ending
	for _, early := range []bool{false, true} {
		c := &cloud{}
		inTime(t, c, definition, func(t *testing.T, s *Service) {
			arn, at, err := s.Start(testMachine, "", "{}")
			if err != nil {
				t.Fatal(err)
			}
			want := time.Hour
			if early {
				want = time.Minute
				time.Sleep(want)
				if err := s.Expire(arn); err != nil {
					t.Fatal(err)
				}
			}
			e := await(t, s, arn, at)
			if e.took != want {
				t.Errorf("took %v, want %v", e.took, want)
			}
			endings = append(endings, ending{e.status, e.err, e.cause, e.path, c.statuses(arn)})
		})
	}
	late, early := endings[0], endings[1]
	if late.status != statusTimedOut || late.err != errTimeout || late.path[len(late.path)-1] != "ExecutionTimedOut" || !slices.Equal(late.published, []string{statusRunning, statusTimedOut}) {
		t.Errorf("out of time: %+v", late)
	}
	if fmt.Sprint(early) != fmt.Sprint(late) {
		t.Errorf("expired: %+v\nwant     %+v", early, late)
	}
}

func TestExpireRefuses(t *testing.T) {
	inTime(t, &cloud{}, waitMachine, func(t *testing.T, s *Service) {
		if err := s.Expire("arn:aws:states:us-east-1:000000000000:execution:m:none"); code(err) != "ExecutionDoesNotExist" {
			t.Errorf("no such execution: %v", err)
		}
		arn, _, err := s.Start(testMachine, "", "{}")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Expire(arn); err == nil || !strings.Contains(err.Error(), "no TimeoutSeconds") {
			t.Errorf("a machine without a timeout: %v", err)
		}
	})
	timed := strings.Replace(waitMachine, "{", `{"TimeoutSeconds":600,`, 1)
	inTime(t, &cloud{}, timed, func(t *testing.T, s *Service) {
		arn, at, err := s.Start(testMachine, "", "{}")
		if err != nil {
			t.Fatal(err)
		}
		if e := await(t, s, arn, at); e.status != statusSucceeded {
			t.Fatal(e.status)
		}
		if err := s.Expire(arn); err == nil || !strings.Contains(err.Error(), "had ended before: it is SUCCEEDED") {
			t.Errorf("one that has ended: %v", err)
		}
	})
	inner := strings.Replace(machineOf("M", distributed("", `"W":{"Type":"Wait","Seconds":60,"End":true}`, "W")), "{", `{"TimeoutSeconds":600,`, 1)
	inTime(t, &cloud{}, inner, func(t *testing.T, s *Service) {
		arn, at, err := s.Start(testMachine, "", "[1]")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		x, err := s.execution(arn)
		if err != nil {
			t.Fatal(err)
		}
		child := x.runs()[0].children[0].arn
		if err := s.Expire(child); err == nil || !strings.Contains(err.Error(), "expire its parent, "+arn) {
			t.Errorf("a child: %v", err)
		}
		if err := s.Expire(arn); err != nil {
			t.Fatal(err)
		}
		if e := await(t, s, arn, at); e.status != statusTimedOut {
			t.Errorf("the parent is %s", e.status)
		}
		if status, _, _, _ := x.runs()[0].children[0].state(); status != statusAborted {
			t.Errorf("the child is %s, want it ended with its parent", status)
		}
	})
}

func TestAbortAll(t *testing.T) {
	c := &cloud{}
	inTime(t, c, machineOf("M", distributed("", `"W":{"Type":"Wait","Seconds":60,"End":true}`, "W")), func(t *testing.T, s *Service) {
		arn, at, err := s.Start(testMachine, "", "[1,2]")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		s.AbortAll("the cloud ends")
		e := await(t, s, arn, at)
		if e.status != statusAborted || e.cause != "the cloud ends" || !slices.Contains(e.path, "MapRunAborted") || !slices.Contains(e.path, "MapStateAborted") {
			t.Errorf("%s %s %v", e.status, e.cause, e.path)
		}
		if r := e.x.runs()[0]; r.status != statusAborted || r.counts()[statusAborted] != 2 {
			t.Errorf("map run %s %v", r.status, r.counts())
		}
		if n := len(c.events); n != 6 { // the parent and both children, as they began and ended
			t.Errorf("%d events", n)
		}
		if _, _, err := s.Start(testMachine, "", "[]"); code(err) != "ServiceUnavailable" {
			t.Errorf("started after AbortAll: %v", err)
		}
	})
}

// TestPermissions: tasks and children are asked for under the machine's role.
func TestPermissions(t *testing.T) {
	const fnARN = "arn:aws:lambda:us-east-1:000000000000:function:f"
	for _, c := range []struct{ why, definition, denied, err, cause, asked string }{
		{"a task", machineOf("T", taskState("T", `,"End":true`)), "lambda:InvokeFunction", "Lambda.AWSLambdaException", "is not authorized to perform: lambda:InvokeFunction on resource: " + fnARN, "lambda:InvokeFunction " + fnARN},
		{"children", machineOf("M", strings.Replace(distributed("", `"P":{"Type":"Pass","End":true}`, "P"), `"Type":"Map"`, `"Type":"Map","Items":[1]`, 1)), "states:StartExecution", "StepFunctions.AccessDeniedException", "is not authorized to perform: states:StartExecution", "states:StartExecution " + testMachine},
		{"watching children", machineOf("M", strings.Replace(distributed("", `"P":{"Type":"Pass","End":true}`, "P"), `"Type":"Map"`, `"Type":"Map","Items":[1]`, 1)), "states:DescribeExecution", "StepFunctions.AccessDeniedException", "perform: states:DescribeExecution on resource: arn:aws:states:us-east-1:000000000000:execution:m/M:", "states:StartExecution " + testMachine},
		{"stopping children", machineOf("M", strings.Replace(distributed("", `"P":{"Type":"Pass","End":true}`, "P"), `"Type":"Map"`, `"Type":"Map","Items":[1]`, 1)), "states:StopExecution", "StepFunctions.AccessDeniedException", "perform: states:StopExecution on resource: arn:aws:states:us-east-1:000000000000:execution:m/M:", "states:StartExecution " + testMachine},
	} {
		t.Run(c.why, func(t *testing.T) {
			for _, denied := range []bool{true, false} {
				cl := &cloud{functions: map[string]function{"f": echo}, denied: map[string]bool{c.denied: denied}}
				inTime(t, cl, c.definition, func(t *testing.T, s *Service) {
					e := execute(t, s, "{}")
					if denied && (e.status != statusFailed || e.err != c.err || !strings.Contains(e.cause, c.cause) || cl.count("f") != 0) {
						t.Errorf("%s %s %s, %d calls", e.status, e.err, e.cause, cl.count("f"))
					}
					if !denied && e.status != statusSucceeded {
						t.Errorf("%s %s %s", e.status, e.err, e.cause)
					}
					if !slices.Contains(cl.asked, c.asked) {
						t.Errorf("asked %q, not %q", cl.asked, c.asked)
					}
				})
			}
		})
	}
}

func TestChildrenOfADistributedMap(t *testing.T) {
	c := &cloud{}
	inTime(t, c, machineOf("M", distributed(`,"Label":"shards","ItemSelector":{"v":"{% $states.context.Map.Item.Value %}"}`,
		`"P":{"Type":"Pass","Output":{"in":"{% $states.input %}","name":"{% $states.context.Execution.Name %}","map":"{% $exists($states.context.Map) %}"},"End":true}`, "P")), func(t *testing.T, s *Service) {
		e := execute(t, s, `["x"]`)
		run := e.x.runs()[0]
		child := run.children[0]
		if want := `[{"in":{"v":"x"},"name":"` + child.name + `","map":false}]`; e.output != want {
			t.Errorf("output %s, want %s", e.output, want)
		}
		if !strings.HasPrefix(child.arn, "arn:aws:states:us-east-1:000000000000:execution:m/shards:") || child.machineARN() != testMachine+"/shards" || !strings.HasPrefix(run.arn, "arn:aws:states:us-east-1:000000000000:mapRun:m/shards:") {
			t.Errorf("child %s of %s, run %s", child.arn, child.machineARN(), run.arn)
		}
		var path []string
		for _, ev := range child.history.snapshot() {
			path = append(path, ev.Type)
		}
		if want := []string{"ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded"}; !slices.Equal(path, want) {
			t.Errorf("child's history %v", path)
		}
		if got := c.statuses(child.arn); !slices.Equal(got, []string{statusRunning, statusSucceeded}) {
			t.Errorf("child published %v", got)
		}
	})
}

// TestManyTrials is the largest run that the history's limit allows: 800 trials,
// one at a time, with 40 shards each as children.
func TestManyTrials(t *testing.T) {
	shards := strings.Replace(strings.Replace(distributed(`,"MaxConcurrency":40,"ToleratedFailurePercentage":100`, strings.Replace(taskState("Shard", `,"TimeoutSeconds":90,"Output":1,"End":true`), `"f"`, `"shard"`, 1), "Shard"),
		`"M":`, `"Shards":`, 1), `"Type":"Map"`, `"Type":"Map","Items":"{% [1..40] %}"`, 1)
	trial := taskState("Aim", `,"Next":"Shards"`) + "," +
		strings.TrimSuffix(shards, `,"End":true}`) + `,"Output":null,"Next":"Quiesce"},"Quiesce":{"Type":"Wait","Seconds":1,"Next":"Merge"},` + taskState("Merge", `,"Output":1,"End":true`)
	definition := machineOf("Blocks", `"Blocks":{"Type":"Map","Items":"{% [1..800] %}","MaxConcurrency":1,"ItemProcessor":{"StartAt":"Aim","States":{`+trial+`}},"Output":"{% $sum($states.result) %}","End":true}`)
	c := &cloud{functions: map[string]function{"f": echo, "shard": takes(30*time.Second, "1")}}
	inTime(t, c, definition, func(t *testing.T, s *Service) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		e := execute(t, s, "{}")
		runtime.GC()
		runtime.ReadMemStats(&after)
		if e.status != statusSucceeded || e.output != "800" || e.took != 800*31*time.Second {
			t.Errorf("%s %s %s %s after %v", e.status, e.output, e.err, e.cause, e.took)
		}
		if n := c.count("shard"); n != 32_000 {
			t.Errorf("%d shards", n)
		}
		if n := len(e.path); n > maxEvents || n < 800*20 {
			t.Errorf("%d events", n)
		}
		if grown := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20; grown > 150 {
			t.Errorf("the heap grew by %d MB", grown)
		} else {
			t.Logf("32,801 executions keep %d MB", grown)
		}
	})
}
