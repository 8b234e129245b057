package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/bench"
)

var asksOutside = regexp.MustCompile(`(?i)(src|href|action)\s*=|url\(|@import|<script|<link|<iframe|<object|javascript:`)

// The page holds all it shows, asks nobody for anything and runs nothing.
func TestPageIsSelfContained(t *testing.T) {
	for name, input := range inputs(t) {
		in := input()
		raw, err := HTML(Build(in))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		page := string(raw)
		if found := asksOutside.FindString(page); found != "" {
			t.Errorf("%s: the page has %q", name, found)
		}
		if !utf8.Valid(raw) || strings.Contains(page, "NaN") || strings.Contains(page, "Inf") || strings.Contains(page, "%!") || strings.Contains(page, "ZgotmplZ") {
			t.Errorf("%s: the page has a figure that is none", name)
		}
		wellFormed(t, name, page)
	}
}

// wellFormed reads the page as XML, void elements and attribute-less HTML
// leniently: every element that is opened must be closed where it belongs.
func wellFormed(t *testing.T, name, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict = false
	d.AutoClose = xml.HTMLAutoClose
	d.Entity = xml.HTMLEntity
	var open []string
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Local != "meta" && e.Name.Local != "br" && e.Name.Local != "wbr" {
				open = append(open, e.Name.Local)
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Errorf("%s: </%s> closes %v", name, e.Name.Local, open)
				return
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%s: left open: %v", name, open)
	}
}

// What comes from programs on instances is text, never markup.
func TestPageEscapesWhatItIsTold(t *testing.T) {
	in := inputs(t)["setup-failed"]()
	in.Record.Stack = `<img onerror="x">`
	raw, err := HTML(Build(in))
	if err != nil {
		t.Fatal(err)
	}
	if page := string(raw); strings.Contains(page, "<b>&</b>") || strings.Contains(page, "<img") || !strings.Contains(page, "&lt;b&gt;&amp;&lt;/b&gt;") {
		t.Error("a reason or a name became markup")
	}
	in = inputs(t)["lab-local"]()
	for k, samples := range in.Samples {
		for i := range samples {
			samples[i].ID = `i-<script>`
		}
		in.Samples[k] = samples
	}
	if raw, err = HTML(Build(in)); err != nil || strings.Contains(string(raw), "<script>") {
		t.Errorf("an instance's id became markup: %v", err)
	}
}

func TestPageShowsWhatItMust(t *testing.T) {
	raw, err := HTML(Build(inputs(t)["node-lost"]()))
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for _, want := range []string{
		"Local emulation · not AWS · 2 cores · 0.1875 core per vCPU · cgroup-v2",
		"Why it failed", "was lost in trial", "percentile", "cluster1/proxy/peak-ewma", "&#34;preset&#34;: &#34;lab&#34;",
		"What it would cost on AWS", "Nothing is left: 9 instances ended by teardown.", `class="mark v-`, `class="area balancer"`, "is lost: connection refused",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := strings.Count(page, `class="curve `); n != 2 {
		t.Errorf("%d curves for two arms", n)
	}
}

// The latency that the plan asks for has the bar, and an average that is asked
// for stands first.
func TestPageShowsWhatIsAsked(t *testing.T) {
	for name, want := range map[string]struct{ head, metric string }{
		"lab-alb-local": {"average", "mean"},
		"lab-aws":       {"median", "p99"},
	} {
		build, ok := inputs(t)[name]
		if !ok {
			t.Fatalf("there is no input %s", name)
		}
		r := Build(build())
		p, err := newPage(r)
		if err != nil {
			t.Fatal(err)
		}
		if p.Latencies[0] != want.head || len(p.Latencies) != 5 {
			t.Errorf("%s: the columns are %v", name, p.Latencies)
		}
		for i, c := range latencyColumns(asked(r)) {
			if p.Arms[0].Latencies[i].Asked != (c.metric == want.metric) {
				t.Errorf("%s: %s bears the bar: %v", name, c.metric, p.Arms[0].Latencies[i].Asked)
			}
		}
	}
}

// Of many pairs those that are certain come first.
func TestCertainPairsComeFirst(t *testing.T) {
	var r bench.Report
	add := func(b string, v bench.Verdict) {
		r.Comparisons = append(r.Comparisons, bench.Comparison{A: "a", B: b, Metric: "p99", Blocks: 5, Ratio: 1, Low: 0.9, High: 1.1, Verdict: v})
	}
	for i := range manyPairs {
		add(fmt.Sprintf("u%d", i), bench.Unsure)
	}
	add("worse", bench.Worse)
	add("same", bench.Same)
	var order []string
	for _, v := range pairViews(r) {
		order = append(order, v.B.Name)
	}
	if want := []string{"worse", "same", "u0", "u1", "u2", "u3", "u4", "u5"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}

// Whoever looks at a run that is done need not hear what was not known before.
func TestChecksOfADoneRunAreNotPrinted(t *testing.T) {
	r := bench.Report{Status: bench.StatusDone, Checks: []bench.Check{{What: "free plan", Status: bench.CheckUnknown}}}
	if line := checksLine(r); line != "" {
		t.Errorf("%q", line)
	}
	if r.Status = bench.StatusFailed; checksLine(r) != "Not known before the start: free plan." {
		t.Errorf("%q", checksLine(r))
	}
}
