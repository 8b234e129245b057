package cfn

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// decoder walks properties and the struct that they belong to, side by side.
// It does so twice: before anything is created, with dst nil, when calls are
// still unresolved and are passed over; and at the resource's turn, when it
// fills in dst. CloudFormation takes "3" for 3 and true for "true"; so does it.
type decoder struct {
	problems *Problems
	ignored  func(path, reason string) // of each property, reason empty where it has effect; nil on the second walk
}

func (d decoder) walk(path string, v any, t reflect.Type, dst *reflect.Value) {
	if _, _, call := intrinsic(v); call && dst == nil {
		return
	}
	if t.Kind() == reflect.Pointer {
		if dst == nil {
			d.walk(path, v, t.Elem(), nil)
			return
		}
		elem := reflect.New(t.Elem())
		inner := elem.Elem()
		d.walk(path, v, t.Elem(), &inner)
		dst.Set(elem)
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		d.object(path, v, t, dst)
	case reflect.Slice:
		d.list(path, v, t, dst)
	case reflect.Map:
		d.dictionary(path, v, t, dst)
	case reflect.Interface:
		if dst != nil && v != nil {
			dst.Set(reflect.ValueOf(v))
		}
	default:
		d.scalar(path, v, t, dst)
	}
}

func (d decoder) object(path string, v any, t reflect.Type, dst *reflect.Value) {
	m, ok := v.(map[string]any)
	if !ok {
		d.problems.add(path, "an object is needed, and here is %s", describe(v))
		return
	}
	fields := map[string]reflect.StructField{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		fields[name] = f
		if _, given := m[name]; !given && f.Tag.Get("require") != "" {
			d.problems.add(path, "the property %s is required", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		at := path + "." + name
		f, known := fields[name]
		if !known {
			d.problems.add(at, "this property is not implemented")
			continue
		}
		if d.ignored != nil {
			d.ignored(at, f.Tag.Get("noeffect"))
		}
		if dst == nil {
			d.walk(at, m[name], f.Type, nil)
			continue
		}
		field := dst.FieldByIndex(f.Index)
		d.walk(at, m[name], f.Type, &field)
	}
}

func (d decoder) list(path string, v any, t reflect.Type, dst *reflect.Value) {
	list, ok := v.([]any)
	if !ok {
		d.problems.add(path, "a list is needed, and here is %s", describe(v))
		return
	}
	out := reflect.MakeSlice(t, len(list), len(list))
	for i, e := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if dst == nil {
			d.walk(at, e, t.Elem(), nil)
			continue
		}
		elem := out.Index(i)
		d.walk(at, e, t.Elem(), &elem)
	}
	if dst != nil {
		dst.Set(out)
	}
}

func (d decoder) dictionary(path string, v any, t reflect.Type, dst *reflect.Value) {
	m, ok := v.(map[string]any)
	if !ok {
		d.problems.add(path, "an object is needed, and here is %s", describe(v))
		return
	}
	out := reflect.MakeMap(t)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if dst == nil {
			d.walk(path+"."+k, m[k], t.Elem(), nil)
			continue
		}
		elem := reflect.New(t.Elem()).Elem()
		d.walk(path+"."+k, m[k], t.Elem(), &elem)
		out.SetMapIndex(reflect.ValueOf(k), elem)
	}
	if dst != nil {
		dst.Set(out)
	}
}

func (d decoder) scalar(path string, v any, t reflect.Type, dst *reflect.Value) {
	s, err := text(v)
	if err != nil {
		d.problems.add(path, "%v", err)
		return
	}
	out := reflect.New(t).Elem()
	switch t.Kind() {
	case reflect.String:
		out.SetString(s)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(s))
		if err != nil {
			d.problems.add(path, "true or false is needed, and here is %s", describe(v))
		}
		out.SetBool(b)
	case reflect.Int:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			d.problems.add(path, "a whole number is needed, and here is %s", describe(v))
		}
		out.SetInt(n)
	case reflect.Float64:
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			d.problems.add(path, "a number is needed, and here is %s", describe(v))
		}
		out.SetFloat(f)
	default: // a property struct of this package has no other kind
		d.problems.add(path, "cannot be read into a %s", t)
	}
	if dst != nil {
		dst.Set(out)
	}
}
