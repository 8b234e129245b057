package report

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fairlead/fairlead/internal/bench"
)

func TestStatusAndReason(t *testing.T) {
	for name, want := range map[string]struct {
		status bench.Status
		reason string
	}{
		"lab-local":    {bench.StatusDone, ""},
		"many-arms":    {bench.StatusDone, ""},
		"one-arm":      {bench.StatusDone, ""},
		"setup-failed": {bench.StatusFailed, "Setup of cluster1 failed: i-0abc: exit status 1: curl: (7) Failed to connect <b>&</b>"},
		"all-invalid":  {bench.StatusFailed, "cluster1/proxy/peak-ewma has no valid trial: in b01-cluster1-proxy-peak-ewma, the balancer used 97 %"},
		"stopped":      {bench.StatusPartial, "5 of 10 trials did not run: stopped by the user"},
		"leaked":       {bench.StatusLeaked, "still there: i-"},
		"node-lost":    {bench.StatusFailed, " of cluster1 was lost in trial b02-"},
	} {
		r := Build(inputs(t)[name]())
		if r.Status != want.status || !strings.Contains(r.Reason, want.reason) || (want.reason == "") != (r.Reason == "") {
			t.Errorf("%s: %s, %q; want %s, %q", name, r.Status, r.Reason, want.status, want.reason)
		}
		if strings.Contains(r.Reason, "\n") {
			t.Errorf("%s: the reason has several lines: %q", name, r.Reason)
		}
	}
}

func TestAFailureOutranksAStopAndALeakOutranksAll(t *testing.T) {
	in := inputs(t)["stopped"]()
	in.Notes = []Note{{Trial: in.Record.Trials[5].Key, Status: "failed", Reason: `{"errorMessage":"no such strategy","errorType":"AimFailed"}`}}
	r := Build(in)
	if want := "trial " + in.Record.Trials[5].Key + " failed: no such strategy"; r.Status != bench.StatusFailed || r.Reason != want {
		t.Errorf("%s, %q, want %q", r.Status, r.Reason, want)
	}
	in.Leaked = true
	r = Build(in)
	if r.Status != bench.StatusLeaked || !strings.Contains(r.Reason, "not confirmed; trial "+in.Record.Trials[5].Key) {
		t.Errorf("%s, %q", r.Status, r.Reason)
	}
}

// What ran on one machine says so wherever it is read.
func TestLocalNeverPassesForAWS(t *testing.T) {
	for name, input := range inputs(t) {
		in := input()
		r := Build(in)
		page, err := HTML(r)
		if err != nil {
			t.Fatal(err)
		}
		local := strings.Contains(in.Record.Execution, localAccount)
		for what, text := range map[string]string{"headline": r.Headline, "note": r.Environment.Note, "page": string(page), "text": Text(r, 100, false)} {
			if got := strings.Contains(text, "not AWS") || strings.Contains(text, "not measured on AWS"); got != local {
				t.Errorf("%s: the %s says %v that it is not AWS: %.200s", name, what, got, text)
			}
		}
		for _, a := range r.Arms {
			if local && a.USDPerMillion != 0 {
				t.Errorf("%s: %s has a price at an emulated rate", name, a.Name)
			}
			if !local && a.TrialsValid > 0 && a.USDPerMillion <= 0 {
				t.Errorf("%s: %s has no price", name, a.Name)
			}
		}
		if csv := string(TrialsCSV(r)); local && len(r.Trials) > 0 && !strings.Contains(csv, ",local\n") {
			t.Errorf("%s: trials.csv does not say local", name)
		}
	}
	// An instance that says it is emulated is believed, whatever the account.
	in := inputs(t)["lab-local"]()
	in.Record.Execution = awsARN
	if e := Build(in).Environment; e.Kind != "local" {
		t.Errorf("environment %+v", e)
	}
}

func TestArmsSumValidTrialsOnly(t *testing.T) {
	in := inputs(t)["lab-local"]()
	bad := in.Record.Trials[0]
	tally := in.Tallies[bad.Key]
	tally.Invalid = []string{"late"}
	in.Tallies[bad.Key] = tally
	idle := in.Receipt.Ended[0]
	idle.ID, idle.Group = "i-idle", "cluster2"
	in.Receipt.Ended = append(in.Receipt.Ended, idle)
	r := Build(in)
	for _, a := range r.Arms {
		valid := 5
		if a.Name == bad.Arm {
			valid = 4
		}
		if a.TrialsValid != valid || a.TrialsTotal != 5 || a.Requests != 1000*valid {
			t.Errorf("%s: %d of %d trials, %d requests", a.Name, a.TrialsValid, a.TrialsTotal, a.Requests)
		}
		sum := 0
		for _, n := range a.PerNode {
			sum += n.Requests
		}
		if sum != a.Requests {
			t.Errorf("%s: its nodes answered %d of %d", a.Name, sum, a.Requests)
		}
		if want := map[string]int{"cluster1": 4, "cluster2": 5}[a.Cluster]; len(a.PerNode) != want {
			t.Errorf("%s: %d nodes, want %d: an idle node is the finding", a.Name, len(a.PerNode), want)
		}
		if last := a.Histogram[len(a.Histogram)-1]; last.Quantile != 1 || last.Ms != a.LatencyMs.Max {
			t.Errorf("%s: histogram ends at %+v, max %v", a.Name, last, a.LatencyMs.Max)
		}
	}
	if w := strings.Join(r.Warnings, "\n"); !strings.Contains(w, "Invalid, and left out of every arm's figures: 1 of 10 trials, because late.") {
		t.Errorf("warnings: %s", w)
	}
}

func TestAnswersFromForeignNodesAreReported(t *testing.T) {
	in := inputs(t)["lab-local"]()
	first := in.Record.Trials[0]
	tally := in.Tallies[first.Key]
	tally.Nodes["i-stranger"] = bench.NodeCount{Requests: 1}
	if w := strings.Join(Build(in).Warnings, "\n"); !strings.Contains(w, first.Arm+": i-stranger answered, which the cluster does not have") {
		t.Errorf("warnings: %s", w)
	}
}

func TestDamagedLogInvalidatesItsTrialOnly(t *testing.T) {
	in := inputs(t)["lab-local"]()
	key := in.Record.Trials[3].Key
	in.Logs[key] = in.Logs[key][:40]
	r := Build(in)
	if r.Status != bench.StatusDone || r.Trials[3].Status != "invalid" || !strings.Contains(r.Trials[3].Reasons[0], "damaged") {
		t.Errorf("%s, %+v", r.Status, r.Trials[3])
	}
}

// The balancer's CPU in a burst shorter than a second: 0.5 of a second's cores
// looks idle, but it was all there was in half a second.
func TestShortBurstsDoNotHideABusyBalancer(t *testing.T) {
	in := inputs(t)["lab-local"]()
	for _, trial := range in.Record.Trials {
		tally := in.Tallies[trial.Key]
		tally.Seconds, tally.LastDone = 0.5, tally.FirstSend.Add(500*time.Millisecond)
		in.Tallies[trial.Key] = tally
		for _, s := range in.Samples[trial.Key] {
			for i := range s.Seconds {
				if s.Role == bench.RoleProxy && s.Seconds[i].T == tally.FirstSend.Unix() {
					s.Seconds[i].CPU = 0.48 * s.CPUs
				}
			}
		}
	}
	if w := strings.Join(Build(in).Warnings, "\n"); !strings.Contains(w, "In 10 trials of two seconds or less the balancer used more than 85 %") {
		t.Errorf("warnings: %s", w)
	}
}

func TestHeadlines(t *testing.T) {
	lab := labPlan(t, `{}`)
	even := func(bench.Arm, *rand.Rand) float64 { return 100 }
	same := Build(sample(lab, awsARN, even))
	if want := "Not certain yet. "; !strings.HasPrefix(same.Headline, want) && !strings.Contains(same.Headline, "alike") {
		t.Errorf("identical clusters: %q", same.Headline)
	}
	for name, want := range map[string]string{
		"lab-local":    "cluster2 (4 × t2.large) serves this load better than cluster1 (4 × t2.micro), both through proxy/peak-ewma: a p99 of 70.3 ms against 148 ms, 2.00 to 2.19 times lower (95 % interval, 5 blocks).",
		"many-arms":    "has the lowest p99",
		"smoke":        "No verdict yet: 2 blocks are too few, 5 or more are needed. So far cluster1 (1 × t2.micro) has a p99 of",
		"one-arm":      "web/proxy/peak-ewma (2 × c7i.large) answered with a p99 of",
		"setup-failed": "No answer: nothing valid was measured.",
		"empty":        "No answer: nothing valid was measured.",
	} {
		if got := Build(inputs(t)[name]()).Headline; !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// A burst has no schedule; its span of sends is what a reader can judge it by.
func TestTrialsTellTheSpanOfTheirSends(t *testing.T) {
	r := Build(inputs(t)["smoke"]())
	for _, row := range r.Trials {
		if row.SendSpan != 0.009 {
			t.Errorf("%s: %v s, want 9 ms", row.Key, row.SendSpan)
		}
	}
	if csv := string(TrialsCSV(r)); !strings.Contains(csv, ",send_span_s,environment\n") || !strings.Contains(csv, ",0.009,local\n") {
		t.Errorf("trials.csv lacks the span:\n%s", csv)
	}
}

// The state machine passes twenty notes on. What is missing beyond them either
// failed, or came after the deadline.
func TestTrialsWithoutANote(t *testing.T) {
	p := labPlan(t, `{}`)
	without := func(deadline time.Time, gone ...int) Input {
		in := sample(p, localARN, byType(p))
		in.Ended, in.Record.Deadline = true, deadline
		for _, i := range gone {
			delete(in.Tallies, in.Record.Trials[i].Key)
		}
		return in
	}
	early, late := began.Add(time.Second), began.Add(time.Hour)
	for _, tc := range []struct {
		why    string
		in     Input
		status bench.Status
		reason string
	}{
		{"the last ones, after the deadline", without(early, 7, 8, 9), bench.StatusPartial, "3 of 10 trials did not run: the run's deadline had passed"},
		{"the last ones, in time", without(late, 8, 9), bench.StatusFailed, "it left no tally"},
		{"one that others followed", without(early, 3), bench.StatusFailed, "it left no tally"},
	} {
		if r := Build(tc.in); r.Status != tc.status || !strings.Contains(r.Reason, tc.reason) {
			t.Errorf("%s: %s, %s", tc.why, r.Status, r.Reason)
		}
	}
}

// The best of many is no surer than its own comparisons, and names what it beats.
func TestHeadlineOfManyArms(t *testing.T) {
	arm := func(cluster, strategy string, p99 float64) bench.ArmResult {
		return bench.ArmResult{Arm: bench.Arm{Name: cluster + "/proxy/" + strategy, Cluster: cluster, Target: bench.Target{Kind: bench.TargetProxy, Strategy: strategy}},
			Nodes: 1, InstanceType: "t2.micro", TrialsValid: 5, TrialsTotal: 5, Requests: 100, LatencyMs: bench.Latency{P99: p99}}
	}
	arms := []bench.ArmResult{arm("a", "p2c", 10), arm("a", "random", 30), arm("b", "p2c", 20)}
	c := func(a, b string, v bench.Verdict, blocks int) bench.Comparison {
		low, high := 0.4, 0.6
		if v == bench.Worse {
			low, high = 1/high, 1/low
		}
		return bench.Comparison{A: a, B: b, Metric: "p99", Verdict: v, Low: low, High: high, Blocks: blocks, Sentence: "The noise hides it."}
	}
	for _, tc := range []struct {
		why         string
		arms        []bench.ArmResult
		comparisons []bench.Comparison
		want        string
	}{
		{"it beats all", arms, []bench.Comparison{c("a/proxy/p2c", "a/proxy/random", bench.Better, 5), c("b/proxy/p2c", "a/proxy/p2c", bench.Worse, 5)},
			"a/proxy/p2c has the lowest p99 (10.0 ms): surely lower than that of random and b."},
		{"some are open", arms, []bench.Comparison{c("a/proxy/p2c", "a/proxy/random", bench.Better, 5), c("a/proxy/p2c", "b/proxy/p2c", bench.Unsure, 5)},
			"a/proxy/p2c has the lowest p99 (10.0 ms): surely lower than that of random; not certain against b."},
		{"all are open", arms, []bench.Comparison{c("a/proxy/p2c", "a/proxy/random", bench.Unsure, 5), c("a/proxy/p2c", "b/proxy/p2c", bench.Unsure, 5)},
			"No arm is surely the best: a/proxy/p2c has the lowest p99 (10.0 ms), but the noise hides whether it is lower than that of random and b."},
		{"few blocks", arms, []bench.Comparison{c("a/proxy/p2c", "a/proxy/random", bench.Unsure, 1), c("a/proxy/p2c", "b/proxy/p2c", bench.Unsure, 1)},
			"No verdict yet: one block is too few, 5 or more are needed. So far a/proxy/p2c has the lowest p99 (10.0 ms)."},
		{"block by block it is slower", arms, []bench.Comparison{c("a/proxy/p2c", "a/proxy/random", bench.Worse, 5), c("a/proxy/p2c", "b/proxy/p2c", bench.Same, 5)},
			"a/proxy/p2c has the lowest p99 (10.0 ms): the same within 5 % as that of b; yet higher, block by block, than that of random."},
		{"of two, the blocks decide and not the sum", arms[:2], []bench.Comparison{c("a/proxy/p2c", "a/proxy/random", bench.Worse, 5)},
			"proxy/random serves this load better than proxy/p2c before a (1 × t2.micro): block by block its p99 is 1.67 to 2.50 times lower (95 % interval, 5 blocks)."},
	} {
		if got := answer(bench.Report{Arms: tc.arms, Comparisons: tc.comparisons}); got != tc.want {
			t.Errorf("%s:\n%s, want\n%s", tc.why, got, tc.want)
		}
	}
}

// A bold row says "this one": only where the comparisons do.
func TestOnlyASureArmIsMarked(t *testing.T) {
	c := func(a, b string, v bench.Verdict) bench.Comparison {
		return bench.Comparison{A: a, B: b, Metric: "p99", Verdict: v, Blocks: 5}
	}
	for _, tc := range []struct {
		why         string
		comparisons []bench.Comparison
		want        bool
	}{
		{"nothing was compared", nil, false},
		{"better than all", []bench.Comparison{c("a", "b", bench.Better), c("c", "a", bench.Worse)}, true},
		{"better and the same", []bench.Comparison{c("a", "b", bench.Better), c("a", "c", bench.Same)}, true},
		{"the same as all", []bench.Comparison{c("a", "b", bench.Same)}, false},
		{"one is open", []bench.Comparison{c("a", "b", bench.Better), c("a", "c", bench.Unsure)}, false},
		{"one is better", []bench.Comparison{c("a", "b", bench.Better), c("c", "a", bench.Better)}, false},
		{"others' comparisons do not count", []bench.Comparison{c("a", "b", bench.Better), c("b", "c", bench.Unsure)}, true},
	} {
		if got := surelyBest(tc.comparisons, "a"); got != tc.want {
			t.Errorf("%s: %v", tc.why, got)
		}
	}
}

func TestMeasuredThresholds(t *testing.T) {
	for _, tc := range []struct {
		threshold bench.Threshold
		want      string
	}{
		{bench.Threshold{Expression: "cluster1/proxy/p2c.p99<5ms", Value: 84.09}, "measured 84.1 ms"},
		{bench.Threshold{Expression: "a.errors <= 0.05", Value: 0.0867}, "measured 8.7 %"},
		{bench.Threshold{Expression: "a.rps >= 5", Value: 902.13}, "measured 902.1"},
		{bench.Threshold{Expression: "a.p99 < 5ms", Note: "no valid trial"}, "not measured: no valid trial"},
		{bench.Threshold{Expression: "a.p99 < 5ms", Value: 4, Note: "of good answers; 11 % of the requests failed"}, "measured 4.00 ms of good answers; 11 % of the requests failed"},
	} {
		if got := Measured(tc.threshold); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.threshold.Expression, got, tc.want)
		}
	}
}

func TestCPUSeries(t *testing.T) {
	in := inputs(t)["lab-local"]()
	series := Build(in).CPU
	if len(series) != 3 || series[0].Group != "proxy" || series[1].Group != "cluster1" {
		t.Fatalf("%d series", len(series))
	}
	marked := map[string]bool{}
	for _, s := range series {
		for i, p := range s.Points {
			if p.Share < 0 || p.Share > p.Max || p.Max > 1 || i > 0 && p.T <= s.Points[i-1].T {
				t.Fatalf("%s: point %+v", s.Group, p)
			}
			if p.Trial != "" {
				marked[p.Trial] = true
			}
		}
	}
	if len(marked) != len(in.Record.Trials) {
		t.Errorf("%d of %d trials are on the time axis", len(marked), len(in.Record.Trials))
	}
}

func TestCost(t *testing.T) {
	in := inputs(t)["lab-aws"]()
	c := Build(in).Cost
	var instances, sum float64
	for _, i := range c.Items {
		sum += i.USD
		if i.What == "4 × t2.large" {
			instances = i.Quantity
		}
	}
	lived := in.Receipt.Ended[0].Ended.Sub(in.Receipt.Ended[0].Launched).Seconds()
	if fmt.Sprintf("%.6f", sum) != fmt.Sprintf("%.6f", c.USD) || instances != 4*max(60, lived) {
		t.Errorf("%.1f instance-seconds of 4 × %.1f; items %v make %v of %v", instances, lived, c.Items, sum, c.USD)
	}
	local := Build(inputs(t)["lab-local"]()).Cost
	if !strings.Contains(local.Note, "cost nothing") || local.USD != in.Record.Estimate.USD {
		t.Errorf("local: %+v", local)
	}
}

func TestFailureLines(t *testing.T) {
	for _, tc := range []struct {
		why, want string
		f         Failure
	}{
		{"nothing failed", "", Failure{}},
		{"a Lambda's error object", "Launch of cluster2 failed: no capacity for t2.large in us-east-1a",
			Failure{State: "Launch", Group: "cluster2", Error: "NoCapacity", Cause: `{"errorMessage":"no capacity for t2.large in us-east-1a","errorType":"NoCapacity"}`}},
		{"cut off by Step Functions", "Ready failed: 3 of 4 nodes",
			Failure{State: "Ready", Error: "NotReady", Cause: `{"errorMessage":"3 of 4 nodes","errorType":"NotReady","stackTrace":[{"pa`}},
		{"an object within the message", "Setup failed: inner", Failure{State: "Setup", Cause: `{"errorMessage":"{\"errorMessage\":\"inner\"}"}`}},
		{"a timeout has no cause", "Prove failed: it took too long (States.Timeout)", Failure{State: "Prove", Error: "States.Timeout"}},
		{"several lines", "Aim of trial b01-x failed: one two", Failure{State: "Aim", Trial: "b01-x", Cause: "one\n\ttwo\n"}},
	} {
		if got := tc.f.Line(); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.why, got, tc.want)
		}
	}
}

//go:embed report.schema.json
var schemaFile []byte

// Every report, of a run however broken, is what docs/report.md promises.
func TestReportsMatchTheSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaFile))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("report.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	c.AssertFormat()
	schema, err := c.Compile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, input := range inputs(t) {
		in := input()
		raw, err := json.Marshal(Build(in))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// And the schema is no rubber stamp.
	raw, err := json.Marshal(Build(inputs(t)["lab-local"]()))
	if err != nil {
		t.Fatal(err)
	}
	for _, breakIt := range []string{`"version":1`, `"verdict":"worse"`, `"headline":`, `"kind":"local"`, `"p99":`} {
		broken := bytes.Replace(raw, []byte(breakIt), []byte(strings.Replace(breakIt, `"`, `"x`, 1)), 1)
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(broken))
		if err != nil {
			t.Fatal(err)
		}
		if schema.Validate(v) == nil {
			t.Errorf("the schema accepts a report with %s broken", breakIt)
		}
	}
}

func TestCSV(t *testing.T) {
	r := Build(inputs(t)["node-lost"]())
	for name, c := range map[string]struct {
		raw  []byte
		rows int
	}{"trials": {TrialsCSV(r), 10}, "nodes": {NodesCSV(r), 8}} {
		rows, err := csv.NewReader(bytes.NewReader(c.raw)).ReadAll()
		if err != nil || len(rows) != c.rows+1 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
		}
	}
}
