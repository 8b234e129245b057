package states

import (
	"encoding/json"
	"unicode/utf8"
)

// Limits of the service (developer guide, "Step Functions service quotas").
const (
	maxDefinition = 1 << 20 // bytes
	maxName       = 80      // characters, of states, machines and executions
	maxSeconds    = 99_999_999
	lambdaInvoke  = "arn:aws:states:::lambda:invoke"
)

type parser struct {
	problems []Problem
	names    map[string]string // of all states, to where they stand
	labels   map[string]bool
	lost     bool // a state could not be read, so its variables are unknown
}

// Parse reads and checks a definition. The error is a *DefinitionError that
// lists everything that is wrong.
func Parse(source string) (*Definition, error) {
	p := &parser{names: map[string]string{}, labels: map[string]bool{}}
	def := p.definition(source)
	if len(p.problems) > 0 {
		return nil, &DefinitionError{Problems: p.problems}
	}
	return def, nil
}

func (p *parser) definition(source string) *Definition {
	def := &Definition{Source: source}
	if len(source) > maxDefinition {
		p.report("", "the definition has %d bytes; at most %d are allowed", len(source), maxDefinition)
		return nil
	}
	if !utf8.ValidString(source) || !json.Valid([]byte(source)) {
		p.report("", "INVALID_JSON_DESCRIPTION: the definition is not valid JSON")
		return nil
	}
	f := p.object("", json.RawMessage(source))
	if f == nil {
		return nil
	}
	f.text("Comment")
	if v := f.text("Version"); v != "" && v != "1.0" {
		p.report(f.at("Version"), "Version must be 1.0")
	}
	if f.text("QueryLanguage") != "JSONata" {
		p.report(f.at("QueryLanguage"), "QueryLanguage must be JSONata: JSONPath is not supported")
	}
	def.TimeoutSeconds = int(f.number("TimeoutSeconds", 0, 1, maxSeconds, true))
	def.Flow = p.flow(f, "state machine")
	if !p.lost {
		p.variables("", &def.Flow, nil)
	}
	return def
}

// flow reads StartAt and States of an opened object, and refuses the rest of it.
func (p *parser) flow(f *fields, of string) Flow {
	flow := Flow{StartAt: f.required("StartAt"), States: map[string]*State{}}
	raw, ok := f.take("States")
	f.rest(of)
	if !ok {
		p.report(f.path, "the field States is missing")
		return flow
	}
	list := p.object(f.at("States"), raw)
	if list == nil {
		return flow
	}
	if len(list.order) == 0 {
		p.report(list.path, "States must have at least one state")
	}
	for _, name := range list.order {
		path := list.at(name)
		if n := utf8.RuneCountInString(name); n == 0 || n > maxName {
			p.report(path, "a state's name has 1 to %d characters", maxName)
		}
		if other, twice := p.names[name]; twice {
			p.report(path, "the state's name %q is already used at %s", name, other)
		}
		p.names[name] = path
		if s := p.state(path, name, list.values[name]); s != nil {
			flow.States[name] = s
			flow.Order = append(flow.Order, name)
		} else {
			p.lost = true
		}
	}
	p.graph(f.path, &flow)
	return flow
}

// subflow is a flow inside a state: a branch or a processor without its config.
func (p *parser) subflow(f *fields, of string) *Flow {
	f.text("Comment")
	p.language(f)
	flow := p.flow(f, of)
	return &flow
}

func (p *parser) language(f *fields) {
	if l := f.text("QueryLanguage"); l != "" && l != "JSONata" {
		p.report(f.at("QueryLanguage"), "QueryLanguage must be JSONata: JSONPath is not supported")
	}
}

func (p *parser) state(path, name string, raw json.RawMessage) *State {
	f := p.object(path, raw)
	if f == nil {
		return nil
	}
	s := &State{Name: name, Type: f.required("Type")}
	f.text("Comment")
	p.language(f)
	switch s.Type {
	case "Task":
		p.task(f, s)
	case "Map":
		p.mapState(f, s)
	case "Parallel":
		p.parallel(f, s)
	case "Choice":
		p.choice(f, s)
	case "Wait":
		p.wait(f, s)
	case "Pass":
		p.transition(f, s)
		s.Assign, s.Output = p.assign(f, inInput), p.optional(f, "Output", inInput)
	case "Succeed":
		s.Output = p.optional(f, "Output", inInput)
	case "Fail":
		s.Fail = &failSpec{Error: p.scalar(f, "Error", stringResult), Cause: p.scalar(f, "Cause", stringResult)}
	case "":
		return nil
	default:
		p.report(f.at("Type"), "%q is no state type: Task, Map, Parallel, Choice, Wait, Pass, Succeed or Fail", s.Type)
		return nil
	}
	f.rest(s.Type + " state")
	return s
}

// transition reads Next or End, of which a state has exactly one.
func (p *parser) transition(f *fields, s *State) {
	_, hasNext := f.values["Next"]
	raw, hasEnd := f.take("End")
	s.Next = f.text("Next")
	var end bool
	if hasEnd && json.Unmarshal(raw, &end) != nil {
		p.report(f.at("End"), "End must be true or false")
		return
	}
	switch {
	case hasNext && end:
		p.report(f.path, "a state has Next or End, not both")
	case !hasNext && !end:
		p.report(f.path, "a state needs Next, or End: true")
	case hasNext && s.Next == "":
		p.report(f.at("Next"), "Next must not be empty")
	}
}

func (p *parser) task(f *fields, s *State) {
	p.transition(f, s)
	t := &taskSpec{}
	s.Task = t
	if r := f.required("Resource"); r != "" && r != lambdaInvoke {
		p.report(f.at("Resource"), "the resource %q is not supported; only %s is", r, lambdaInvoke)
	}
	if t.Arguments = p.optional(f, "Arguments", inInput); t.Arguments == nil {
		p.report(f.path, "the field Arguments is missing: %s needs a FunctionName", lambdaInvoke)
	} else if t.Arguments.fields != nil {
		if _, ok := t.Arguments.fields["FunctionName"]; !ok {
			p.report(f.at("Arguments"), "the field FunctionName is missing")
		}
		for _, name := range t.Arguments.order {
			if name != "FunctionName" && name != "Payload" {
				p.report(pointer(f.at("Arguments"), name), "the argument %s of %s is not supported; FunctionName and Payload are", name, lambdaInvoke)
			}
		}
	} else if t.Arguments.expr == nil {
		p.report(f.at("Arguments"), "Arguments must be an object or a JSONata expression")
	}
	t.Timeout = p.wholeNumber(f, "TimeoutSeconds", 1, maxSeconds)
	s.Assign, s.Output = p.assign(f, inResult), p.optional(f, "Output", inResult)
	p.handlers(f, s)
}

func (p *parser) wait(f *fields, s *State) {
	p.transition(f, s)
	s.Wait = &waitSpec{Seconds: p.wholeNumber(f, "Seconds", 0, maxSeconds)}
	if _, ok := f.values["Timestamp"]; ok {
		s.Wait.Timestamp = p.scalar(f, "Timestamp", timeResult)
	}
	_, seconds := f.values["Seconds"]
	_, stamp := f.values["Timestamp"]
	if seconds == stamp {
		p.report(f.path, "a Wait state has exactly one of Seconds and Timestamp")
	}
	s.Assign, s.Output = p.assign(f, inInput), p.optional(f, "Output", inInput)
}

func (p *parser) choice(f *fields, s *State) {
	s.Choice = &choiceSpec{Default: f.text("Default")}
	s.Assign, s.Output = p.assign(f, inInput), p.optional(f, "Output", inInput)
	rules := f.list("Choices")
	if len(rules) == 0 {
		p.report(f.path, "Choices must have at least one rule")
	}
	for i, raw := range rules {
		r := p.object(index(f.at("Choices"), i), raw)
		if r == nil {
			continue
		}
		r.text("Comment")
		rule := choiceRule{Next: r.required("Next")}
		if rule.Condition = p.optional(r, "Condition", inInput); rule.Condition == nil {
			p.report(r.path, "the field Condition is missing")
		} else if rule.Condition.expr == nil {
			p.report(r.at("Condition"), "Condition must be a JSONata expression")
		}
		rule.Assign, rule.Output = p.assign(r, inInput), p.optional(r, "Output", inInput)
		r.rest("choice rule")
		s.Choice.Rules = append(s.Choice.Rules, rule)
	}
}

func (p *parser) parallel(f *fields, s *State) {
	p.transition(f, s)
	s.Parallel = &parallelSpec{Arguments: p.optional(f, "Arguments", inInput)}
	branches := f.list("Branches")
	if len(branches) == 0 {
		p.report(f.path, "Branches must have at least one branch")
	}
	for i, raw := range branches {
		if b := p.object(index(f.at("Branches"), i), raw); b != nil {
			s.Parallel.Branches = append(s.Parallel.Branches, p.subflow(b, "branch"))
		}
	}
	s.Assign, s.Output = p.assign(f, inResult), p.optional(f, "Output", inResult)
	p.handlers(f, s)
}
