package states

import "encoding/json"

// Sizes of workflow variables (developer guide, "Step Functions service quotas").
const (
	maxVariable  = 256 << 10 // one variable, and all that one state assigns
	maxVariables = 10 << 20  // all variables of an execution
)

// variables are those of one flow's run. Only the goroutine that runs the flow
// writes them, and never while its branches, which read them, are running.
type variables struct {
	parent *variables
	values map[string]json.RawMessage
}

func (v *variables) lookup(name string) (json.RawMessage, bool) {
	for ; v != nil; v = v.parent {
		if raw, ok := v.values[name]; ok {
			return raw, true
		}
	}
	return nil, false
}

// set stores what one state assigned, all at once, so that every expression of
// the state saw the values from before.
func (v *variables) set(assigned map[string]json.RawMessage) error {
	sum := 0
	for name, raw := range assigned {
		if len(raw) > maxVariable {
			return fail(errDataLimit, "the variable $%s has %d bytes; at most %d are allowed", name, len(raw), maxVariable)
		}
		sum += len(raw)
	}
	if sum > maxVariable {
		return fail(errDataLimit, "the state assigned %d bytes; at most %d are allowed", sum, maxVariable)
	}
	if v.values == nil {
		v.values = map[string]json.RawMessage{}
	}
	for name, raw := range assigned {
		v.values[name] = raw
	}
	total := 0
	for up := v; up != nil; up = up.parent {
		for _, raw := range up.values {
			total += len(raw)
		}
	}
	if total > maxVariables {
		return fail(errDataLimit, "the execution's variables have more than %d bytes", maxVariables)
	}
	return nil
}
