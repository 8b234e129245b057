package bench

import (
	"fmt"
	"reflect"
	"strings"
)

// PlanError is every mistake of a plan, in the order of the plan's fields.
type PlanError struct {
	Problems []string // "clusters[0].count is 0: …"
}

// Error lists all problems, one a line if there are several.
func (e *PlanError) Error() string {
	if len(e.Problems) == 1 {
		return "the plan has a mistake: " + e.Problems[0]
	}
	return fmt.Sprintf("the plan has %d mistakes:\n  %s", len(e.Problems), strings.Join(e.Problems, "\n  "))
}

// ParsePlan reads a plan strictly: unknown fields, wrong types and values that
// cannot run are all reported at once in a *PlanError. What the plan leaves
// out comes from its preset; {} is the lab preset.
func ParsePlan(raw []byte) (Plan, error) {
	v, err := readJSON(raw)
	if err != nil {
		return Plan{}, &PlanError{Problems: []string{err.Error()}}
	}
	obj, ok := v.(object)
	if !ok {
		return Plan{}, &PlanError{Problems: []string{fmt.Sprintf("it is %s: write an object; {} is the lab preset", describe(v))}}
	}
	var problems []string
	report := func(path, problem string) { problems = append(problems, path+" "+problem) }

	name := DefaultPreset
	if s, ok := obj.values["preset"].(string); ok {
		name = s
	}
	p, known := preset(name)
	if !known {
		var names []string
		for _, pr := range Presets() {
			names = append(names, pr.Name)
		}
		report("preset", fmt.Sprintf("is %q: use one of %s", name, strings.Join(names, ", ")))
		p, _ = preset(DefaultPreset)
	}
	// Another kind of load shares nothing with the preset's but the timeout.
	if load, ok := obj.values["load"].(object); ok {
		if kind, ok := load.values["kind"].(string); ok && kind != string(p.Load.Kind) {
			p.Load = Load{Timeout: p.Load.Timeout}
		}
	}
	fill(reflect.ValueOf(&p).Elem(), obj, "", report)
	p.refuseNoBounds(obj, report)
	if len(problems) == 0 {
		p.Preset = name
		p.setDefaults()
	}
	// Values are checked even if names were wrong, so that one reading of the
	// message is enough; what failed to parse holds the preset's value.
	p.check(report)
	if len(problems) > 0 {
		return Plan{}, &PlanError{Problems: problems}
	}
	return p, nil
}

// refuseNoBounds reports an SLO of zero: the plan would mean none by it, and
// whoever wrote it perhaps "not one error".
func (p Plan) refuseNoBounds(written object, report func(path, problem string)) {
	slo, _ := written.values["slo"].(object)
	if _, ok := slo.values["errors"]; ok && p.SLO.Errors == 0 {
		report("slo.errors", "is 0: use a small share such as 0.0001, or for no error at all a threshold such as \"cluster1.errors <= 0\"")
	}
	if _, ok := slo.values["p99"]; ok && p.SLO.P99 == 0 {
		report("slo.p99", "is 0s: use a positive duration such as \"100ms\", or remove it")
	}
}

// setDefaults fills what depends on other fields.
func (p *Plan) setDefaults() {
	for i := range p.Targets {
		switch t := &p.Targets[i]; {
		case t.Kind == TargetProxy && t.Strategy == "":
			t.Strategy = DefaultStrategy
		case t.Kind == TargetALB && t.Algorithm == "":
			t.Algorithm = DefaultAlgorithm
		}
	}
	if p.Load.Kind == LoadRate && p.Load.Arrivals == "" {
		p.Load.Arrivals = defaultArrivals
	}
}
