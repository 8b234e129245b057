package states

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

func (p *parser) mapState(f *fields, s *State) {
	p.transition(f, s)
	m := &mapSpec{}
	s.Map = m
	raw, ok := f.take("ItemProcessor")
	if !ok {
		p.report(f.path, "the field ItemProcessor is missing")
	} else if proc := p.object(f.at("ItemProcessor"), raw); proc != nil {
		m.Distributed = p.processorConfig(proc)
		m.Processor = p.subflow(proc, "item processor")
	}
	if m.Items = p.optional(f, "Items", inInput); m.Items != nil && m.Items.expr == nil && m.Items.items == nil &&
		!strings.HasPrefix(strings.TrimSpace(string(m.Items.literal)), "[") {
		p.report(f.at("Items"), "Items must be an array or a JSONata expression")
	}
	m.ItemSelector = p.optional(f, "ItemSelector", inInput)
	m.MaxConcurrency = p.wholeNumber(f, "MaxConcurrency", 0, maxSeconds)
	if m.Distributed {
		m.ToleratedCount = p.wholeNumber(f, "ToleratedFailureCount", 0, maxSeconds)
		m.ToleratedPercentage = p.scalar(f, "ToleratedFailurePercentage", percentResult)
		p.label(f, s)
	} else {
		for _, name := range []string{"ToleratedFailureCount", "ToleratedFailurePercentage", "Label"} {
			if _, ok := f.take(name); ok {
				p.report(f.at(name), "%s belongs to a distributed Map", name)
			}
		}
	}
	s.Assign, s.Output = p.assign(f, inResult), p.optional(f, "Output", inResult)
	p.handlers(f, s)
}

// processorConfig says whether the Map is distributed.
func (p *parser) processorConfig(proc *fields) bool {
	raw, ok := proc.take("ProcessorConfig")
	if !ok {
		return false
	}
	c := p.object(proc.at("ProcessorConfig"), raw)
	if c == nil {
		return false
	}
	mode, kind := c.text("Mode"), c.text("ExecutionType")
	c.rest("processor config")
	switch mode {
	case "", "INLINE":
		if kind != "" {
			p.report(c.at("ExecutionType"), "ExecutionType belongs to a distributed Map")
		}
		return false
	case "DISTRIBUTED":
		if kind != "STANDARD" {
			p.report(c.at("ExecutionType"), "ExecutionType must be STANDARD: Express children are not supported")
		}
		return true
	}
	p.report(c.at("Mode"), "Mode must be INLINE or DISTRIBUTED")
	return false
}

// label is unique in the machine; without one the service makes one up, here
// the state's own name in the characters a label may have.
func (p *parser) label(f *fields, s *State) {
	label, given := f.text("Label"), f.values["Label"] != nil
	if !given {
		label = strings.Map(func(r rune) rune {
			if nameRefuses(r) {
				return '_'
			}
			return r
		}, s.Name)
		if r := []rune(label); len(r) > 40 {
			label = string(r[:40])
		}
	}
	if n := utf8.RuneCountInString(label); n == 0 || n > 40 || strings.ContainsFunc(label, nameRefuses) {
		p.report(f.at("Label"), "Label must have 1 to 40 characters without spaces, brackets, wildcards and \"#%%\\^|~`$&,;:/")
	}
	if p.labels[label] {
		p.report(f.at("Label"), "the label %q is already used; give this Map its own Label", label)
	}
	p.labels[label] = true
	s.Map.Label = label
}

// nameRefuses are the characters that names of machines, executions and labels
// must not have (API reference, CreateStateMachine and StartExecution).
func nameRefuses(r rune) bool {
	return r <= 0x20 || r >= 0x7f && r <= 0x9f || strings.ContainsRune("<>{}[]?*\"#%\\^|~`$&,;:/", r) ||
		r == '\u00a0' || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
}

// handlers reads Retry and Catch.
func (p *parser) handlers(f *fields, s *State) {
	retriers := f.list("Retry")
	for i, raw := range retriers {
		r := p.object(index(f.at("Retry"), i), raw)
		if r == nil {
			continue
		}
		r.text("Comment")
		t := retrier{
			Errors:      p.errorEquals(r, i == len(retriers)-1),
			Interval:    int(r.number("IntervalSeconds", 1, 1, maxSeconds, true)),
			MaxAttempts: int(r.number("MaxAttempts", 3, 0, maxSeconds, true)),
			BackoffRate: r.number("BackoffRate", 2, 1, 1e6, false),
			MaxDelay:    int(r.number("MaxDelaySeconds", 0, 1, 31_622_399, true)),
		}
		switch j := r.text("JitterStrategy"); j {
		case "", "NONE":
		case "FULL":
			t.FullJitter = true
		default:
			p.report(r.at("JitterStrategy"), "JitterStrategy must be FULL or NONE")
		}
		r.rest("retrier")
		s.Retry = append(s.Retry, t)
	}
	catchers := f.list("Catch")
	for i, raw := range catchers {
		c := p.object(index(f.at("Catch"), i), raw)
		if c == nil {
			continue
		}
		c.text("Comment")
		s.Catch = append(s.Catch, catcher{
			Errors: p.errorEquals(c, i == len(catchers)-1),
			Next:   c.required("Next"),
			Assign: p.assign(c, inCatch),
			Output: p.optional(c, "Output", inCatch),
		})
		c.rest("catcher")
	}
}

// errorEquals reads the names; States.ALL stands alone and in the last handler.
func (p *parser) errorEquals(f *fields, last bool) []string {
	raw, ok := f.take("ErrorEquals")
	var names []string
	if !ok || json.Unmarshal(raw, &names) != nil || len(names) == 0 {
		p.report(f.at("ErrorEquals"), "ErrorEquals must be an array of at least one error name")
		return nil
	}
	for _, n := range names {
		switch {
		case n == "":
			p.report(f.at("ErrorEquals"), "an error name must not be empty")
		case n == errALL && (len(names) > 1 || !last):
			p.report(f.at("ErrorEquals"), "States.ALL must stand alone and in the last retrier or catcher")
		case strings.HasPrefix(n, "States.") && !slices.Contains(catchable, n):
			p.report(f.at("ErrorEquals"), "%q is no error that a state of this machine can have", n)
		}
	}
	return names
}
