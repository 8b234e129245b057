package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/workflows"
)

// While branches run beside each other the line says what the run waits for,
// not which state happened to be entered last.
func TestProgressOfBranches(t *testing.T) {
	plan, err := bench.ParsePlan([]byte(`{"preset": "lab-alb"}`))
	if err != nil {
		t.Fatal(err)
	}
	p := newProgress(plan, time.Now)
	for _, step := range []struct{ enter, exit, want string }{
		{"Provision", "", "launching"},
		{"NeedsBalancer", "NeedsBalancer", "launching"},
		{"BalanceCreate", "", "creating the load balancer"},
		{"Launch", "", "launching"},
		{"Launch", "BalanceCreate", "launching"},
		{"BalanceWait", "Launch", "launching"},
		{"Setup", "Launch", "setting up"},
		{"Setup", "Setup", "setting up"},
		{"Register", "Setup", "registering the nodes with the load balancer"},
		{"", "Register", "waiting for the load balancer"},
		{"GroupUp", "GroupUp", "waiting for the load balancer"},
		{"", "BalanceWait", "setting up"},
		{"Register", "Register", "setting up"},
		{"Ready", "", "waiting until all nodes are healthy"},
	} {
		if step.enter != "" {
			p.see(types.HistoryEvent{StateEnteredEventDetails: &types.StateEnteredEventDetails{Name: &step.enter}})
		}
		if step.exit != "" {
			p.see(types.HistoryEvent{StateExitedEventDetails: &types.StateExitedEventDetails{Name: &step.exit}})
		}
		if got := p.doing(); got != step.want {
			t.Errorf("after %s was entered and %s left: %q, want %q", step.enter, step.exit, got, step.want)
		}
	}
}

// Every state of the workflow has words of its own.
func TestProgressKnowsEveryState(t *testing.T) {
	known := map[string]bool{}
	for _, s := range provisioning {
		known[s.state] = true
	}
	for _, words := range []map[string]string{beside, phases, steps} {
		for s := range words {
			known[s] = true
		}
	}
	type machine struct {
		States map[string]json.RawMessage
	}
	seen := 0
	var walk func(m machine)
	walk = func(m machine) {
		for name, raw := range m.States {
			seen++
			if !known[name] {
				t.Errorf("the progress line has no words for %s", name)
			}
			var s struct {
				Branches      []machine
				ItemProcessor machine
			}
			if err := json.Unmarshal(raw, &s); err != nil {
				t.Fatal(err)
			}
			for _, b := range s.Branches {
				walk(b)
			}
			walk(s.ItemProcessor)
		}
	}
	var top machine
	if err := json.Unmarshal([]byte(workflows.Benchmark), &top); err != nil {
		t.Fatal(err)
	}
	walk(top)
	if seen < 30 {
		t.Fatalf("only %d states were found", seen)
	}
}
