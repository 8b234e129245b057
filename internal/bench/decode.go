package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// object is a JSON object as written: member names in order.
type object struct {
	names  []string
	values map[string]any
}

// readJSON reads one JSON value into object, []any, string, json.Number, bool
// or nil. Unlike encoding/json it reports a member that is written twice, of
// which one would be lost without a word.
func readJSON(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	v, err := readValue(dec, "", 0)
	if err != nil {
		return nil, describeSyntax(raw, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the plan's closing brace: keep one JSON object")
	}
	return v, nil
}

const maxDepth = 32

func readValue(dec *json.Decoder, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, ok := tok.(json.Delim)
	if !ok {
		return tok, nil
	}
	if delim == '[' {
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, fmt.Sprintf("%s[%d]", path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	obj := object{values: map[string]any{}}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := tok.(string) // the decoder accepts nothing else here
		v, err := readValue(dec, join(path, name), depth+1)
		if err != nil {
			return nil, err
		}
		if _, twice := obj.values[name]; twice {
			return nil, fmt.Errorf("%s is written twice: keep one", join(path, name))
		}
		obj.names = append(obj.names, name)
		obj.values[name] = v
	}
	_, err = dec.Token()
	return obj, err
}

// describeSyntax adds the line and column that the standard error leaves out.
func describeSyntax(raw []byte, err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		before := raw[:min(int(syntax.Offset), len(raw))]
		line := 1 + bytes.Count(before, []byte("\n"))
		column := len(before) - bytes.LastIndexByte(before, '\n')
		return fmt.Errorf("not valid JSON at line %d, column %d: %w", line, column, syntax)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("not valid JSON: it ends too early; a brace or bracket is not closed")
	}
	return err
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fill writes a JSON value into a Go value and collects every mistake:
// unknown members, wrong types, durations without a unit. Members that are
// absent keep what the Go value holds, so defaults are filled in first.
func fill(into reflect.Value, v any, path string, report func(path, problem string)) {
	if d, ok := into.Addr().Interface().(*Duration); ok {
		b, _ := json.Marshal(plain(v)) // read from JSON a moment ago
		if err := d.UnmarshalJSON(b); err != nil {
			report(path, err.Error())
		}
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		obj, ok := v.(object)
		if !ok {
			report(path, fmt.Sprintf("is %s: write an object, {…}", describe(v)))
			return
		}
		fields := jsonFields(into.Type())
		for _, name := range obj.names {
			i, known := fields[name]
			if !known {
				report(join(path, name), unknown(name, fields))
				continue
			}
			fill(into.Field(i), obj.values[name], join(path, name), report)
		}
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			report(path, fmt.Sprintf("is %s: write a list, […]", describe(v)))
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
		for i, e := range list {
			fill(into.Index(i), e, fmt.Sprintf("%s[%d]", path, i), report)
		}
	default:
		b, _ := json.Marshal(plain(v))
		if v == nil || json.Unmarshal(b, into.Addr().Interface()) != nil {
			report(path, fmt.Sprintf("is %s: write %s", describe(v), wanted(into.Kind())))
		}
	}
}

// jsonFields maps a struct's JSON names to its field indices.
func jsonFields(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	return fields
}

func unknown(name string, fields map[string]int) string {
	names := make([]string, 0, len(fields))
	for n := range fields {
		if strings.EqualFold(n, name) {
			return fmt.Sprintf("is unknown: write it as %q", n)
		}
		names = append(names, n)
	}
	slices.Sort(names)
	return "is unknown: remove it, or use one of " + strings.Join(names, ", ")
}

func plain(v any) any {
	switch v := v.(type) {
	case object:
		return map[string]any{}
	case []any:
		return []any{}
	default:
		return v
	}
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case object:
		return "an object"
	case []any:
		return "a list"
	case string:
		return fmt.Sprintf("the string %q", v)
	case bool:
		return fmt.Sprintf("%t", v)
	default:
		return fmt.Sprintf("the number %v", v)
	}
}

func wanted(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string in quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	default:
		return "a number"
	}
}
