package states

import (
	"encoding/json"
	"errors"
	"fmt"
)

// eval gives the template's value. The error is an *evaluationError, or a
// *failure when the value is too large.
func (t *template) eval(ev *evaluation) (json.RawMessage, error) {
	raw, err := t.value(ev)
	if err != nil {
		return nil, err
	}
	if t.kind != nil {
		return raw, t.expect(raw, t.kind)
	}
	return raw, nil
}

func (t *template) value(ev *evaluation) (json.RawMessage, error) {
	switch {
	case t.literal != nil:
		return t.literal, nil
	case t.expr != nil:
		raw, err := t.expr.eval(ev)
		if err != nil {
			return nil, t.locate(err)
		}
		return raw, nil
	case t.fields != nil:
		out := []byte{'{'}
		for i, name := range t.order {
			if i > 0 {
				out = append(out, ',')
			}
			sub, err := t.fields[name].value(ev)
			if err != nil {
				return nil, err
			}
			out = append(appendString(out, name), ':')
			out = append(out, sub...)
		}
		return append(out, '}'), nil
	default:
		out := []byte{'['}
		for i, item := range t.items {
			if i > 0 {
				out = append(out, ',')
			}
			sub, err := item.value(ev)
			if err != nil {
				return nil, err
			}
			out = append(out, sub...)
		}
		return append(out, ']'), nil
	}
}

// expect checks a value that was computed.
func (t *template) expect(raw json.RawMessage, kind *resultKind) error {
	if kind.ok(raw) {
		return nil
	}
	text := "a literal"
	if t.expr != nil {
		text = t.expr.text
	}
	shown := string(raw)
	if len(shown) > 200 {
		shown = shown[:200] + "…"
	}
	return &evaluationError{location: t.field, cause: fmt.Sprintf(
		"The JSONata expression '%s' specified for the field '%s' returned an unexpected result type. Expected '%s', but was '%s' for value: %s",
		text, t.field, kind.name, typeName(raw), shown)}
}

func (t *template) locate(err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if errors.Is(err, errUndefined) {
		return &evaluationError{location: t.field, cause: fmt.Sprintf(
			"The JSONata expression '%s' specified for the field '%s' returned nothing (undefined).", t.expr.text, t.field)}
	}
	return &evaluationError{location: t.field, cause: fmt.Sprintf(
		"The JSONata expression '%s' specified for the field '%s' threw an error during evaluation. %v", t.expr.text, t.field, err)}
}

func typeName(raw json.RawMessage) string {
	switch raw[0] {
	case '"':
		return "string"
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	}
	return "number"
}
