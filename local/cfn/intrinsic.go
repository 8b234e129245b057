package cfn

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// function finds an intrinsic function by name; nil for one that is not
// implemented. "Intrinsic function reference", AWS CloudFormation user guide.
func function(name string) func(*resolver, any) (any, error) {
	switch name {
	case "Ref":
		return (*resolver).ref
	case "Fn::GetAtt":
		return (*resolver).getAtt
	case "Fn::Join":
		return (*resolver).join
	case "Fn::Sub":
		return (*resolver).sub
	case "Fn::Select":
		return (*resolver).sel
	case "Fn::Split":
		return (*resolver).split
	case "Fn::GetAZs":
		return (*resolver).getAZs
	case "Fn::Base64":
		return (*resolver).base64
	}
	return nil
}

// intrinsic reports whether a value is a call: an object whose only key is Ref
// or begins with Fn::.
func intrinsic(v any) (name string, argument any, ok bool) {
	m, isMap := v.(map[string]any)
	if !isMap || len(m) != 1 {
		return "", nil, false
	}
	for name, argument = range m {
	}
	return name, argument, name == "Ref" || strings.HasPrefix(name, "Fn::")
}

// noValue is what Ref AWS::NoValue gives: the property is as if not written.
type noValue struct{}

// resolver evaluates values once everything they refer to exists.
type resolver struct {
	pseudo     map[string]string // AWS::Region and its like
	zones      []string
	parameters map[string]string
	created    map[string]Physical
}

func (r *resolver) resolve(v any) (any, error) {
	if name, argument, ok := intrinsic(v); ok {
		call := function(name)
		if call == nil {
			return nil, fmt.Errorf("%s is not implemented", name)
		}
		out, err := call(r, argument)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return out, nil
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			x, err := r.resolve(e)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
			if x != (noValue{}) {
				out[k] = x
			}
		}
		return out, nil
	case []any:
		out := make([]any, 0, len(v))
		for i, e := range v {
			x, err := r.resolve(e)
			if err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
			if x != (noValue{}) {
				out = append(out, x)
			}
		}
		return out, nil
	}
	return v, nil
}

func (r *resolver) ref(v any) (any, error) {
	name, _ := v.(string)
	if name == "AWS::NoValue" {
		return noValue{}, nil
	}
	return r.name(name)
}

// name is what Ref gives for a pseudo parameter, a parameter or a resource.
func (r *resolver) name(name string) (string, error) {
	if v, ok := r.pseudo[name]; ok {
		return v, nil
	}
	if v, ok := r.parameters[name]; ok {
		return v, nil
	}
	if c, ok := r.created[name]; ok {
		return c.ID, nil
	}
	return "", fmt.Errorf("%q does not exist", name)
}

func (r *resolver) getAtt(v any) (any, error) {
	name, attribute, err := splitAtt(v)
	if err != nil {
		return nil, err
	}
	return r.attribute(name, attribute)
}

func (r *resolver) attribute(name, attribute string) (any, error) {
	v, ok := r.created[name].Attributes[attribute]
	if !ok {
		return nil, fmt.Errorf("%s has no attribute %s", name, attribute)
	}
	return v, nil
}

// splitAtt takes GetAtt's argument apart: a list of two, or "name.attribute".
func splitAtt(v any) (name, attribute string, err error) {
	switch v := v.(type) {
	case string:
		if name, attribute, ok := strings.Cut(v, "."); ok {
			return name, attribute, nil
		}
	case []any:
		if len(v) == 2 {
			name, ok1 := v[0].(string)
			attribute, ok2 := v[1].(string)
			if ok1 && ok2 {
				return name, attribute, nil
			}
		}
	}
	return "", "", fmt.Errorf("a resource and an attribute are needed, and here is %s", describe(v))
}

// pair is the argument of Join, Select and Split.
func pair(v any) (first, second any, err error) {
	list, ok := v.([]any)
	if !ok || len(list) != 2 {
		return nil, nil, fmt.Errorf("a list of two is needed, and here is %s", describe(v))
	}
	return list[0], list[1], nil
}

func (r *resolver) list(v any) ([]any, error) {
	v, err := r.resolve(v)
	if err != nil {
		return nil, err
	}
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("a list is needed, and here is %s", describe(v))
	}
	return list, nil
}

func (r *resolver) text(v any) (string, error) {
	v, err := r.resolve(v)
	if err != nil {
		return "", err
	}
	return text(v)
}

func (r *resolver) join(v any) (any, error) {
	separator, values, err := pair(v)
	if err != nil {
		return nil, err
	}
	sep, ok := separator.(string)
	if !ok {
		return nil, fmt.Errorf("the separator is %s", describe(separator))
	}
	list, err := r.list(values)
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(list))
	for i, e := range list {
		if parts[i], err = text(e); err != nil {
			return nil, err
		}
	}
	return strings.Join(parts, sep), nil
}

func (r *resolver) sel(v any) (any, error) {
	index, values, err := pair(v)
	if err != nil {
		return nil, err
	}
	s, err := r.text(index)
	if err != nil {
		return nil, err
	}
	list, err := r.list(values)
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(s)
	if err != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("the list of %d has no element %s", len(list), s)
	}
	return list[i], nil
}

func (r *resolver) split(v any) (any, error) {
	separator, value, err := pair(v)
	if err != nil {
		return nil, err
	}
	sep, ok := separator.(string)
	if !ok || sep == "" {
		return nil, fmt.Errorf("the separator is %s", describe(separator))
	}
	s, err := r.text(value)
	if err != nil {
		return nil, err
	}
	var out []any
	for _, part := range strings.Split(s, sep) {
		out = append(out, part)
	}
	return out, nil
}

func (r *resolver) getAZs(v any) (any, error) {
	region, err := r.text(v)
	if err != nil {
		return nil, err
	}
	if region != "" && region != r.pseudo["AWS::Region"] {
		return nil, fmt.Errorf("the local cloud is %s, not %s", r.pseudo["AWS::Region"], region)
	}
	out := make([]any, len(r.zones))
	for i, z := range r.zones {
		out[i] = z
	}
	return out, nil
}

func (r *resolver) base64(v any) (any, error) {
	s, err := r.text(v)
	return base64.StdEncoding.EncodeToString([]byte(s)), err
}

// placeholder is ${Name}, ${Name.Attribute} or ${!literal} of Fn::Sub.
var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

func (r *resolver) sub(v any) (any, error) {
	format, variables, err := subParts(v)
	if err != nil {
		return nil, err
	}
	var failed error
	out := placeholder.ReplaceAllStringFunc(format, func(m string) string {
		name := m[2 : len(m)-1]
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		s, err := r.placeholder(strings.TrimSpace(name), variables)
		if err != nil && failed == nil {
			failed = err
		}
		return s
	})
	return out, failed
}

func (r *resolver) placeholder(name string, variables map[string]any) (string, error) {
	if v, ok := variables[name]; ok {
		return r.text(v)
	}
	if of, attribute, ok := strings.Cut(name, "."); ok {
		v, err := r.attribute(of, attribute)
		if err != nil {
			return "", err
		}
		return text(v)
	}
	return r.name(name)
}

func subParts(v any) (format string, variables map[string]any, err error) {
	if s, ok := v.(string); ok {
		return s, nil, nil
	}
	if list, ok := v.([]any); ok && len(list) == 2 {
		s, ok1 := list[0].(string)
		m, ok2 := list[1].(map[string]any)
		if ok1 && ok2 {
			return s, m, nil
		}
	}
	return "", nil, fmt.Errorf("a string, or a string and its variables, are needed, and here is %s", describe(v))
}
