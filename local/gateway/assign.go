package gateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"time"
)

// decoder assigns a tree to a value. path names the member for errors, as
// "MetricData[0].Dimensions".
type decoder struct {
	request *Request
	text    bool // scalars come as text (Query)
}

func (d decoder) assign(v reflect.Value, tree any, path string) error {
	if tree == nil {
		return nil // null is absence
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return d.assign(v.Elem(), tree, path)
	}
	if v.Kind() == reflect.Interface && v.NumMethod() == 0 {
		v.Set(reflect.ValueOf(tree))
		return nil
	}
	if v.Type() == reflect.TypeFor[time.Time]() {
		t, ok := asTime(tree)
		if !ok {
			return d.wrong(path, "a timestamp", tree)
		}
		v.Set(reflect.ValueOf(t))
		return nil
	}
	if v.Type() == reflect.TypeFor[[]byte]() || v.Type() == reflect.TypeFor[json.RawMessage]() {
		if text, ok := tree.(string); ok {
			decoded, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return d.wrong(path, "base64", tree)
			}
			tree = decoded
		}
		blob, ok := tree.([]byte)
		if !ok {
			return d.wrong(path, "a blob", tree)
		}
		v.SetBytes(blob)
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.structure(v, tree, path)
	case reflect.Slice:
		list, ok := tree.([]any)
		if !ok {
			return d.wrong(path, "a list", tree)
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
		for i, item := range list {
			if err := d.assign(v.Index(i), item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		members, ok := tree.(map[string]any)
		if !ok {
			return d.wrong(path, "a map", tree)
		}
		v.Set(reflect.MakeMapWithSize(v.Type(), len(members)))
		for name, item := range members {
			value := reflect.New(v.Type().Elem()).Elem()
			if err := d.assign(value, item, join(path, name)); err != nil {
				return err
			}
			v.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), value)
		}
		return nil
	}
	return d.scalar(v, tree, path)
}

func (d decoder) structure(v reflect.Value, tree any, path string) error {
	members, ok := tree.(map[string]any)
	if !ok {
		return d.wrong(path, "a structure", tree)
	}
	index := fieldsOf(v.Type())
	for name, item := range members {
		f, ok := index.byName[name]
		if !ok {
			return d.request.fail(codeUnknownMember, http.StatusBadRequest,
				"the local cloud does not implement the member %q of %s:%s", join(path, name), d.request.Service, d.request.Operation)
		}
		if err := d.assign(v.FieldByIndex(f.index), item, join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func (d decoder) scalar(v reflect.Value, tree any, path string) error {
	number, isNumber := tree.(json.Number)
	text, isText := tree.(string)
	if d.text && isText {
		number, isNumber = json.Number(text), true
	}
	switch v.Kind() {
	case reflect.String:
		if isText {
			v.SetString(text)
			return nil
		}
	case reflect.Bool:
		if b, ok := tree.(bool); ok {
			v.SetBool(b)
			return nil
		}
		if b, err := strconv.ParseBool(text); d.text && isText && err == nil {
			v.SetBool(b)
			return nil
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(string(number), 10, 64)
		if f, ok := tree.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			n, err, isNumber = int64(f), nil, true
		}
		if isNumber && err == nil && !v.OverflowInt(n) {
			v.SetInt(n)
			return nil
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n, err := strconv.ParseUint(string(number), 10, 64); isNumber && err == nil && !v.OverflowUint(n) {
			v.SetUint(n)
			return nil
		}
	case reflect.Float32, reflect.Float64:
		f, ok := tree.(float64)
		if isNumber {
			var err error
			f, err = number.Float64()
			ok = err == nil
		} else if isText && (text == "NaN" || text == "Infinity" || text == "-Infinity") { // Smithy JSON
			f, _ = strconv.ParseFloat(text, 64)
			ok = true
		}
		if ok {
			v.SetFloat(f)
			return nil
		}
	default:
		return fmt.Errorf("gateway: Decode does not know %s (%s)", v.Type(), path)
	}
	return d.wrong(path, kindName(v.Kind()), tree)
}

func (d decoder) wrong(path, want string, tree any) error {
	return d.request.fail(codeBadInput, http.StatusBadRequest, "the member %q is not %s: %.80v", path, want, tree)
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	}
	return "a number in range"
}

// asTime reads the forms of all protocols: epoch seconds and ISO 8601.
func asTime(tree any) (time.Time, bool) {
	var seconds float64
	switch v := tree.(type) {
	case time.Time:
		return v.UTC(), true
	case float64:
		seconds = v
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return time.Time{}, false
		}
		seconds = f
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
			if t, err := time.Parse(layout, v); err == nil {
				return t.UTC(), true
			}
		}
		return time.Time{}, false
	default:
		return time.Time{}, false
	}
	if math.IsNaN(seconds) || math.Abs(seconds) > 1<<40 {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(math.Round(part*1e3))*1e6).UTC(), true
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
