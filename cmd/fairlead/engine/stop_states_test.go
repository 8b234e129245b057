package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/workflows"
)

// pauses are the states that are over as soon as they are entered.
var pauses = []string{"DryRun", "NeedsBalancer", "Balanced", "GroupUp", "Provisioned", "TimeLeft", "ManyShards", "Quiesce", "Outcome"}

// never lists the states that a run in which all goes well does not enter, and
// those with which it ends.
var never = []string{"Planned", "Done", "Failed", "Leaked", "GroupFailed", "NoBalancer", "BalanceFailed", "AimCold", "ShardCold",
	"Skipped", "TrialFailed", "ShardLost", "ShardsDistributed", "DistributedShard", "DistributedShardLost"}

// entered lists the states of the definition that a run enters.
func entered(t *testing.T) []string {
	t.Helper()
	var definition map[string]any
	if err := json.Unmarshal([]byte(workflows.Benchmark), &definition); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	eachFlow(definition, func(states map[string]any) {
		for name := range states {
			names[name] = true
		}
	})
	for _, name := range never {
		if !names[name] {
			t.Errorf("there is no state %s", name)
		}
		delete(names, name)
	}
	return slices.Sorted(maps.Keys(names))
}

// eachFlow calls with the states of every flow of a definition.
func eachFlow(v any, with func(states map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			eachFlow(e, with)
		}
	case map[string]any:
		states, ok := v["States"].(map[string]any)
		for _, e := range v {
			eachFlow(e, with)
		}
		if ok {
			with(states)
		}
	}
}

// pause makes an execution wait in one of the pauses if its name begins with it.
// It waits in a state of that name, and what that did comes after.
func (d document) pause() {
	for _, m := range d.each("AWS::StepFunctions::StateMachine") {
		var definition map[string]any
		if err := json.Unmarshal([]byte(m["DefinitionString"].(string)), &definition); err != nil {
			panic(err)
		}
		eachFlow(definition, func(states map[string]any) {
			for _, name := range pauses {
				s, ok := states[name].(map[string]any)
				if !ok {
					continue
				}
				until := "$now()"
				if given, ok := s["Timestamp"].(string); ok {
					until = strings.Trim(given, "{%} ")
				}
				until = fmt.Sprintf("{%% $substringBefore($states.context.Execution.Name, '-') = '%s' ? $fromMillis($millis() + 600000) : (%s) %%}", name, until)
				if s["Type"] == "Wait" {
					s["Timestamp"] = until
					continue
				}
				states[name+" itself"] = s
				states[name] = map[string]any{"Type": "Wait", "Timestamp": until, "Next": name + " itself"}
			}
		})
		text, err := json.Marshal(definition)
		if err != nil {
			panic(err)
		}
		m["DefinitionString"] = string(text)
	}
}
