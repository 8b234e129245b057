package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestCommand(t *testing.T) {
	tests := []struct {
		args string
		code int
		says []string
		why  string
	}{
		{"-scenario five -seeds 0 -strategy best -cost dear -load x -for -1 -discipline none more", 2,
			[]string{`unknown scenario "five"`, "-seeds 0", `unknown strategy "best"`, `unknown cost "dear"`, `-load "x"`, "-for -1", `unknown discipline "none"`, `"more"`}, "all mistakes at once"},
		{"-seeds 1 -for 2 -strategy peak-ewma", 0, []string{"four-equal", "oracle-delay", "peak-ewma", "█"}, "a table"},
		{"-scenario eight-proxies -seeds 1 -for 1 -strategy p2c -load 0.3,0.5", 0, []string{"load 0.30", "load 0.50"}, "a ramp"},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		if code := run(strings.Fields(tt.args), &out, &errs); code != tt.code {
			t.Errorf("%s: exit %d, want %d: %s", tt.why, code, tt.code, errs.String())
		}
		for _, s := range tt.says {
			if !strings.Contains(out.String()+errs.String(), s) {
				t.Errorf("%s: does not say %q:\n%s%s", tt.why, s, out.String(), errs.String())
			}
		}
	}
}

func TestJSON(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(strings.Fields("-json -seeds 2 -for 5 -strategy peak-ewma,random -load 0.4,0.6"), &out, &errs); code != 0 {
		t.Fatal(errs.String())
	}
	var got map[string]struct {
		P50Ms, P99Ms, P99OverOracle *float64
		Timeouts                    *int
		ByLoad                      []struct{ Load float64 }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"oracle", "peak-ewma", "random"} {
		f := got[name]
		if f.P50Ms == nil || f.P99Ms == nil || f.P99OverOracle == nil || f.Timeouts == nil || *f.P50Ms <= 0 || *f.P99Ms <= *f.P50Ms {
			t.Fatalf("%s: %+v", name, f)
		}
		if len(f.ByLoad) != 2 || f.ByLoad[0].Load != .4 || *f.P99OverOracle < .99 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d entries, want two strategies and three oracles", len(got))
	}
}
