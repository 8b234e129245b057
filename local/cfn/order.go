package cfn

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// reference is what a value needs: a resource, or one of its attributes, or a
// name that nothing has.
type reference struct{ name, attribute string }

// references calls found for each reference in a value, and bad for each call
// that is not implemented or malformed.
func references(path string, v any, found func(path string, r reference), bad func(path string, err error)) {
	name, argument, ok := intrinsic(v)
	if !ok {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				references(path+"."+k, v[k], found, bad)
			}
		case []any:
			for i, e := range v {
				references(fmt.Sprintf("%s[%d]", path, i), e, found, bad)
			}
		}
		return
	}
	switch name {
	case "Ref":
		s, ok := argument.(string)
		if !ok {
			bad(path, fmt.Errorf("a Ref of %s", describe(argument)))
			return
		}
		found(path, reference{name: s})
	case "Fn::GetAtt":
		of, attribute, err := splitAtt(argument)
		if err != nil {
			bad(path, err)
			return
		}
		found(path, reference{of, attribute})
	case "Fn::Sub":
		format, variables, err := subParts(argument)
		if err != nil {
			bad(path, err)
			return
		}
		for _, m := range placeholder.FindAllStringSubmatch(format, -1) {
			s := strings.TrimSpace(m[1])
			if _, own := variables[s]; own || strings.HasPrefix(s, "!") {
				continue
			}
			of, attribute, _ := strings.Cut(s, ".")
			found(path, reference{of, attribute})
		}
		references(path, variables, found, bad)
	default:
		if function(name) == nil {
			bad(path, fmt.Errorf("the function %s is not implemented", name))
			return
		}
		references(path, argument, found, bad)
	}
}

// order sorts the resources so that each comes after what it needs; among those
// that could come next, by name. What is left when nothing can come is a cycle.
func order(needs map[string]map[string]bool) ([]string, error) {
	left := maps.Clone(needs)
	var sorted []string
	for len(left) > 0 {
		next := ""
		for _, name := range slices.Sorted(maps.Keys(left)) {
			ready := true
			for need := range left[name] {
				if _, waiting := left[need]; waiting {
					ready = false
					break
				}
			}
			if ready {
				next = name
				break
			}
		}
		if next == "" {
			return nil, fmt.Errorf("circular dependency between resources: %s", strings.Join(cycle(left), " → "))
		}
		sorted = append(sorted, next)
		delete(left, next)
	}
	return sorted, nil
}

// cycle walks along unmet needs until it comes back to where it was.
func cycle(left map[string]map[string]bool) []string {
	at := slices.Sorted(maps.Keys(left))[0]
	var path []string
	for !slices.Contains(path, at) {
		path = append(path, at)
		for _, need := range slices.Sorted(maps.Keys(left[at])) {
			if _, waiting := left[need]; waiting {
				at = need
				break
			}
		}
	}
	return append(path[slices.Index(path, at):], at)
}
