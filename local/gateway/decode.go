package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// Decode fills a structure from the request's input, whatever its protocol. A
// member that the structure does not have is refused by name: the local cloud
// ignores nothing. Fields are named by `json:"Name"`. Kinds: string, bool,
// integers, floats, []byte (blob), time.Time, structs, slices, maps with string
// keys, pointers to them (nil when absent), and any.
func (r *Request) Decode(into any) error {
	v := reflect.ValueOf(into)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("gateway: Decode needs a pointer to a structure, not %T", into)
	}
	tree, err := r.tree(v.Elem().Type())
	if err != nil {
		return r.fail(codeBadInput, http.StatusBadRequest, "%s", err)
	}
	d := decoder{request: r, text: r.Protocol == Query || r.Protocol == EC2Query}
	return d.assign(v.Elem(), tree, "")
}

// tree is the input as maps, lists and values.
func (r *Request) tree(target reflect.Type) (any, error) {
	switch r.Protocol {
	case Query, EC2Query:
		return formTree(r.form, target)
	case CBOR:
		if len(r.Body) == 0 {
			return map[string]any{}, nil
		}
		value, err := cbor.Decode(r.Body)
		if err != nil {
			return nil, fmt.Errorf("the body is not CBOR: %w", err)
		}
		return cborTree(value)
	case JSON, REST:
		return jsonTree(r.Body)
	}
	return nil, fmt.Errorf("the protocol %q has no body to decode", r.Protocol)
}

func jsonTree(body []byte) (any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return map[string]any{}, nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("the body is not JSON: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("there is text after the JSON value")
	}
	return tree, nil
}

func cborTree(v cbor.Value) (any, error) {
	switch v := v.(type) {
	case cbor.Map:
		tree := make(map[string]any, len(v))
		for name, item := range v {
			var err error
			if tree[name], err = cborTree(item); err != nil {
				return nil, err
			}
		}
		return tree, nil
	case cbor.List:
		tree := make([]any, len(v))
		for i, item := range v {
			var err error
			if tree[i], err = cborTree(item); err != nil {
				return nil, err
			}
		}
		return tree, nil
	case cbor.String:
		return string(v), nil
	case cbor.Bool:
		return bool(v), nil
	case cbor.Slice:
		return []byte(v), nil
	case *cbor.Nil, *cbor.Undefined:
		return nil, nil
	case cbor.Uint:
		return json.Number(strconv.FormatUint(uint64(v), 10)), nil
	case cbor.NegInt:
		n, err := cbor.AsInt64(v)
		return json.Number(strconv.FormatInt(n, 10)), err
	case cbor.Float32:
		return float64(v), nil
	case cbor.Float64:
		return float64(v), nil
	case *cbor.Tag:
		t, err := cbor.AsTime(v)
		return t, err
	}
	return nil, fmt.Errorf("the local cloud does not read CBOR values of the kind %T", v)
}

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

// member is one field of a structure under its wire names.
type member struct {
	name      string // json tag, else the field's name
	xml       string // xml tag, else name
	omitEmpty bool
	index     []int
}

type members struct {
	list   []member
	byName map[string]member
}

// fieldsOf lists the exported fields; embedded structures without a tag count
// as if their fields stood in the outer one.
func fieldsOf(t reflect.Type) members {
	m := members{byName: map[string]member{}}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct {
			continue
		}
		x, xmlOptions, _ := strings.Cut(f.Tag.Get("xml"), ",")
		item := member{name: name, xml: x, index: f.Index}
		if item.name == "" {
			item.name = f.Name
		}
		if item.xml == "" {
			item.xml = item.name
		}
		item.omitEmpty = strings.Contains(options+","+xmlOptions, "omit")
		m.list = append(m.list, item)
		m.byName[item.name] = item
	}
	return m
}
