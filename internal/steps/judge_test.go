package steps

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/report"
)

// measured is a run whose two trials went through the whole path, without a teardown.
func measured(t *testing.T) (m *memory, proxied, direct string) {
	t.Helper()
	m, s, a, proxied, direct := ground(t)
	for _, trial := range []string{proxied, direct} {
		out, err := a.Aim(t.Context(), "r", trial)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range out.Shards {
			if _, err := shardOf(m, s).Run(t.Context(), ShardIn{Run: "r", Trial: trial, Shard: n, Worker: "w"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Observe(t.Context(), "r", trial); err != nil {
			t.Fatal(err)
		}
		if _, err := (&Merger{Store: m}).Run(t.Context(), TrialIn{Run: "r", Trial: trial}); err != nil {
			t.Fatal(err)
		}
		// Whether a burst this small is evidence does not matter here.
		tally := read[bench.Tally](t, m, keysOfR.Trial(trial).Tally())
		tally.Invalid = nil
		write(t, m, keysOfR.Trial(trial).Tally(), tally)
	}
	return m, proxied, direct
}

func TestJudgeWritesTheReport(t *testing.T) {
	m, _, _ := measured(t)
	write(t, m, keysOfR.Receipt(), bench.Receipt{Run: "r", By: "teardown", At: time.Now(), Ended: []bench.Ended{}, Left: []string{}})
	out, err := (&Judge{Store: m}).Run(t.Context(), JudgeIn{Run: "r", Execution: execution})
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != bench.StatusDone || out.Error != "" || out.Reason != "" || out.Headline == "" || out.CostUSD <= 0 {
		t.Errorf("outcome %+v", out)
	}
	for _, key := range []string{keysOfR.Report(), keysOfR.ReportHTML(), keysOfR.TrialsCSV(), keysOfR.NodesCSV()} {
		if len(m.objects[key]) == 0 {
			t.Errorf("%s is missing", key)
		}
	}
	if last := m.puts[len(m.puts)-1]; last != keysOfR.Report() {
		t.Errorf("%s was written last: a reader of report.json finds the others", last)
	}
	r := read[bench.Report](t, m, keysOfR.Report())
	if len(r.Arms) != 2 || r.Arms[0].Requests != 30 || r.Environment.Kind != "local" || r.Receipt == nil {
		t.Errorf("report %+v", r)
	}
	if raw, _ := json.Marshal(out); len(raw) > 32<<10 {
		t.Errorf("the outcome has %d bytes", len(raw))
	}
}

func TestJudgeOfARunThatIsNotDone(t *testing.T) {
	for _, tc := range []struct {
		why    string
		make   func(m *memory, proxied, direct string) JudgeIn
		status bench.Status
		name   string
		reason string
	}{
		{"its set-up failed", func(m *memory, _, _ string) JudgeIn {
			for _, k := range m.keys() {
				if strings.Contains(k, "/trials/") {
					delete(m.objects, k)
				}
			}
			return JudgeIn{Run: "r", Execution: execution, Failure: &report.Failure{State: "Setup", Group: "one", Error: "SetupFailed",
				Cause: `{"errorMessage":"setup of i-1 (one) failed: sha256 is wrong","errorType":"SetupFailed"}`}}
		}, bench.StatusFailed, "SetupFailed", "sha256 is wrong"},
		{"a trial failed", func(m *memory, proxied, _ string) JudgeIn {
			delete(m.objects, keysOfR.Trial(proxied).Tally())
			return JudgeIn{Run: "r", Execution: execution, Notes: []TrialNote{{Trial: proxied, Status: "failed",
				Failure: &report.Failure{State: "Aim", Trial: proxied, Error: "NodesUnhealthy", Cause: "i-2 (the proxy finds it unhealthy)"}}}}
		}, bench.StatusFailed, "RunFailed", "i-2 (the proxy finds it unhealthy)"},
		{"it was aborted, and the command asks", func(m *memory, proxied, _ string) JudgeIn {
			delete(m.objects, keysOfR.Trial(proxied).Tally())
			m.objects[keysOfR.Cancelled()] = []byte("its execution was aborted\n")
			return JudgeIn{Run: "r"}
		}, bench.StatusPartial, "RunIncomplete", "its execution was aborted"},
		{"its fleet is still there", func(*memory, string, string) JudgeIn {
			return JudgeIn{Run: "r", Execution: execution, Leaked: true}
		}, bench.StatusLeaked, "Leaked", "not confirmed"},
		{"a tally is not JSON", func(m *memory, proxied, _ string) JudgeIn {
			m.objects[keysOfR.Trial(proxied).Tally()] = []byte("{")
			return JudgeIn{Run: "r", Execution: execution}
		}, bench.StatusFailed, "RunFailed", "tally.json"},
	} {
		t.Run(tc.why, func(t *testing.T) {
			m, proxied, direct := measured(t)
			out, err := (&Judge{Store: m}).Run(t.Context(), tc.make(m, proxied, direct))
			if err != nil {
				t.Fatal(err)
			}
			if out.Status != tc.status || out.Error != tc.name || !strings.Contains(out.Reason, tc.reason) || !strings.Contains(out.Reason, keysOfR.Report()) {
				t.Errorf("got %s %s: %s", out.Status, out.Error, out.Reason)
			}
			if strings.Contains(out.Reason, "\n") {
				t.Errorf("%q is more than a line", out.Reason)
			}
		})
	}
}

// What the machine notes of the whole run, a function that stayed cold, is a
// warning; a trial of which nobody says anything was not skipped.
func TestJudgeTellsOfColdFunctionsAndLostNotes(t *testing.T) {
	m, proxied, _ := measured(t)
	write(t, m, keysOfR.Receipt(), bench.Receipt{Run: "r", By: "teardown", At: time.Now(), Ended: []bench.Ended{}, Left: []string{}})
	var in JudgeIn
	if err := json.Unmarshal([]byte(`{"run": "r", "execution": "`+execution+`", "notes": [{"state": "WarmShard", "error": "Lambda.TooManyRequestsException", "cause": "Rate Exceeded."}]}`), &in); err != nil {
		t.Fatal(err)
	}
	out, err := (&Judge{Store: m}).Run(t.Context(), in)
	if err != nil || out.Status != bench.StatusDone {
		t.Fatalf("got %+v, %v", out, err)
	}
	const want = "WarmShard failed: Rate Exceeded; the run went on."
	if r := read[bench.Report](t, m, keysOfR.Report()); !slices.Contains(r.Warnings, want) {
		t.Errorf("warnings %q lack %q", r.Warnings, want)
	}
	delete(m.objects, keysOfR.Trial(proxied).Tally())
	if out, err = (&Judge{Store: m}).Run(t.Context(), in); err != nil || out.Status != bench.StatusFailed || !strings.Contains(out.Reason, "left no tally") {
		t.Errorf("got %+v, %v", out, err)
	}
}

// Whoever follows an execution on AWS sees its output alone.
func TestOutcomeNamesBrokenThresholds(t *testing.T) {
	m, _, _ := measured(t)
	write(t, m, keysOfR.Receipt(), bench.Receipt{Run: "r", By: "teardown", At: time.Now(), Ended: []bench.Ended{}, Left: []string{}})
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	r.Plan.Thresholds = []string{"one.errors <= 0.5", "one.rps > 99999999"}
	write(t, m, keysOfR.Plan(), r)
	out, err := (&Judge{Store: m}).Run(t.Context(), JudgeIn{Run: "r", Execution: execution})
	if err != nil || out.Status != bench.StatusDone || len(out.Broken) != 2 || !strings.Contains(out.Broken[0], "rps > 99999999 (measured ") {
		t.Errorf("got %+v, %v", out, err)
	}
}

// The command asks again after an abort that came too late: what the execution
// knew of the failure must not be lost.
func TestJudgeAskedAgainKeepsTheReport(t *testing.T) {
	m, _, _ := measured(t)
	in := JudgeIn{Run: "r", Execution: execution, Failure: &report.Failure{State: "Ready", Error: "NodeLost", Cause: "i-1 is lost"}}
	if _, err := (&Judge{Store: m}).Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(m.objects[keysOfR.Report()])
	out, err := (&Judge{Store: m}).Run(t.Context(), JudgeIn{Run: "r"})
	if err != nil || out.Status != bench.StatusFailed || !slices.Equal(before, m.objects[keysOfR.Report()]) {
		t.Errorf("got %+v, %v; the report changed: %v", out, err, !slices.Equal(before, m.objects[keysOfR.Report()]))
	}
}

// The load balancer's record prices it where the receipt does not name it; what
// Plan could not find out stands in the report.
func TestJudgeGathersTheBalancerAndTheChecks(t *testing.T) {
	m, _, _ := measured(t)
	j, in := &Judge{Store: m}, JudgeIn{Run: "r", Execution: execution}
	evidence, err := j.gather(t.Context(), in)
	if err != nil || evidence.Balancer != nil {
		t.Fatalf("a run without a load balancer has %+v, %v", evidence.Balancer, err)
	}
	created := time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)
	write(t, m, keysOfR.Balancer(), bench.Balancer{ARN: "arn:lb", Created: created})
	if evidence, err = j.gather(t.Context(), in); err != nil || evidence.Balancer == nil || !evidence.Balancer.Created.Equal(created) {
		t.Errorf("got %+v, %v", evidence.Balancer, err)
	}
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	r.Checks = []bench.Check{{What: "vCPU quota", Status: bench.CheckUnknown, Detail: "denied"}, {What: "types", Status: bench.CheckOK}}
	write(t, m, keysOfR.Plan(), r)
	if _, err := j.Run(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if got := read[bench.Report](t, m, keysOfR.Report()).Checks; len(got) != 1 || got[0].What != "vCPU quota" {
		t.Errorf("checks %+v", got)
	}
}
