package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/recolabs/gnata"
)

// Bounds of one evaluation. JSONata recursion and huge values would otherwise
// end the process, not the state.
const (
	maxExpression = 10_000 // characters
	maxEvaluation = time.Second
	maxResult     = 1 << 20 // bytes of JSON that one expression may give
	maxDepth      = 500     // nesting of what it gives
)

var (
	errUndefined = errors.New("undefined")
	errTooLong   = fail(errDataLimit, "an expression gave more than %d bytes", maxResult)
	errNotJSON   = errors.New("the result holds a function or a regular expression, which is no JSON")
)

// evaluationError becomes States.QueryEvaluationError and an EvaluationFailed event.
type evaluationError struct{ location, cause string }

func (e *evaluationError) Error() string { return e.cause }

// evaluation is what expressions can read in one phase of a state. Values are
// JSON text and are decoded anew for each expression, because evaluating one
// may change what it was given (the transform operator of gnata does).
type evaluation struct {
	vars    *variables
	members map[string]json.RawMessage // of $states: input, result, errorOutput
	context func() json.RawMessage     // $states.context, built when asked for
}

// expression is one compiled JSONata expression.
type expression struct {
	text string
	code *gnata.Expression
	refs references
	ph   phase
}

// expression compiles text and checks the names it uses, but for variables,
// whose scopes are known only when the whole machine has been read.
func (p *parser) expression(path, text string, ph phase) *expression {
	e := &expression{text: text, ph: ph}
	if n := utf8.RuneCountInString(text); n > maxExpression {
		p.report(path, "the expression has %d characters; at most %d are allowed", n, maxExpression)
		return e
	}
	code, err := compile(text)
	if err != nil {
		p.report(path, "the JSONata expression %q is invalid: %v", text, err)
		return e
	}
	e.code, e.refs = code, scan(text)
	if e.refs.Root {
		p.report(path, "$$ is not available; read $states.input")
	}
	for _, m := range e.refs.Members {
		if !slices.Contains(ph, m) {
			p.report(path, "$states.%s is not available in this field; $states.{%s} are", m, strings.Join(ph, ","))
		}
	}
	return e
}

func compile(text string) (code *gnata.Expression, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	if strings.TrimSpace(text) == "" {
		return nil, errors.New("it is empty")
	}
	return gnata.Compile(text)
}

func (e *expression) eval(ev *evaluation) (json.RawMessage, error) {
	env := baseEnvironment.Clone()
	for _, name := range e.refs.Vars {
		if raw, ok := ev.vars.lookup(name); ok {
			v, err := gnata.DecodeJSON(raw)
			if err != nil {
				return nil, err
			}
			env.Bind(name, v)
		}
	}
	states := map[string]any{}
	for _, m := range e.ph {
		if !e.refs.Whole && !slices.Contains(e.refs.Members, m) {
			continue
		}
		raw := ev.members[m]
		if m == "context" {
			raw = ev.context()
		}
		if raw == nil {
			continue
		}
		v, err := gnata.DecodeJSON(raw)
		if err != nil {
			return nil, err
		}
		states[m] = v
	}
	env.Bind("states", states)
	ctx, cancel := context.WithTimeout(context.Background(), maxEvaluation)
	defer cancel()
	v, err := e.code.EvalWithCustomFuncs(ctx, nil, env)
	if err != nil {
		return nil, err
	}
	if v == nil {
		return nil, errUndefined
	}
	out, err := encode(nil, v, 0)
	if err == nil && len(out) > maxResult {
		err = errTooLong
	}
	return out, err
}

// ordered is gnata's object, which keeps the order of its keys.
type ordered interface {
	Keys() []string
	Get(key string) (any, bool)
}

// encode writes what an expression gave. Functions and regular expressions are
// refused: they are no JSON.
func encode(out []byte, v any, depth int) ([]byte, error) {
	if len(out) > maxResult {
		return nil, errTooLong
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("the result is nested more than %d deep", maxDepth)
	}
	var err error
	switch x := v.(type) {
	case nil:
		return append(out, "null"...), nil
	case bool:
		return strconv.AppendBool(out, x), nil
	case string:
		return appendString(out, x), nil
	case json.Number:
		return append(out, x...), nil
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("the result %v is no JSON number", x)
		}
		b, err := json.Marshal(x)
		return append(out, b...), err
	case []any:
		out = append(out, '[')
		for i, item := range x {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = encode(out, item, depth+1); err != nil {
				return nil, err
			}
		}
		return append(out, ']'), nil
	case ordered:
		return encodeObject(out, x.Keys(), func(k string) any { v, _ := x.Get(k); return v }, depth)
	case map[string]any:
		if isRegex(x) {
			return nil, errNotJSON
		}
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		return encodeObject(out, keys, func(k string) any { return x[k] }, depth)
	}
	if gnata.IsNull(v) {
		return append(out, "null"...), nil
	}
	return nil, errNotJSON
}

// isRegex tells gnata's form of a regular expression; the objects of an
// expression are ordered maps, or come from JSON and have more or other members.
func isRegex(m map[string]any) bool {
	_, pattern := m["pattern"].(string)
	_, flags := m["flags"].(string)
	return pattern && flags && len(m) == 2
}

func encodeObject(out []byte, keys []string, get func(string) any, depth int) ([]byte, error) {
	out = append(out, '{')
	var err error
	for i, k := range keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendString(out, k), ':')
		if out, err = encode(out, get(k), depth+1); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

// appendString writes a JSON string without escaping <, > and &, which would
// count against the size limits and AWS does not do.
func appendString(out []byte, s string) []byte {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return append(out, `""`...)
	}
	return append(out, strings.TrimSuffix(b.String(), "\n")...)
}
