package template

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// machine gives the one state machine's logical id, properties and definition.
func machine(t *testing.T, d document) (id string, properties, definition map[string]any) {
	t.Helper()
	for id, r := range d.each("AWS::StepFunctions::StateMachine") {
		if err := json.Unmarshal([]byte(text(r.Properties["DefinitionString"])), &definition); err != nil {
			t.Fatal(err)
		}
		return id, r.Properties, definition
	}
	t.Fatal("there is no state machine")
	return "", nil, nil
}

func TestEveryTokenIsFilled(t *testing.T) {
	d := parse(t)
	_, properties, _ := machine(t, d)
	tokens := map[string]bool{}
	for _, found := range regexp.MustCompile(`\$\{([^}]*)\}`).FindAllStringSubmatch(text(properties["DefinitionString"]), -1) {
		tokens[found[1]] = true
	}
	filled, _ := properties["DefinitionSubstitutions"].(map[string]any)
	if !slices.Equal(slices.Sorted(maps.Keys(tokens)), slices.Sorted(maps.Keys(filled))) {
		t.Errorf("tokens %v, filled %v", slices.Sorted(maps.Keys(tokens)), slices.Sorted(maps.Keys(filled)))
	}
	for token, value := range filled {
		if want := "${Functions" + strings.TrimSuffix(token, "Function") + ".Arn}"; text(value) != want {
			t.Errorf("%s is %s, want %s", token, text(value), want)
		}
	}
}

// TestFunctionsEndBeforeTheirTasks: a task that times out first would go on to
// the next state while the function still works.
func TestFunctionsEndBeforeTheirTasks(t *testing.T) {
	d := parse(t)
	_, properties, definition := machine(t, d)
	if limit, _ := definition["TimeoutSeconds"].(float64); limit <= 0 {
		t.Error("the machine has no timeout: an execution could hang for a year")
	}
	if text(properties["StateMachineType"]) != "" {
		t.Error("the machine must be STANDARD: EXPRESS runs a state more than once")
	}
	functions := d.steps()
	called := map[string]bool{}
	walk(definition, func(task map[string]any) {
		token := text(at(task, "Arguments", "FunctionName"))
		step := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(token, "${"), "Function}"))
		called[step] = true
		// Warming returns at once, so its task may be shorter than the function may run.
		limit, fixed := task["TimeoutSeconds"].(float64)
		own, _ := functions[step].Properties["Timeout"].(float64)
		if fixed && text(at(task, "Arguments", "Payload", "op")) != "warm" && own >= limit {
			t.Errorf("%s may run %v s and its task ends after %v s", step, own, limit)
		}
		if !fixed && text(task["TimeoutSeconds"]) == "" {
			t.Errorf("a task of %s has no timeout", step)
		}
	})
	for step := range functions {
		if called[step] == (step == "sweep") {
			t.Errorf("%s is called by the machine: %v", step, called[step])
		}
	}
}

// walk visits each Task of a definition, however deep.
func walk(v any, visit func(task map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			walk(item, visit)
		}
	case map[string]any:
		if v["Type"] == "Task" {
			visit(v)
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			walk(v[key], visit)
		}
	}
}

func TestFunctions(t *testing.T) {
	d := parse(t)
	functions := d.steps()
	want := []string{"aim", "balance", "judge", "launch", "merge", "plan", "ready", "setup", "shard", "sweep", "teardown"}
	if got := slices.Sorted(maps.Keys(functions)); !slices.Equal(got, want) {
		t.Fatalf("functions %v, want %v", got, want)
	}
	roles, logs := map[string]bool{}, map[string]bool{}
	for step, function := range functions {
		p := function.Properties
		roles[text(p["Role"])] = true
		logs[text(at(p, "LoggingConfig", "LogGroup"))] = true
		for property, want := range map[string]string{"Runtime": "provided.al2023", "Architectures": "arm64", "ReservedConcurrentExecutions": ""} {
			if got := text(p[property]); got != want {
				t.Errorf("%s: %s is %q, want %q", step, property, got, want)
			}
		}
		if memory, _ := p["MemorySize"].(float64); memory < 128 || memory > 3008 {
			t.Errorf("%s: %v MB; new accounts refuse more than 3,008", step, memory)
		}
		if seconds, _ := p["Timeout"].(float64); seconds <= 0 || seconds > 900 {
			t.Errorf("%s: a timeout of %v s", step, seconds)
		}
		if got := text(at(p, "Code", "S3Key")); got != "assets/lambdas.zip" {
			t.Errorf("%s: code in %s", step, got)
		}
		groups := map[string]string{"aim": "${AdminGroup.GroupId},${WorkersGroup.GroupId}", "shard": "${WorkersGroup.GroupId}"}[step]
		if got := text(at(p, "VpcConfig", "SecurityGroupIds")); got != groups {
			t.Errorf("%s: in the VPC with the groups %q, want %q", step, got, groups)
		}
	}
	if len(roles) != len(want) || len(logs) != len(want) {
		t.Errorf("%d functions have %d roles and %d log groups", len(want), len(roles), len(logs))
	}
	for id, group := range d.each("AWS::Logs::LogGroup") {
		if group.Properties["RetentionInDays"] == nil || group.DeletionPolicy != "Delete" {
			t.Errorf("%s is kept forever", id)
		}
	}
}

// TestWhatSweepIsCalledBy: by executions of exactly this machine that ended badly,
// by the clock, and by nothing else.
func TestWhatSweepIsCalledBy(t *testing.T) {
	d := parse(t)
	sources := map[string]bool{}
	for id, rule := range d.each("AWS::Events::Rule") {
		if got := text(at(rule.Properties, "Targets", 0, "Arn")); got != "${FunctionsSweep.Arn}" || len(list(rule.Properties["Targets"])) != 1 {
			t.Errorf("%s calls %s", id, got)
		}
		sources["${"+id+".Arn}"] = true
		if schedule := text(rule.Properties["ScheduleExpression"]); schedule != "" {
			if schedule != "rate(15 minutes)" {
				t.Errorf("%s: %s", id, schedule)
			}
			continue
		}
		pattern := rule.Properties["EventPattern"]
		for _, c := range []struct {
			path []any
			want string
		}{
			{[]any{"source"}, "aws.states"},
			{[]any{"detail-type"}, "Step Functions Execution Status Change"},
			{[]any{"detail", "status"}, "FAILED,TIMED_OUT,ABORTED"},
			{[]any{"detail", "stateMachineArn"}, "${Benchmark.Arn}"},
		} {
			if got := text(at(pattern, c.path...)); got != c.want {
				t.Errorf("%s: %v = %q, want %q", id, c.path, got, c.want)
			}
		}
	}
	for id, permission := range d.each("AWS::Lambda::Permission") {
		p := permission.Properties
		if !sources[text(p["SourceArn"])] || text(p["Principal"]) != "events.amazonaws.com" || text(p["FunctionName"]) != "${FunctionsSweep.Arn}" {
			t.Errorf("%s lets %s of %s call %s", id, text(p["Principal"]), text(p["SourceArn"]), text(p["FunctionName"]))
		}
		delete(sources, text(p["SourceArn"]))
	}
	for rule := range sources {
		t.Errorf("%s has no permission to call Sweep", rule)
	}
}
