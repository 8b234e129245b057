package workflows_test

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/local/states"
	"github.com/fairlead/fairlead/workflows"
)

type handler struct {
	ErrorEquals []string
	Next        string
}

// state is the part of a state that these tests read.
type state struct {
	Type      string
	Arguments struct {
		FunctionName string
		Payload      object
	}
	TimeoutSeconds any
	Retry, Catch   []handler
	Branches       []flow
	ItemProcessor  *flow
}

type flow struct{ States map[string]state }

// all lists the states of a flow, however deep, by name: names differ.
func (f flow) all() map[string]state {
	list := maps.Clone(f.States)
	for _, s := range f.States {
		inner := s.Branches
		if s.ItemProcessor != nil {
			inner = append(inner, *s.ItemProcessor)
		}
		for _, f := range inner {
			maps.Copy(list, f.all())
		}
	}
	return list
}

func definition(t *testing.T) map[string]state {
	t.Helper()
	var f flow
	if err := json.Unmarshal([]byte(workflows.Benchmark), &f); err != nil {
		t.Fatal(err)
	}
	list := f.all()
	if len(list) < 30 {
		t.Fatalf("only %d states found", len(list))
	}
	return list
}

// TestCatches: States.ALL stands for every error but States.DataLimitExceeded
// and States.Runtime, so who wants all of them names the former, and first.
func TestCatches(t *testing.T) {
	for name, s := range definition(t) {
		if s.Type != "Task" && s.Type != "Map" && s.Type != "Parallel" {
			continue
		}
		if len(s.Catch) == 0 && name != "Groups" { // Groups: its iterations catch all, and Provision the rest
			t.Errorf("%s catches nothing", name)
			continue
		}
		if len(s.Catch) == 0 {
			continue
		}
		var errors []string
		for _, c := range s.Catch {
			errors = append(errors, c.ErrorEquals...)
			if c.Next != s.Catch[0].Next {
				t.Errorf("%s goes to %s or %s, by the error", name, s.Catch[0].Next, c.Next)
			}
		}
		if !slices.Equal(errors, []string{"States.DataLimitExceeded", "States.ALL"}) {
			t.Errorf("%s catches %v", name, errors)
		}
	}
}

// TestNoLoadIsSentTwice: a shard is tried again only after errors that show
// that its code did not start.
func TestNoLoadIsSentTwice(t *testing.T) {
	var unstarted []string
	for _, code := range neverStarted {
		unstarted = append(unstarted, "Lambda."+code)
	}
	found := 0
	for name, s := range definition(t) {
		if s.Arguments.FunctionName != "${ShardFunction}" || s.Arguments.Payload["op"] == "warm" {
			continue
		}
		found++
		for _, r := range s.Retry {
			if !slices.Equal(r.ErrorEquals, unstarted) {
				t.Errorf("%s is tried again after %v", name, r.ErrorEquals)
			}
		}
	}
	if found != 2 {
		t.Errorf("%d states send load, and there should be an inline and a distributed one", found)
	}
}

// golden is the part of the template that deploys the definition.
type golden struct {
	Resources map[string]struct {
		Type       string
		Properties struct {
			DefinitionSubstitutions map[string]struct {
				Arn []string `json:"Fn::GetAtt"`
			}
			Timeout float64
		}
	}
}

func template(t *testing.T) golden {
	t.Helper()
	raw, err := os.ReadFile("../cdk/template/template.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(raw, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestTemplateFillsTheTokens, each with another function.
func TestTemplateFillsTheTokens(t *testing.T) {
	tokens := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\{(\w+)\}`).FindAllStringSubmatch(workflows.Benchmark, -1) {
		tokens[m[1]] = true
	}
	filled, functions := map[string]bool{}, map[string]bool{}
	for _, r := range template(t).Resources {
		for token, value := range r.Properties.DefinitionSubstitutions {
			filled[token] = true
			functions[strings.Join(value.Arn, ".")] = true
		}
	}
	if !maps.Equal(tokens, filled) || len(functions) != len(tokens) || len(tokens) != len(steps) {
		t.Errorf("the definition has %v, the template fills %v with %v", tokens, filled, functions)
	}
}

// TestTasksOutliveTheirFunctions: a function runs on after its task has timed
// out, beside whatever comes next. Warming is the exception, because a function
// that answers at once has nothing to run on with; a shard's time is named by
// Aim, and its code ends before that by itself.
func TestTasksOutliveTheirFunctions(t *testing.T) {
	g := template(t)
	limits := map[string]float64{} // seconds, by token
	for _, r := range g.Resources {
		for token, value := range r.Properties.DefinitionSubstitutions {
			limits["${"+token+"}"] = g.Resources[value.Arn[0]].Properties.Timeout
		}
	}
	for name, s := range definition(t) {
		if s.Type != "Task" {
			continue
		}
		limit := limits[s.Arguments.FunctionName]
		if limit == 0 {
			t.Errorf("%s calls %s, whose timeout the template does not give", name, s.Arguments.FunctionName)
		}
		switch timeout := s.TimeoutSeconds.(type) {
		case float64:
			if timeout <= limit && s.Arguments.Payload["op"] != "warm" {
				t.Errorf("%s ends after %v s, its function after %v s", name, timeout, limit)
			}
		case string:
			if timeout != "{% $states.input.timeout %}" || s.Arguments.FunctionName != "${ShardFunction}" {
				t.Errorf("%s: timeout %s", name, timeout)
			}
		default:
			t.Errorf("%s has no timeout", name)
		}
	}
}

// TestDefinitionIsAccepted by the local cloud, which names what AWS would refuse.
func TestDefinitionIsAccepted(t *testing.T) {
	if _, err := states.Parse(filled(workflows.Benchmark)); err != nil {
		t.Error(err)
	}
}
