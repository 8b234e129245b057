package states

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestHostileExpressions: what would run for ever, or fill the memory or the
// stack, ends with an error of the state.
func TestHostileExpressions(t *testing.T) {
	deep := strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000)
	for _, c := range []struct{ why, expression, input, says string }{
		{"a loop by tail calls", "($f := function(){ $f() }; $f())", "{}", "exceeded"},
		{"a range of millions", "[1..9999999]", "{}", ""},
		{"a range whose length overflows", "$range(-9000000000000000000, 9000000000000000000, 1)", "{}", "at most 1000 items"},
		{"a range one too long", "$range(1, 1001, 1)", "{}", "at most 1000 items"},
		{"a string that doubles", "($d := function($s, $n){ $n = 0 ? $s : $d($s & $s, $n - 1) }; $d('xxxxxxxxxxxxxxxx', 18))", "{}", "more than 1048576 bytes"},
		{"deep parentheses", strings.Repeat("(", 4_000) + "1" + strings.Repeat(")", 4_000), "{}", ""},
		{"deep input", "$states.input", deep, "nested more than 500 deep"},
		{"deep input, walked", "$count($states.input.**)", deep, ""},
		{"infinity", "1e308 * 10", "{}", ""},
	} {
		t.Run(c.why, func(t *testing.T) {
			p := &parser{}
			e := p.expression("/x", c.expression, inInput)
			if len(p.problems) > 0 {
				return // refused when the machine is created: as good
			}
			begun := time.Now()
			out, err := e.eval(&evaluation{members: map[string]json.RawMessage{"input": json.RawMessage(c.input)}})
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("took %v", took)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("%.100s %v, want %q", out, err, c.says)
			}
			if errors.Is(err, errUndefined) {
				t.Error("undefined")
			}
		})
	}
}
