package cfn

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// parameter is an entry of Parameters, of type String or Number.
type parameter struct {
	kind     string
	fallback *string // Default
	hidden   bool    // NoEcho: its value is not shown
	allowed  []string
	pattern  *regexp.Regexp
	// Length of a String, value of a Number; nil means no bound.
	least, most *float64
}

func parseParameter(p *Problems, path string, m map[string]any) parameter {
	out := parameter{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		at := path + "." + k
		switch k {
		case "Type":
			out.kind, _ = m[k].(string)
			if out.kind != "String" && out.kind != "Number" {
				p.add(at, "%v is not implemented; String and Number are", m[k])
			}
		case "Default":
			s, err := text(m[k])
			if err != nil {
				p.add(at, "%v", err)
			}
			out.fallback = &s
		case "AllowedValues":
			list, ok := m[k].([]any)
			if !ok {
				p.add(at, "is not a list")
			}
			for _, v := range list {
				s, err := text(v)
				if err != nil {
					p.add(at, "%v", err)
				}
				out.allowed = append(out.allowed, s)
			}
		case "AllowedPattern":
			s, ok := m[k].(string)
			if !ok {
				p.add(at, "is not a string")
			}
			re, err := regexp.Compile(`^(?:` + s + `)$`)
			if err != nil {
				p.add(at, "%v", err)
			}
			out.pattern = re
		case "MinLength", "MinValue":
			out.least = bound(p, at, m[k])
		case "MaxLength", "MaxValue":
			out.most = bound(p, at, m[k])
		case "NoEcho":
			s, err := text(m[k])
			if err != nil || s != "true" && s != "false" {
				p.add(at, "true or false is needed, and here is %s", describe(m[k]))
			}
			out.hidden = s == "true"
		case "Description", "ConstraintDescription": // text for people
		default:
			p.add(at, "this attribute is not implemented")
		}
	}
	if out.kind == "" {
		p.add(path, "has no Type")
	}
	return out
}

func bound(p *Problems, path string, v any) *float64 {
	s, err := text(v)
	if err == nil {
		var f float64
		if f, err = strconv.ParseFloat(s, 64); err == nil {
			return &f
		}
	}
	p.add(path, "%v", err)
	return nil
}

// check says what is wrong with a value, or nothing.
func (q parameter) check(v string) error {
	size := float64(len([]rune(v)))
	if q.kind == "Number" {
		var err error
		if size, err = strconv.ParseFloat(v, 64); err != nil {
			return fmt.Errorf("%q is not a number", v)
		}
	}
	switch {
	case q.allowed != nil && !slices.Contains(q.allowed, v):
		return fmt.Errorf("%q is not one of %q", v, q.allowed)
	case q.pattern != nil && !q.pattern.MatchString(v):
		return fmt.Errorf("%q does not match %s", v, q.pattern)
	case q.least != nil && size < *q.least, q.most != nil && size > *q.most:
		return fmt.Errorf("%q is out of bounds", v)
	}
	return nil
}

// values joins what the caller gives with the defaults.
func (t template) values(given map[string]string, p *Problems) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := t.parameters[name]; !ok {
			p.add("parameter "+name, "the template has no such parameter; it has %q", slices.Sorted(maps.Keys(t.parameters)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.parameters)) {
		q := t.parameters[name]
		v, ok := given[name]
		if !ok && q.fallback == nil {
			p.add("parameter "+name, "has no value and no default")
			continue
		}
		if !ok {
			v = *q.fallback
		}
		if err := q.check(v); err != nil {
			p.add("parameter "+name, "%v", err)
		}
		out[name] = v
	}
	return out
}

// text is a scalar as CloudFormation writes it into a string.
func text(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", fmt.Errorf("a string is needed, and here is %s", describe(v))
}

func describe(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%T", v)
	}
	if len(b) > 60 {
		b = append(b[:60], "…"...)
	}
	return string(b)
}
