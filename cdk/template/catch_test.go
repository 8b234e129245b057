package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// uncaught names what could end an execution without its clean-up: states that
// call something and catch not all, calls and machines without an end.
func uncaught(definition map[string]any) []string {
	var all []string
	if limit, _ := definition["TimeoutSeconds"].(float64); limit <= 0 {
		all = append(all, "the machine has no timeout")
	}
	states(definition, func(name string, state map[string]any) {
		kind := text(state["Type"])
		if kind == "Task" && text(state["TimeoutSeconds"]) == "" {
			all = append(all, name+" has no timeout")
		}
		// The Map over the groups is within a Parallel that catches, and each of its
		// iterations catches by itself.
		if kind != "Task" && kind != "Parallel" && (kind != "Map" || name == "Groups") {
			return
		}
		caught := map[string]bool{}
		for _, catch := range list(state["Catch"]) {
			for _, name := range list(at(catch, "ErrorEquals")) {
				caught[text(name)] = true
			}
		}
		// States.ALL does not stand for States.DataLimitExceeded (developer guide, "Error
		// names").
		for _, want := range []string{"States.ALL", "States.DataLimitExceeded"} {
			if !caught[want] {
				all = append(all, fmt.Sprintf("%s, a %s, does not catch %s", name, kind, want))
			}
		}
	})
	return all
}

// states visits each state of a definition by name, however deep.
func states(v any, visit func(name string, state map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			states(item, visit)
		}
	case map[string]any:
		here, _ := v["States"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(here)) {
			visit(name, here[name].(map[string]any))
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			states(v[key], visit)
		}
	}
}

func TestEverythingIsCaught(t *testing.T) {
	for _, d := range []document{parse(t), parseStudent(t)} {
		_, _, definition := machine(t, d)
		for _, fault := range uncaught(definition) {
			t.Error(fault)
		}
	}
}

// TestWhatIsNotCaughtIsNamed takes each Catch and each timeout away in turn.
func TestWhatIsNotCaughtIsNamed(t *testing.T) {
	_, _, definition := machine(t, parse(t))
	tried := 0
	states(definition, func(name string, state map[string]any) {
		for _, key := range []string{"Catch", "TimeoutSeconds"} {
			had, ok := state[key]
			if !ok {
				continue
			}
			delete(state, key)
			if found := uncaught(definition); !slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, name+" ") || strings.HasPrefix(f, name+",") }) {
				t.Errorf("%s without its %s: %q", name, key, found)
			}
			state[key] = had
			tried++
		}
	})
	if tried < 20 {
		t.Errorf("only %d mistakes were tried", tried)
	}
	delete(definition, "TimeoutSeconds")
	if found := uncaught(definition); !slices.Contains(found, "the machine has no timeout") {
		t.Errorf("a machine without a timeout: %q", found)
	}
}
