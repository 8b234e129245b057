package bench

import (
	"reflect"
	"strings"
	"testing"
)

func TestTrialsRunEveryArmOncePerBlock(t *testing.T) {
	p, err := ParsePlan([]byte(`{"targets": [{"kind": "proxy"}, {"kind": "direct"}], "blocks": 20}`))
	if err != nil {
		t.Fatal(err)
	}
	orders := map[string]bool{}
	perBlock := map[int]map[string]bool{}
	order := map[int]string{}
	for _, tr := range p.Trials() {
		if perBlock[tr.Block] == nil {
			perBlock[tr.Block] = map[string]bool{}
		}
		perBlock[tr.Block][tr.Arm] = true
		order[tr.Block] += tr.Arm + " "
	}
	for b := 1; b <= 20; b++ {
		if len(perBlock[b]) != 4 {
			t.Errorf("block %d has arms %v, want all four", b, perBlock[b])
		}
		orders[order[b]] = true
	}
	if len(orders) < 5 {
		t.Errorf("20 blocks have only %d different orders: not randomized", len(orders))
	}
	if !reflect.DeepEqual(p.Trials(), p.Trials()) {
		t.Error("the same plan gives two orders")
	}
	q := p
	q.Seed = 2
	if reflect.DeepEqual(p.Trials(), q.Trials()) {
		t.Error("another seed gives the same order")
	}
}

func TestRunID(t *testing.T) {
	const machine = "arn:aws:states:us-east-1:000000000000:execution:M:"
	if got := RunID(machine + "lab-2026_1"); got != "lab-2026_1" {
		t.Errorf("a plain name became %q", got)
	}
	a, b := RunID(machine+"a b"), RunID(machine+"ä/../b")
	for _, id := range []string{a, b} {
		if !plainName.MatchString(id) {
			t.Errorf("%q may not stand in a key", id)
		}
	}
	if a == b {
		t.Error("two names share one run")
	}
}

func TestCostAddsUp(t *testing.T) {
	p, _ := preset("lab")
	c := p.EstimateCost()
	var sum float64
	for _, i := range c.Items {
		sum += i.USD
	}
	if diff := sum - c.USD; diff > 1e-9 || diff < -1e-9 {
		t.Errorf("items sum to %v, total %v", sum, c.USD)
	}
	// By hand: one hour of 4 t2.micro and nothing else.
	one := ActualCost(Usage{Instances: []InstanceTime{{Type: "t2.micro", Count: 4, Seconds: 4 * 3600}}})
	if got, want := one.Items[0].USD, 4*0.0116; got < want-1e-12 || got > want+1e-12 {
		t.Errorf("4 hours of t2.micro cost %v, want %v", got, want)
	}
}

// Latencies are of good answers; a percentile that lies among the failed
// requests is over any bound.
func TestFailedRequestsBreakLatencyThresholds(t *testing.T) {
	p, err := ParsePlan([]byte(`{"thresholds": ["cluster1.p99 < 50ms", "cluster1.p50 < 50ms", "cluster1.max < 50ms", "cluster1.p99 > 1ms"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		errors int
		want   [4]bool
	}{
		{0, [4]bool{true, true, true, true}},
		{10, [4]bool{true, true, false, true}}, // 1 %: just beyond the 99th percentile
		{11, [4]bool{false, true, false, true}},
		{501, [4]bool{false, false, false, true}},
	} {
		arm := ArmResult{Arm: p.Arms()[0], TrialsValid: 1, Requests: 1000, Errors: tc.errors, LatencyMs: Latency{P50: 5, P99: 9, Max: 10}}
		for i, th := range p.JudgeThresholds([]ArmResult{arm}) {
			if th.Passed != tc.want[i] {
				t.Errorf("%d errors: %s passed is %v (%s)", tc.errors, th.Expression, th.Passed, th.Note)
			}
		}
	}
}

func TestArmsOfABlockMeetTheSameArrivals(t *testing.T) {
	p, err := ParsePlan([]byte(`{"blocks": 3}`))
	if err != nil {
		t.Fatal(err)
	}
	seeds := map[int]map[int64]bool{}
	all := map[int64]bool{}
	for _, tr := range p.Trials() {
		if seeds[tr.Block] == nil {
			seeds[tr.Block] = map[int64]bool{}
		}
		seeds[tr.Block][tr.Seed], all[tr.Seed] = true, true
	}
	for b, s := range seeds {
		if len(s) != 1 {
			t.Errorf("block %d has %d seeds", b, len(s))
		}
	}
	if len(all) != 3 {
		t.Errorf("%d seeds in 3 blocks", len(all))
	}
}

func TestThresholds(t *testing.T) {
	p, err := ParsePlan([]byte(`{"slo": {"p99": "100ms", "errors": 0.01}, "thresholds": ["cluster2.p99 < 50ms", "cluster1/proxy/peak-ewma.rps > 10"]}`))
	if err != nil {
		t.Fatal(err)
	}
	arms := []ArmResult{
		{Arm: p.Arms()[0], TrialsValid: 1, Requests: 100, Errors: 2, RPS: 11, LatencyMs: Latency{P99: 90}},
		{Arm: p.Arms()[1], TrialsValid: 0, Requests: 0},
	}
	got := map[string]bool{}
	for _, th := range p.JudgeThresholds(arms) {
		got[th.Expression] = th.Passed
		if none := strings.HasPrefix(th.Expression, "cluster2"); none != (th.Note == "no valid trial") {
			t.Errorf("%s: note %q", th.Expression, th.Note)
		}
	}
	want := map[string]bool{
		"cluster2/proxy/peak-ewma.p99 < 50ms":     false, // no valid trial
		"cluster1/proxy/peak-ewma.rps > 10":       true,
		"cluster1/proxy/peak-ewma.p99 <= 100ms":   false, // 2 % failed: the 99th of 100 had no good answer
		"cluster1/proxy/peak-ewma.errors <= 0.01": false,
		"cluster2/proxy/peak-ewma.p99 <= 100ms":   false,
		"cluster2/proxy/peak-ewma.errors <= 0.01": false,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
