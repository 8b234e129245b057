package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Pattern says which events a rule wants (EventBridge user guide, "Creating
// event patterns"): an object names the members that an event must have, an
// array lists the values of which one must match.
type Pattern struct {
	members map[string]Pattern
	any     []matcher
}

// matcher tests one value of an event; present is false when it has none.
type matcher func(value any, present bool) bool

// ParsePattern reads a pattern, and refuses matchers that it does not know.
func ParsePattern(source []byte) (Pattern, error) {
	if !json.Valid(source) {
		return Pattern{}, fmt.Errorf("event pattern is not valid JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(source))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return Pattern{}, fmt.Errorf("event pattern: %w", err)
	}
	object, ok := tree.(map[string]any)
	if !ok || len(object) == 0 {
		return Pattern{}, fmt.Errorf("event pattern must be an object with at least one member")
	}
	return parseMembers("", object)
}

func parseMembers(path string, object map[string]any) (Pattern, error) {
	p := Pattern{members: map[string]Pattern{}}
	for name, value := range object {
		here := strings.TrimPrefix(path+"."+name, ".")
		if strings.HasPrefix(name, "$") {
			return Pattern{}, fmt.Errorf("event pattern: the operator %s is not supported", here)
		}
		var sub Pattern
		var err error
		switch v := value.(type) {
		case map[string]any:
			if len(v) == 0 {
				return Pattern{}, fmt.Errorf("event pattern: %s must not be empty", here)
			}
			sub, err = parseMembers(here, v)
		case []any:
			if len(v) == 0 {
				return Pattern{}, fmt.Errorf("event pattern: %s must list at least one value", here)
			}
			sub, err = parseValues(here, v)
		default:
			return Pattern{}, fmt.Errorf("event pattern: %s must be an object or an array", here)
		}
		if err != nil {
			return Pattern{}, err
		}
		p.members[name] = sub
	}
	return p, nil
}

func parseValues(path string, values []any) (Pattern, error) {
	var p Pattern
	for _, v := range values {
		switch want := v.(type) {
		case map[string]any:
			m, err := parseMatcher(path, want)
			if err != nil {
				return Pattern{}, err
			}
			p.any = append(p.any, m)
		case []any:
			return Pattern{}, fmt.Errorf("event pattern: %s holds an array in an array", path)
		default:
			p.any = append(p.any, func(value any, present bool) bool { return present && same(value, want) })
		}
	}
	return p, nil
}

func parseMatcher(path string, m map[string]any) (matcher, error) {
	if len(m) != 1 {
		return nil, fmt.Errorf("event pattern: a matcher at %s must have one member", path)
	}
	for kind, want := range m {
		switch kind {
		case "prefix":
			if prefix, ok := want.(string); ok {
				return func(value any, _ bool) bool {
					s, ok := value.(string)
					return ok && strings.HasPrefix(s, prefix)
				}, nil
			}
		case "exists":
			if exists, ok := want.(bool); ok {
				return func(_ any, present bool) bool { return present == exists }, nil
			}
		case "anything-but":
			list, ok := want.([]any)
			if !ok {
				list = []any{want}
			}
			for _, v := range list {
				switch v.(type) {
				case string, json.Number:
				default:
					return nil, fmt.Errorf("event pattern: anything-but at %s takes strings and numbers", path)
				}
			}
			return func(value any, present bool) bool {
				return present && !slices.ContainsFunc(list, func(v any) bool { return same(value, v) })
			}, nil
		default:
			return nil, fmt.Errorf("event pattern: the matcher %q at %s is not supported; exact values, prefix, exists and anything-but are", kind, path)
		}
		return nil, fmt.Errorf("event pattern: the matcher %q at %s has a value of the wrong type", kind, path)
	}
	return nil, fmt.Errorf("event pattern: an empty matcher at %s", path)
}

func same(a, b any) bool {
	x, xn := a.(json.Number)
	y, yn := b.(json.Number)
	if xn && yn {
		f, err1 := x.Float64()
		g, err2 := y.Float64()
		return err1 == nil && err2 == nil && f == g
	}
	return a == b
}

// Matches says whether an event, as JSON, is one that the pattern wants. An
// array in an event matches when one of its items does.
func (p Pattern) Matches(event []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(event))
	dec.UseNumber()
	var tree any
	if dec.Decode(&tree) != nil {
		return false
	}
	return p.matches(tree, true)
}

func (p Pattern) matches(value any, present bool) bool {
	if p.members != nil {
		object, _ := value.(map[string]any)
		for name, sub := range p.members {
			v, ok := object[name]
			if !sub.matches(v, ok) {
				return false
			}
		}
		return true
	}
	if list, ok := value.([]any); ok && len(list) > 0 {
		return slices.ContainsFunc(list, func(v any) bool { return p.test(v, true) })
	}
	return p.test(value, present)
}

func (p Pattern) test(value any, present bool) bool {
	switch value.(type) {
	case map[string]any, []any: // patterns test leaves only
		return false
	}
	return slices.ContainsFunc(p.any, func(m matcher) bool { return m(value, present) })
}
