package states

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// fields reads one JSON object of a definition member by member, so that what
// was never asked for can be refused by name.
type fields struct {
	p      *parser
	path   string
	values map[string]json.RawMessage
	order  []string
	taken  map[string]bool
}

// object opens raw as an object; a report and nil when it is none.
func (p *parser) object(path string, raw json.RawMessage) *fields {
	f := &fields{p: p, path: path, values: map[string]json.RawMessage{}, taken: map[string]bool{}}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		p.report(path, "must be a JSON object")
		return nil
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			p.report(path, "%v", err)
			return nil
		}
		name, _ := t.(string)
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			p.report(path, "%v", err)
			return nil
		}
		if _, twice := f.values[name]; twice {
			p.report(pointer(path, name), "the field %q stands twice", name)
			continue
		}
		f.values[name] = value
		f.order = append(f.order, name)
	}
	return f
}

func (p *parser) report(path, format string, args ...any) {
	p.problems = append(p.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// pointer appends a member to a JSON pointer (RFC 6901).
func pointer(path, name string) string {
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func (f *fields) at(name string) string { return pointer(f.path, name) }

func (f *fields) take(name string) (json.RawMessage, bool) {
	f.taken[name] = true
	raw, ok := f.values[name]
	return raw, ok
}

func (f *fields) text(name string) string {
	raw, ok := f.take(name)
	if !ok {
		return ""
	}
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		f.p.report(f.at(name), "%s must be a string", name)
		return ""
	}
	return *s
}

// required is text that must be there and not be empty.
func (f *fields) required(name string) string {
	_, there := f.values[name]
	s := f.text(name)
	if !there {
		f.p.report(f.path, "the field %s is missing", name)
	} else if s == "" {
		f.p.report(f.at(name), "%s must not be empty", name)
	}
	return s
}

// number reads a literal number between low and high.
func (f *fields) number(name string, missing, low, high float64, whole bool) float64 {
	raw, ok := f.take(name)
	if !ok {
		return missing
	}
	var n *float64
	if json.Unmarshal(raw, &n) != nil || n == nil || *n < low || *n > high || whole && *n != float64(int64(*n)) {
		kind := "a number"
		if whole {
			kind = "an integer"
		}
		f.p.report(f.at(name), "%s must be %s from %v to %v", name, kind, low, high)
		return missing
	}
	return *n
}

func (f *fields) list(name string) []json.RawMessage {
	raw, ok := f.take(name)
	if !ok {
		return nil
	}
	var items []json.RawMessage
	if json.Unmarshal(raw, &items) != nil || items == nil {
		f.p.report(f.at(name), "%s must be an array", name)
	}
	return items
}

// unsupported are fields that the language knows and this engine does not, with
// the reason for which they are refused.
var unsupported = map[string]string{
	"InputPath": "belongs to JSONPath", "OutputPath": "belongs to JSONPath", "ResultPath": "belongs to JSONPath",
	"Parameters": "belongs to JSONPath (JSONata has Arguments)", "ResultSelector": "belongs to JSONPath (JSONata has Output)",
	"Result": "belongs to JSONPath (JSONata has Output)", "ItemsPath": "belongs to JSONPath (JSONata has Items)",
	"SecondsPath": "belongs to JSONPath", "TimestampPath": "belongs to JSONPath", "TimeoutSecondsPath": "belongs to JSONPath",
	"ErrorPath": "belongs to JSONPath", "CausePath": "belongs to JSONPath", "MaxConcurrencyPath": "belongs to JSONPath",
	"ToleratedFailureCountPath": "belongs to JSONPath", "ToleratedFailurePercentagePath": "belongs to JSONPath",
	"Variable": "belongs to JSONPath (JSONata has Condition)", "And": "belongs to JSONPath", "Or": "belongs to JSONPath", "Not": "belongs to JSONPath",
	"HeartbeatSeconds": "is not supported: a lambda:invoke task sends no heartbeats", "HeartbeatSecondsPath": "belongs to JSONPath",
	"Credentials": "is not supported: every task runs under the machine's role",
	"Iterator":    "is not supported: write ItemProcessor", "ItemReader": "is not supported: give Items",
	"ItemBatcher": "is not supported", "ResultWriter": "is not supported: the children write their own results",
}

// rest refuses every member that was not taken.
func (f *fields) rest(of string) {
	for _, name := range f.order {
		if f.taken[name] {
			continue
		}
		if why, known := unsupported[name]; known {
			f.p.report(f.at(name), "the field %s of a %s %s", name, of, why)
		} else {
			f.p.report(f.at(name), "a %s has no field %s here", of, name)
		}
	}
}
