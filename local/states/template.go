package states

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// template is a JSON value of a definition in which strings of the form
// "{% … %}" are JSONata.
type template struct {
	field   string               // as errors name it: Output/a/b[0]
	path    string               // JSON pointer, for problems
	literal json.RawMessage      // set when no expression stands in it
	expr    *expression          // set when it is one
	fields  map[string]*template // set when it is an object
	order   []string             // its keys
	items   []*template          // set when it is an array
	kind    *resultKind          // what the value must be; nil: anything
}

// phase says which members of $states a field may read.
type phase []string

var (
	inInput  = phase{"context", "input"}
	inResult = phase{"context", "input", "result"}
	inCatch  = phase{"context", "errorOutput", "input"}
)

// resultKind is what a scalar field accepts, literally or as a result.
type resultKind struct {
	name string
	ok   func(json.RawMessage) bool
}

var (
	stringResult  = &resultKind{"string", func(raw json.RawMessage) bool { return raw[0] == '"' }}
	boolResult    = &resultKind{"boolean", func(raw json.RawMessage) bool { return raw[0] == 't' || raw[0] == 'f' }}
	arrayResult   = &resultKind{"array", func(raw json.RawMessage) bool { return raw[0] == '[' }}
	percentResult = &resultKind{"number from 0 to 100", func(raw json.RawMessage) bool {
		n, err := strconv.ParseFloat(string(raw), 64)
		return err == nil && n >= 0 && n <= 100
	}}
	timeResult = &resultKind{"RFC 3339 timestamp", func(raw json.RawMessage) bool {
		_, err := parseTime(raw)
		return err == nil
	}}
)

func wholeResult(low, high int) *resultKind {
	return &resultKind{fmt.Sprintf("integer from %d to %d", low, high), func(raw json.RawMessage) bool {
		n, err := strconv.ParseFloat(string(raw), 64)
		return err == nil && n == float64(int64(n)) && n >= float64(low) && n <= float64(high)
	}}
}

func parseTime(raw json.RawMessage) (time.Time, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, s)
}

// optional reads a field as a template; nil when it is absent.
func (p *parser) optional(f *fields, name string, ph phase) *template {
	raw, ok := f.take(name)
	if !ok {
		return nil
	}
	return p.template(name, f.at(name), raw, ph)
}

// scalar reads a field of one kind, given literally or as an expression.
func (p *parser) scalar(f *fields, name string, kind *resultKind) *template {
	t := p.optional(f, name, inInput)
	if t == nil {
		return nil
	}
	t.kind = kind
	if t.expr == nil && (t.literal == nil || !kind.ok(t.literal)) {
		p.report(t.path, "%s must be a literal (%s) or a JSONata expression", name, kind.name)
	}
	return t
}

func (p *parser) wholeNumber(f *fields, name string, low, high int) *template {
	return p.scalar(f, name, wholeResult(low, high))
}

var variableName = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

// assign reads Assign, an object from variable names to templates.
func (p *parser) assign(f *fields, ph phase) []assignment {
	t := p.optional(f, "Assign", ph)
	if t == nil {
		return nil
	}
	if t.fields == nil {
		p.report(t.path, "Assign must be an object")
		return nil
	}
	var list []assignment
	for _, name := range t.order {
		if !variableName.MatchString(name) || len([]rune(name)) > maxName || name == "states" {
			p.report(pointer(t.path, name), "%q cannot be a variable's name", name)
		}
		list = append(list, assignment{Name: name, Value: t.fields[name]})
	}
	return list
}

func index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

func (p *parser) template(field, path string, raw json.RawMessage, ph phase) *template {
	raw = bytes.TrimSpace(raw)
	t := &template{field: field, path: path}
	switch raw[0] {
	case '{':
		f := p.object(path, raw)
		if f == nil {
			return t
		}
		t.fields, t.order = map[string]*template{}, f.order
		constant := true
		for _, name := range f.order {
			if strings.HasSuffix(name, ".$") {
				p.report(f.at(name), "the key %q is JSONPath; in JSONata any string may be {%% … %%}", name)
			}
			sub := p.template(field+"/"+name, f.at(name), f.values[name], ph)
			t.fields[name] = sub
			constant = constant && sub.literal != nil
		}
		if constant {
			t.literal = compact(raw)
		}
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			p.report(path, "%v", err)
			return t
		}
		t.items = []*template{}
		constant := true
		for i, item := range items {
			sub := p.template(index(field, i), index(path, i), item, ph)
			t.items = append(t.items, sub)
			constant = constant && sub.literal != nil
		}
		if constant {
			t.literal = compact(raw)
		}
	case '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			p.report(path, "%v", err)
			return t
		}
		opens, closes := strings.HasPrefix(s, "{%"), strings.HasSuffix(s, "%}")
		trimmed := strings.TrimSpace(s)
		switch {
		case opens && closes && len(s) >= 4:
			t.expr = p.expression(path, strings.TrimSpace(s[2:len(s)-2]), ph)
		case strings.HasPrefix(trimmed, "{%") || strings.HasSuffix(trimmed, "%}"):
			p.report(path, "a JSONata expression starts with {%% and ends with %%}, with nothing around them")
		default:
			t.literal = raw
		}
	default:
		t.literal = raw
	}
	return t
}

func compact(raw json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return raw
	}
	return b.Bytes()
}
