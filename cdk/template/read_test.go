package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// document is the golden template as the tests read it.
type document struct {
	Resources  map[string]resource
	Parameters map[string]any
	Outputs    map[string]any
}

type resource struct {
	Type           string
	DeletionPolicy string
	DependsOn      []string
	Properties     map[string]any
}

func parse(t *testing.T) document {
	t.Helper()
	var d document
	if err := json.Unmarshal(golden, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// each yields the resources of a type by logical id, in order.
func (d document) each(kind string) func(yield func(string, resource) bool) {
	return func(yield func(string, resource) bool) {
		for _, id := range slices.Sorted(maps.Keys(d.Resources)) {
			if r := d.Resources[id]; r.Type == kind && !yield(id, r) {
				return
			}
		}
	}
}

// steps are the functions by their handler, which is the step's name.
func (d document) steps() map[string]resource {
	steps := map[string]resource{}
	for _, function := range d.each("AWS::Lambda::Function") {
		steps[text(function.Properties["Handler"])] = function
	}
	return steps
}

// at follows a path of keys and list indexes; nil where it leads nowhere.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// text writes a value with its intrinsics as Fn::Sub would: ${Id}, ${Id.Arn}. The
// CDK's hashes at the ends of logical ids are left out.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64, bool:
		return fmt.Sprint(v)
	case []any:
		all := make([]string, len(v))
		for i := range v {
			all[i] = text(v[i])
		}
		return strings.Join(all, ",")
	case map[string]any:
		switch {
		case v["Ref"] != nil:
			return "${" + plain(text(v["Ref"])) + "}"
		case v["Fn::GetAtt"] != nil:
			return "${" + plain(text(at(v, "Fn::GetAtt", 0))) + "." + text(at(v, "Fn::GetAtt", 1)) + "}"
		case v["Fn::Join"] != nil:
			all := list(at(v, "Fn::Join", 1))
			parts := make([]string, len(all))
			for i := range all {
				parts[i] = text(all[i])
			}
			return strings.Join(parts, text(at(v, "Fn::Join", 0)))
		case v["Fn::Sub"] != nil:
			return text(v["Fn::Sub"])
		}
	}
	raw, _ := json.Marshal(v)
	return string(raw)
}

// plain takes the eight hexadecimal digits off that the CDK puts behind an id.
func plain(id string) string {
	if len(id) > 8 && strings.Trim(id[len(id)-8:], "0123456789ABCDEF") == "" {
		return id[:len(id)-8]
	}
	return id
}
