package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"

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
