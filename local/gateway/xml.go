package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// outputXML is an output in the envelope of Query or EC2:
//
//	<OpResponse xmlns="…"><OpResult>…</OpResult><ResponseMetadata><RequestId/></ResponseMetadata></OpResponse>
//	<OpResponse xmlns="…"><requestId/>…</OpResponse>
func (r *Request) outputXML(out any) ([]byte, error) {
	x := xmlWriter{item: "member"}
	if r.Protocol == EC2Query {
		x.item = "item"
	}
	value, ok := present(reflect.ValueOf(out))
	if ok {
		if value.Kind() != reflect.Struct {
			return nil, fmt.Errorf("gateway: the output %s is not a structure", value.Type())
		}
		if err := x.content(value); err != nil {
			return nil, err
		}
	}
	name, version := r.Operation, r.form.Get("Version")
	var b bytes.Buffer
	if r.Protocol == EC2Query {
		fmt.Fprintf(&b, "%s<%sResponse xmlns=\"http://ec2.amazonaws.com/doc/%s/\"><requestId>%s</requestId>", xml.Header, name, escapeXML(version), r.ID)
		if x.b.Len() == 0 {
			b.WriteString("<return>true</return>") // EC2's empty output
		}
		b.Write(x.b.Bytes())
		fmt.Fprintf(&b, "</%sResponse>", name)
		return b.Bytes(), nil
	}
	fmt.Fprintf(&b, "<%[1]sResponse xmlns=\"https://%[2]s.amazonaws.com/doc/%[3]s/\"><%[1]sResult>%[4]s</%[1]sResult><ResponseMetadata><RequestId>%[5]s</RequestId></ResponseMetadata></%[1]sResponse>",
		name, r.Service, escapeXML(version), x.b.Bytes(), r.ID)
	return b.Bytes(), nil
}

// xmlWriter writes values as the query protocols do: lists in a wrapper, their
// items as <member> (Query) or <item> (EC2), maps as <entry>.
type xmlWriter struct {
	b    bytes.Buffer
	item string
}

func (x *xmlWriter) element(name string, v reflect.Value) error {
	if strings.ContainsAny(name, "<>&\"' ") {
		return fmt.Errorf("gateway: %q is no element name", name)
	}
	x.b.WriteString("<" + name + ">")
	if err := x.content(v); err != nil {
		return err
	}
	x.b.WriteString("</" + name + ">")
	return nil
}

func (x *xmlWriter) content(v reflect.Value) error {
	v, ok := present(v)
	if !ok {
		return nil
	}
	switch value := v.Interface().(type) {
	case time.Time:
		x.b.WriteString(value.UTC().Format("2006-01-02T15:04:05.000Z"))
		return nil
	case []byte:
		x.b.WriteString(base64.StdEncoding.EncodeToString(value))
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return fields(v, func(f member, v reflect.Value) error { return x.element(f.xml, v) })
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := x.element(x.item, v.Index(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, key := range keys {
			x.b.WriteString("<entry><key>" + escapeXML(key.String()) + "</key>")
			if err := x.element("value", v.MapIndex(key)); err != nil {
				return err
			}
			x.b.WriteString("</entry>")
		}
		return nil
	case reflect.String:
		x.b.WriteString(escapeXML(v.String()))
		return nil
	case reflect.Bool:
		x.b.WriteString(strconv.FormatBool(v.Bool()))
		return nil
	case reflect.Float32, reflect.Float64:
		x.b.WriteString(strconv.FormatFloat(v.Float(), 'g', -1, 64))
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		fmt.Fprint(&x.b, v.Interface())
		return nil
	}
	return fmt.Errorf("gateway: no XML for %s", v.Type())
}
