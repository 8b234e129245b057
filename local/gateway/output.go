package gateway

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// WriteOutput answers a request with an output structure in its protocol; nil
// is the empty output. Names come from `json:"Name"` tags, in the query
// protocols from `xml:"name"` tags where they differ; omitempty leaves zero
// values out. Nil pointers and zero times are always left out; time.Time and
// []byte are written as the protocol writes timestamps and blobs.
func WriteOutput(w http.ResponseWriter, r *Request, out any) {
	var body []byte
	var err error
	header := w.Header()
	switch r.Protocol {
	case CBOR:
		header.Set("Smithy-Protocol", "rpc-v2-cbor")
		header.Set("Content-Type", "application/cbor")
		var value cbor.Value
		if value, err = cborOf(reflect.ValueOf(out)); err == nil {
			body = cbor.Encode(orEmpty(value))
		}
	case JSON, REST:
		header.Set("Content-Type", "application/json")
		if r.Protocol == JSON {
			header.Set("Content-Type", r.jsonType())
		}
		var value any
		if value, err = jsonOf(reflect.ValueOf(out)); err == nil {
			if value == nil {
				value = struct{}{}
			}
			body, err = json.Marshal(value)
		}
	default:
		header.Set("Content-Type", "text/xml;charset=UTF-8")
		body, err = r.outputXML(out)
	}
	if err != nil {
		WriteError(w, r, fmt.Errorf("write the output of %s: %w", r.Operation, err))
		return
	}
	header.Set("X-Amzn-Requestid", r.ID)
	_, _ = w.Write(body) // the client is gone; there is nobody to tell
}

// present unwraps pointers and interfaces; ok is false for what is left out.
func present(v reflect.Value) (_ reflect.Value, ok bool) {
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) {
		if v.IsNil() {
			return v, false
		}
		v = v.Elem()
	}
	if !v.IsValid() {
		return v, false
	}
	if t, isTime := v.Interface().(time.Time); isTime && t.IsZero() {
		return v, false
	}
	return v, true
}

// fields calls visit for each member of a structure that is written.
func fields(v reflect.Value, visit func(member, reflect.Value) error) error {
	for _, f := range fieldsOf(v.Type()).list {
		value, ok := present(v.FieldByIndex(f.index))
		if !ok || f.omitEmpty && (value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0 || value.Kind() == reflect.Map && value.Len() == 0) {
			continue
		}
		if err := visit(f, value); err != nil {
			return err
		}
	}
	return nil
}

// jsonOf is a value as encoding/json is to write it: maps, lists and scalars.
func jsonOf(v reflect.Value) (any, error) {
	v, ok := present(v)
	if !ok {
		return nil, nil
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return json.Number(fmt.Sprintf("%d.%03d", x.Unix(), x.Nanosecond()/1e6)), nil
	case json.RawMessage:
		return x, nil
	case []byte:
		return base64.StdEncoding.EncodeToString(x), nil
	case json.Number:
		return x, nil
	}
	switch v.Kind() {
	case reflect.Struct:
		tree := map[string]any{}
		err := fields(v, func(f member, v reflect.Value) (err error) {
			tree[f.name], err = jsonOf(v)
			return err
		})
		return tree, err
	case reflect.Slice, reflect.Array:
		list := make([]any, v.Len())
		for i := range list {
			var err error
			if list[i], err = jsonOf(v.Index(i)); err != nil {
				return nil, err
			}
		}
		return list, nil
	case reflect.Map:
		tree := map[string]any{}
		for _, key := range v.MapKeys() {
			var err error
			if tree[key.String()], err = jsonOf(v.MapIndex(key)); err != nil {
				return nil, err
			}
		}
		return tree, nil
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return map[bool]string{true: "Infinity", false: "-Infinity"}[math.IsInf(f, 1)], nanOr(f)
		}
		return v.Float(), nil
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return v.Interface(), nil
	}
	return nil, fmt.Errorf("gateway: no JSON for %s", v.Type())
}

func nanOr(f float64) error {
	if math.IsNaN(f) {
		return fmt.Errorf("gateway: an output is NaN")
	}
	return nil
}

func cborOf(v reflect.Value) (cbor.Value, error) {
	v, ok := present(v)
	if !ok {
		return nil, nil
	}
	switch x := v.Interface().(type) {
	case time.Time:
		return &cbor.Tag{ID: 1, Value: cbor.Float64(float64(x.UnixMilli()) / 1e3)}, nil
	case []byte:
		return cbor.Slice(x), nil
	}
	switch v.Kind() {
	case reflect.Struct:
		tree := cbor.Map{}
		err := fields(v, func(f member, v reflect.Value) (err error) {
			tree[f.name], err = cborOf(v)
			return err
		})
		return tree, err
	case reflect.Slice, reflect.Array:
		list := make(cbor.List, v.Len())
		for i := range list {
			item, err := cborOf(v.Index(i))
			if err != nil {
				return nil, err
			}
			if list[i] = item; item == nil {
				list[i] = &cbor.Nil{}
			}
		}
		return list, nil
	case reflect.Map:
		tree := cbor.Map{}
		for _, key := range v.MapKeys() {
			item, err := cborOf(v.MapIndex(key))
			if err != nil {
				return nil, err
			}
			if item != nil {
				tree[key.String()] = item
			}
		}
		return tree, nil
	case reflect.String:
		return cbor.String(v.String()), nil
	case reflect.Bool:
		return cbor.Bool(v.Bool()), nil
	case reflect.Float32, reflect.Float64:
		return cbor.Float64(v.Float()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := v.Int(); n < 0 {
			return cbor.NegInt(uint64(-n)), nil
		}
		return cbor.Uint(uint64(v.Int())), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return cbor.Uint(v.Uint()), nil
	}
	return nil, fmt.Errorf("gateway: no CBOR for %s", v.Type())
}

func orEmpty(v cbor.Value) cbor.Value {
	if v == nil {
		return cbor.Map{}
	}
	return v
}
