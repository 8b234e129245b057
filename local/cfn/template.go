package cfn

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Problems is why a template is refused: everything that is wrong with it.
type Problems []string

func (p Problems) Error() string {
	return fmt.Sprintf("the template is refused, %d problem(s):\n  %s", len(p), strings.Join(p, "\n  "))
}

func (p *Problems) add(path, format string, args ...any) {
	*p = append(*p, path+": "+fmt.Sprintf(format, args...))
}

// template is the part of the language that is implemented.
type template struct {
	parameters map[string]parameter
	resources  map[string]resource
	outputs    map[string]any // the values
	exports    []string       // outputs with an Export, which nothing here imports

	description  string
	descriptions map[string]string // of outputs
}

type resource struct {
	kind       string
	properties map[string]any
	dependsOn  []string
	retain     bool // DeletionPolicy
}

// parse reads the template's shape; it looks into values later.
func parse(text []byte, p *Problems) template {
	t := template{parameters: map[string]parameter{}, resources: map[string]resource{}, outputs: map[string]any{}, descriptions: map[string]string{}}
	root, err := decodeJSON(text)
	if err != nil {
		p.add("template", "%v", err)
		return t
	}
	for _, section := range slices.Sorted(maps.Keys(root)) {
		switch section {
		case "AWSTemplateFormatVersion":
			if root[section] != "2010-09-09" {
				p.add(section, "is %v, not 2010-09-09", root[section])
			}
		case "Description":
			t.description = literal(p, section, root[section])
		case "Metadata": // for tools
		case "Parameters":
			each(p, section, root[section], func(path, name string, m map[string]any) {
				t.parameters[name] = parseParameter(p, path, m)
			})
		case "Resources":
			each(p, section, root[section], func(path, name string, m map[string]any) {
				t.resources[name] = parseResource(p, path, m)
			})
		case "Outputs":
			each(p, section, root[section], func(path, name string, m map[string]any) {
				t.parseOutput(p, path, name, m)
			})
		default:
			p.add(section, "this section is not implemented")
		}
	}
	if len(t.resources) == 0 {
		p.add("Resources", "the template has none")
	}
	return t
}

// decodeJSON keeps numbers as they are written.
func decodeJSON(text []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var root map[string]any
	if err := d.Decode(&root); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("more follows after the JSON object")
	}
	return root, nil
}

func each(p *Problems, section string, v any, do func(path, name string, m map[string]any)) {
	entries, ok := v.(map[string]any)
	if !ok {
		p.add(section, "is not an object")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		path := section + "." + name
		m, ok := entries[name].(map[string]any)
		if !ok {
			p.add(path, "is not an object")
			continue
		}
		do(path, name, m)
	}
}

func parseResource(p *Problems, path string, m map[string]any) resource {
	var r resource
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch v := m[k]; k {
		case "Type":
			r.kind, _ = v.(string)
		case "Properties":
			var ok bool
			if r.properties, ok = v.(map[string]any); !ok {
				p.add(path+".Properties", "is not an object")
			}
		case "DependsOn":
			switch d := v.(type) {
			case string:
				r.dependsOn = []string{d}
			case []any:
				for _, e := range d {
					s, _ := e.(string)
					r.dependsOn = append(r.dependsOn, s)
				}
			default:
				p.add(path+".DependsOn", "is neither a name nor a list of names")
			}
		case "DeletionPolicy":
			if v != "Delete" && v != "Retain" {
				p.add(path+"."+k, "%v is not implemented; Delete and Retain are", v)
			}
			r.retain = v == "Retain"
		case "UpdateReplacePolicy", "Metadata": // nothing is ever updated here
		default:
			p.add(path+"."+k, "this attribute is not implemented")
		}
	}
	if r.kind == "" {
		p.add(path, "has no Type")
	}
	return r
}

// literal is text that must be known before anything is created.
func literal(p *Problems, path string, v any) string {
	s, ok := v.(string)
	if !ok {
		p.add(path, "is not a string")
	}
	return s
}

func (t *template) parseOutput(p *Problems, path, name string, m map[string]any) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch k {
		case "Value":
			t.outputs[name] = m[k]
		case "Description":
			t.descriptions[name] = literal(p, path+"."+k, m[k])
		case "Export":
			t.exports = append(t.exports, name)
		default:
			p.add(path+"."+k, "this attribute is not implemented")
		}
	}
	if _, ok := m["Value"]; !ok {
		p.add(path, "has no Value")
	}
}
