package gateway

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// node is a form's parameters by the dots in their names:
// Filter.1.Value.2=x is node Filter → 1 → Value → 2 with text x.
type node struct {
	text     string
	children map[string]*node
}

// A form with more parts than this is not one that an SDK makes.
const maxFormDepth = 32

// formTree turns a form into the tree that Decode wants. The target's type
// decides what a number in a name means: Tags.1 is a list's first item or a
// structure's member "1". Lists are Name.1 (EC2, flattened) or Name.member.1
// (Query), maps Name.entry.1.key and …value.
func formTree(form url.Values, target reflect.Type) (any, error) {
	root := &node{}
	for name, values := range form {
		if name == "Action" || name == "Version" {
			continue
		}
		if len(values) != 1 {
			return nil, fmt.Errorf("the parameter %q is given %d times", name, len(values))
		}
		parts := strings.Split(name, ".")
		if len(parts) > maxFormDepth {
			return nil, fmt.Errorf("the parameter %q has too many parts", name)
		}
		at := root
		for _, part := range parts {
			if at.children == nil {
				at.children = map[string]*node{}
			}
			if at.children[part] == nil {
				at.children[part] = &node{}
			}
			at = at.children[part]
		}
		at.text = values[0]
	}
	return root.tree(target, "")
}

func (n *node) tree(t reflect.Type, path string) (any, error) {
	if n.text != "" && len(n.children) > 0 {
		return nil, fmt.Errorf("the parameter %q has a value and parts as well", path)
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time](), t == reflect.TypeFor[[]byte]():
		return n.leaf(path)
	case t.Kind() == reflect.Struct:
		return n.structure(t, path)
	case t.Kind() == reflect.Slice:
		items, err := n.items("member", path)
		if err != nil {
			return nil, err
		}
		list := make([]any, len(items))
		for i, item := range items {
			if list[i], err = item.tree(t.Elem(), fmt.Sprintf("%s.%d", path, i+1)); err != nil {
				return nil, err
			}
		}
		return list, nil
	case t.Kind() == reflect.Map:
		items, err := n.items("entry", path)
		if err != nil {
			return nil, err
		}
		tree := map[string]any{}
		for _, item := range items {
			key, value := item.children["key"], item.children["value"]
			if key == nil || value == nil || len(item.children) != 2 {
				return nil, fmt.Errorf("the map %q is not made of key and value", path)
			}
			if tree[key.text], err = value.tree(t.Elem(), path); err != nil {
				return nil, err
			}
		}
		return tree, nil
	}
	return n.leaf(path)
}

func (n *node) structure(t reflect.Type, path string) (any, error) {
	index := fieldsOf(t)
	tree := map[string]any{}
	for name, child := range n.children {
		f, ok := index.byName[name]
		if !ok {
			tree[name] = nil // Decode refuses it by name
			continue
		}
		var err error
		if tree[name], err = child.tree(t.FieldByIndex(f.index).Type, join(path, name)); err != nil {
			return nil, err
		}
	}
	return tree, nil
}

// items are a list's nodes in the order of their numbers, which start at 1.
// SDKs write an empty list as the bare name with an empty value.
func (n *node) items(wrapper, path string) ([]*node, error) {
	if inner, ok := n.children[wrapper]; ok && len(n.children) == 1 {
		n = inner
	}
	if len(n.children) == 0 && n.text != "" {
		return nil, fmt.Errorf("the parameter %q is a list: write %s.1", path, path)
	}
	type item struct {
		number int
		node   *node
	}
	var items []item
	for name, child := range n.children {
		number, err := strconv.Atoi(name)
		if err != nil || number < 1 {
			return nil, fmt.Errorf("the parameter %s.%s is not an item of a list", path, name)
		}
		items = append(items, item{number, child})
	}
	slices.SortFunc(items, func(a, b item) int { return a.number - b.number })
	nodes := make([]*node, len(items))
	for i, it := range items {
		nodes[i] = it.node
	}
	return nodes, nil
}

func (n *node) leaf(path string) (any, error) {
	if len(n.children) > 0 {
		return nil, fmt.Errorf("the parameter %q has no parts", path)
	}
	return n.text, nil
}
