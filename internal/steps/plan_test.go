package steps

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

func TestPlanWritesTheRecord(t *testing.T) {
	m := newMemory()
	start := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	out, err := (&Planner{Store: m, Account: roomy(), Settings: settings}).Run(t.Context(), PlanIn{Input: json.RawMessage(`{}`), Execution: execution, StartedAt: start})
	if err != nil {
		t.Fatal(err)
	}
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	if out.Run != "r" || r.Run != "r" || r.Execution != execution || r.Stack != "fl" {
		t.Errorf("run %q, record %+v", out.Run, r)
	}
	if len(out.Groups) != 3 || out.Groups[2].Group != bench.ProxyGroup || len(out.Trials) != 10 || out.Summary.Instances != 9 {
		t.Errorf("%d groups, %d trials, %d instances: want 3, 10, 9", len(out.Groups), len(out.Trials), out.Summary.Instances)
	}
	if out.DryRun || out.Summary.USD <= 0 || out.Summary.USD != r.Estimate.USD {
		t.Errorf("dry run %v, $%v, recorded $%v", out.DryRun, out.Summary.USD, r.Estimate.USD)
	}
	// deadline + lead + longest trial + teardown = ttl < expiry
	end := r.Deadline.Add(10*time.Second + r.Plan.Load.TrialTime() + teardownAllowance)
	if !end.Equal(start.Add(time.Hour)) || !r.Expiry.Equal(start.Add(70*time.Minute)) {
		t.Errorf("deadline %v, expiry %v", r.Deadline, r.Expiry)
	}
	if raw, _ := json.Marshal(out); len(raw) > 32<<10 {
		t.Errorf("the output has %d bytes", len(raw))
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, tc := range []struct {
		why, input, want string
		as               any
	}{
		{"every mistake in one message", `{"blocks": 0, "sharts": 3}`, "sharts", new(*InvalidPlan)},
		{"above its own budget, with both numbers", `{"blocks": 100, "maxUSD": 0.01}`, "maxUSD 0.01", new(*OverBudget)},
		{"no trial could begin", `{"ttl": "5m", "load": {"kind": "rate", "rate": 10, "duration": "4m"}}`, "ttl is 5m", new(*InvalidPlan)},
	} {
		m := newMemory()
		_, err := (&Planner{Store: m, Account: roomy(), Settings: settings}).Run(t.Context(), PlanIn{Input: json.RawMessage(tc.input), Execution: execution, StartedAt: time.Now()})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want …%s…", tc.why, err, tc.want)
			continue
		}
		// Step Functions shows the name of the error's own type.
		if got, want := reflect.TypeOf(err), reflect.TypeOf(tc.as).Elem(); got != want {
			t.Errorf("%s: got a %v, want a %v", tc.why, got, want)
		}
		if len(m.keys()) > 0 {
			t.Errorf("%s: wrote %v", tc.why, m.keys())
		}
	}
}

func TestPlanIsTheRunsLock(t *testing.T) {
	other := "arn:aws:states:us-east-1:000000000000:execution:other:r"
	for _, tc := range []struct {
		why       string
		prepare   func(*memory)
		execution string
		taken     bool
	}{
		{"another execution of the same name is refused", func(*memory) {}, other, true},
		{"a repeated Plan finds its own record", func(*memory) {}, execution, false},
		{"a 409 says nothing: the put is repeated", func(m *memory) {
			delete(m.objects, keysOfR.Plan())
			m.conflicts[keysOfR.Plan()] = 3
		}, execution, false},
		{"a put whose answer was lost is found to be ours", func(m *memory) {
			delete(m.objects, keysOfR.Plan())
			m.lost[keysOfR.Plan()] = true
		}, execution, false},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := planned(t, `{}`)
				before := m.objects[keysOfR.Plan()]
				tc.prepare(m)
				out, err := (&Planner{Store: m, Account: roomy(), Settings: settings}).Run(t.Context(), PlanIn{Input: json.RawMessage(`{}`), Execution: tc.execution, StartedAt: time.Now()})
				var taken *RunNameTaken
				if errors.As(err, &taken) != tc.taken || !tc.taken && err != nil {
					t.Fatalf("got %v, taken: %v", err, tc.taken)
				}
				if !tc.taken && out.Run != "r" {
					t.Errorf("run %q", out.Run)
				}
				if got := read[bench.RunRecord](t, m, keysOfR.Plan()); got.Execution != execution {
					t.Errorf("the record now belongs to %s; it was %s", got.Execution, before)
				}
			})
		})
	}
}

func TestDryRunWritesNothing(t *testing.T) {
	m := newMemory()
	out, err := (&Planner{Store: m, Account: roomy(), Settings: settings}).Run(t.Context(), PlanIn{Input: json.RawMessage(`{"dryRun": true}`), Execution: execution, StartedAt: time.Now()})
	if err != nil || !out.DryRun || out.Summary.Trials != 10 {
		t.Errorf("got %+v, %v", out, err)
	}
	if len(m.keys()) > 0 {
		t.Errorf("wrote %v", m.keys())
	}
}

func TestPlanFailsBeforeWhatIsTooSmallIsLaunched(t *testing.T) {
	m, r := newMemory(), roomy()
	r.vcpus, r.executions = 5, 4
	_, err := planOf(r, settings, m, `{}`)
	lacking, ok := own[*QuotaTooSmall](err)
	if !ok || len(lacking.Short) != 2 || len(m.keys()) > 0 {
		t.Fatalf("got %v, wrote %v", err, m.keys())
	}
	for _, want := range []string{"vCPU quota: 14 vCPUs needed", "Lambda concurrency: 6 at once needed", string(lacking.Suggestion)} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if Named("plan", err) != err {
		t.Error("Step Functions would show another name")
	}
	if p := pasted(t, `{}`, lacking.Suggestion); p.Shards != 2 || p.Clusters[0].Count != 1 {
		t.Errorf("suggests %s", lacking.Suggestion)
	}
}

func TestPlanRecordsTheChecks(t *testing.T) {
	m, r := newMemory(), roomy()
	r.deny = map[string]error{"quota": errDenied, "executions": errDenied, "offered": errDenied, "types": errDenied, "live": errDenied}
	out, err := planOf(r, settings, m, `{}`)
	if err != nil {
		t.Fatalf("what may not be asked is no failure: %v", err)
	}
	recorded := read[bench.RunRecord](t, m, keysOfR.Plan()).Checks
	if len(recorded) != 7 || !reflect.DeepEqual(recorded, out.Summary.Checks) || out.Summary.Suggestion != nil {
		t.Errorf("recorded %v, gave %v", recorded, out.Summary.Checks)
	}
	for _, c := range recorded {
		if c.Status != bench.CheckUnknown {
			t.Errorf("%+v", c)
		}
	}
}

func TestARepeatedPlanGivesTheFirstOnesAnswers(t *testing.T) {
	m, r := newMemory(), roomy()
	r.deny = map[string]error{"quota": errDenied}
	in := PlanIn{Input: json.RawMessage(`{}`), Execution: execution, StartedAt: time.Now().UTC().Truncate(time.Second)}
	first, err := (&Planner{Store: m, Account: r, Settings: settings}).Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	before := string(m.objects[keysOfR.Plan()])
	r.deny, r.live = nil, running("t2.large") // the account says something else by now
	second, err := (&Planner{Store: m, Account: r, Settings: settings}).Run(t.Context(), in)
	if err != nil || string(m.objects[keysOfR.Plan()]) != before {
		t.Fatalf("%v; the record is %s", err, m.objects[keysOfR.Plan()])
	}
	a, _ := json.Marshal(first)
	if b, _ := json.Marshal(second); string(a) != string(b) {
		t.Errorf("first %s\nthen %s", a, b)
	}
}

func TestDryRunReportsWhatIsTooSmall(t *testing.T) {
	m, r := newMemory(), roomy()
	r.vcpus = 5
	out, err := planOf(r, settings, m, `{"dryRun": true}`)
	if err != nil || len(m.keys()) > 0 {
		t.Fatalf("%v, wrote %v", err, m.keys())
	}
	if lacking := shortages(out.Summary.Checks); len(lacking) != 1 || lacking[0].What != "vCPU quota" {
		t.Errorf("%v", out.Summary.Checks)
	}
	if p := pasted(t, `{"dryRun": true}`, out.Summary.Suggestion); p.Clusters[1].Count != 1 || !p.DryRun {
		t.Errorf("suggests %s", out.Summary.Suggestion)
	}
}
