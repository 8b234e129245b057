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
		"all-invalid":  {bench.StatusFailed, "cluster1/proxy/peak-ewma has no valid trial: in b01-cluster1-proxy-peak-ewma the balancer used 97 %"},
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
	if w := strings.Join(r.Warnings, "\n"); !strings.Contains(w, "Invalid, and left out of every figure: 1 of 10 trials; the first because late.") {
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
	if w := strings.Join(Build(in).Warnings, "\n"); !strings.Contains(w, "In 10 trials, each shorter than its seconds of samples, the balancer used more than 85 %") {
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
		"lab-local":    "cluster2 (4 × t2.large) serves this load better than cluster1 (4 × t2.micro), both through proxy/peak-ewma: a p99 of 74.0 ms against 145 ms, 1.85 to 2.16 times lower (95 % interval, 5 blocks).",
		"many-arms":    "has the lowest p99",
		"smoke":        "Not certain yet. 2 blocks are too few",
		"one-arm":      "web/proxy/peak-ewma (2 × c7i.large) answered with a p99 of",
		"setup-failed": "No answer: nothing valid was measured.",
		"empty":        "No answer: nothing valid was measured.",
	} {
		if got := Build(inputs(t)[name]()).Headline; !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
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
