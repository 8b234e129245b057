package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// document is a template, to be changed before it is deployed.
type document map[string]any

func changed(t *testing.T, text []byte, change func(document)) []byte {
	t.Helper()
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	change(d)
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// at walks into objects and lists; it is nil where the path ends early.
func at(v any, path ...string) any {
	for _, key := range path {
		switch m := v.(type) {
		case document:
			v = m[key]
		case map[string]any:
			v = m[key]
		default:
			return nil
		}
	}
	return v
}

// each lists the resources of a type by their logical ids.
func (d document) each(kind string) map[string]map[string]any {
	all := map[string]map[string]any{}
	resources, _ := at(d, "Resources").(map[string]any)
	for id, r := range resources {
		if at(r, "Type") == kind {
			all[id], _ = at(r, "Properties").(map[string]any)
		}
	}
	return all
}

// function gives the properties of the function with a handler.
func (d document) function(handler string) map[string]any {
	for _, f := range d.each("AWS::Lambda::Function") {
		if f["Handler"] == handler {
			return f
		}
	}
	panic("the template has no function " + handler)
}

// hasten cuts what a test would only wait for: the pauses between tries, whose
// number and length the tests of workflows/ prove in virtual time.
func (d document) hasten() {
	for _, m := range d.each("AWS::StepFunctions::StateMachine") {
		var definition any
		if err := json.Unmarshal([]byte(m["DefinitionString"].(string)), &definition); err != nil {
			panic(err)
		}
		shorten(definition)
		text, err := json.Marshal(definition)
		if err != nil {
			panic(err)
		}
		m["DefinitionString"] = string(text)
	}
}

func shorten(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			shorten(e)
		}
	case map[string]any:
		for key, e := range v {
			retriers, ok := e.([]any)
			if key != "Retry" || !ok {
				shorten(e)
				continue
			}
			for _, r := range retriers {
				if r, ok := r.(map[string]any); ok {
					r["IntervalSeconds"], r["MaxAttempts"] = 1, 1
					delete(r, "MaxDelaySeconds")
				}
			}
		}
	}
}

// quiet takes out the rule that tells the sweep of executions that ended badly.
func (d document) quiet() {
	delete(d["Resources"].(map[string]any), "EndedBadly")
	delete(d["Resources"].(map[string]any), "EndedBadlyPermission")
}

// statement is one statement of a role's policies.
type statement struct {
	Role    string // "plan", …: the function whose role it is; else the role's logical id without its hash
	Actions []string

	roleID string
	holder map[string]any // of the list "Statement"
	index  int
}

// name is "setup: ssm:SendCommand document/": the role, the first action, and the
// end of the first resource's ARN, which tells statements of one action apart.
func (s statement) name() string {
	return strings.TrimSpace(s.Role + ": " + s.Actions[0] + " " + s.resource())
}

func (s statement) resource() string {
	first := s.holder["Statement"].([]any)[s.index].(map[string]any)["Resource"]
	if list, ok := first.([]any); ok {
		first = list[0]
	}
	if parts, ok := at(first, "Fn::Join").([]any); ok {
		list := parts[1].([]any)
		var text strings.Builder
		for _, p := range list {
			if s, ok := p.(string); ok {
				text.WriteString(s)
			}
		}
		arn := text.String()
		return strings.Trim(arn[strings.LastIndexByte(arn, ':')+1:], "/*")
	}
	return "" // everything, or a resource whole
}

// statements lists what the roles are allowed.
func (d document) statements() []statement {
	names := map[string]string{}
	for _, f := range d.each("AWS::Lambda::Function") {
		names[at(f, "Role", "Fn::GetAtt").([]any)[0].(string)] = f["Handler"].(string)
	}
	name := func(role string) string {
		if step, ok := names[role]; ok {
			return step
		}
		return strings.TrimRight(role, "0123456789ABCDEF")
	}
	var all []statement
	add := func(role string, holder any) {
		h := holder.(map[string]any)
		for i, s := range h["Statement"].([]any) {
			if at(s, "Effect") != "Allow" {
				continue
			}
			one := statement{Role: name(role), roleID: role, holder: h, index: i}
			switch a := at(s, "Action").(type) {
			case string:
				one.Actions = []string{a}
			case []any:
				for _, action := range a {
					one.Actions = append(one.Actions, action.(string))
				}
			case []string: // as lose leaves it
				one.Actions = a
			}
			all = append(all, one)
		}
	}
	roles := d.each("AWS::IAM::Role")
	for _, id := range slices.Sorted(maps.Keys(roles)) {
		policies, _ := roles[id]["Policies"].([]any)
		for _, p := range policies {
			add(id, at(p, "PolicyDocument"))
		}
	}
	policies := d.each("AWS::IAM::Policy")
	for _, id := range slices.Sorted(maps.Keys(policies)) {
		for _, r := range policies[id]["Roles"].([]any) {
			add(at(r, "Ref").(string), policies[id]["PolicyDocument"])
		}
	}
	return all
}

// remove takes a statement out of its policy.
func (s statement) remove() {
	s.holder["Statement"] = slices.Delete(slices.Clone(s.holder["Statement"].([]any)), s.index, s.index+1)
}

// lose takes out the statement of a name, or of a name such as "setup:
// ssm:DescribeInstanceInformation" that one action, and gives whose it was and
// what. It is nothing if no statement is named so. The word "alone" behind a
// statement's first action tells that action from the statement.
func (d document) lose(name string) (role string, actions []string) {
	for _, s := range d.statements() {
		if s.name() == name {
			s.remove()
			return s.Role, s.Actions
		}
	}
	role, action, _ := strings.Cut(strings.TrimSuffix(name, " alone"), ": ")
	for _, s := range d.statements() {
		if s.Role == role && len(s.Actions) > 1 && slices.Contains(s.Actions, action) {
			s.holder["Statement"].([]any)[s.index].(map[string]any)["Action"] = slices.DeleteFunc(slices.Clone(s.Actions), func(a string) bool { return a == action })
			return role, []string{action}
		}
	}
	return "", nil
}

// without takes out every statement that the test names.
func (d document) without(which func(statement) bool) {
	all := d.statements()
	slices.Reverse(all) // the last first, so that the others keep their places
	for _, s := range all {
		if which(s) {
			s.remove()
		}
	}
}
