package bench

import (
	"math"
	"testing"
	"time"
)

func costOf(c Cost, what string) (CostItem, bool) {
	for _, i := range c.Items {
		if i.What == what {
			return i, true
		}
	}
	return CostItem{}, false
}

func TestALBHoursBillWhole(t *testing.T) {
	for _, tc := range []struct {
		why     string
		seconds float64
		hours   float64
		usd     float64
	}{
		{"no balancer, no line", 0, 0, 0},
		{"a second is an hour", 1, 1, 0.0225},
		{"an hour is one", 3600, 1, 0.0225},
		{"a second more is two", 3601, 2, 0.045},
	} {
		item, there := costOf(ActualCost(Usage{Balancer: BalancerUse{Seconds: tc.seconds}}), "Application Load Balancer")
		if there != (tc.hours > 0) || item.Quantity != tc.hours || math.Abs(item.USD-tc.usd) > 1e-12 || there && item.Unit != "load-balancer-hour" {
			t.Errorf("%s: %+v", tc.why, item)
		}
	}
}

// An hour bills the greatest of the dimensions, not their sum.
func TestLCUsAreTheGreatestDimension(t *testing.T) {
	burst, closed := Load{Kind: LoadBurst}, Load{Kind: LoadClosed, Concurrency: 3000}
	for _, tc := range []struct {
		why  string
		use  BalancerUse
		want float64
	}{
		{"25 new connections a second for an hour", burst.Through(25*3600, 0, 0, 3600), 1},
		{"2 GB of bodies, few requests", burst.Through(100, 0, 2e9, 1), (2e9 + 100*1000) / 1e9},
		{"heads count as bytes, and are less than connections", burst.Through(900, 0, 0, 1), 0.01},
		{"3,000 connections that stay for 59 minutes and an idle one", closed.Through(80e3, 0, 0, 59*60), 1},
		{"what is kept open is not new with every request", closed.Through(3000, 0, 0, 0), 3000.0 / 90000},
		{"a failure costs a connection", Load{Kind: LoadClosed, Concurrency: 10}.Through(5000, 890, 0, 0), 0.01},
	} {
		if got := tc.use.LCUHours(); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s: %v LCU-hours, want %v", tc.why, got, tc.want)
		}
	}
	sum := BalancerUse{Seconds: 60}.Plus(burst.Through(9000, 0, 0, 3)).Plus(burst.Through(9000, 0, 0, 3))
	if sum.Seconds != 60 || math.Abs(sum.LCUHours()-0.2) > 1e-12 || math.Abs(sum.HourlyUSD()-(0.0225+0.2*0.008)) > 1e-12 {
		t.Errorf("two trials: %+v, %v", sum, sum.HourlyUSD())
	}
}

// The balancer's hour and its minutes of becoming active are in the estimate.
func TestEstimateHoldsTheALB(t *testing.T) {
	p, err := ParsePlan([]byte(`{"preset": "lab-alb"}`))
	if err != nil {
		t.Fatal(err)
	}
	c := p.EstimateCost()
	if alb, _ := costOf(c, "Application Load Balancer"); alb.Quantity != 1 || alb.USD != 0.0225 {
		t.Errorf("%+v", alb)
	}
	// Two clusters in five blocks, 1,000 requests each, all on their own connection.
	if lcu, _ := costOf(c, "LCU"); math.Abs(lcu.Quantity-10000.0/90000) > 1e-9 || lcu.Amount() != "0.11 LCU-hours" {
		t.Errorf("%+v, %s", lcu, lcu.Amount())
	}
	without := p
	without.Targets = []Target{{Kind: TargetDirect}, {Kind: TargetProxy, Strategy: DefaultStrategy}}
	if _, there := costOf(without.EstimateCost(), "Application Load Balancer"); there {
		t.Error("a plan without an ALB pays for one")
	}
	if longer := p.EstimateTime() - without.EstimateTime(); longer != 80*time.Second {
		t.Errorf("an ALB makes the start %v longer, want 190 s in place of 110 s", longer)
	}
	for _, load := range []string{`{"kind": "rate", "rate": 900, "duration": "100s"}`, `{"kind": "closed", "concurrency": 100, "duration": "60s"}`} {
		p, err := ParsePlan([]byte(`{"preset": "lab-alb", "maxUSD": 5, "load": ` + load + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if lcu, there := costOf(p.EstimateCost(), "LCU"); !there || lcu.Quantity <= 0 || lcu.Quantity > 15 {
			t.Errorf("%s: %+v", load, lcu)
		}
	}
}

// An algorithm's name has underscores; a threshold on its arm, and the SLO's,
// must be understood and not be left out.
func TestThresholdsOnALBArms(t *testing.T) {
	p, err := ParsePlan([]byte(`{"preset": "lab-alb", "thresholds": ["cluster1/alb/round_robin.p99 < 50ms"], "slo": {"p99": "40ms"}}`))
	if err != nil {
		t.Fatal(err)
	}
	got := p.JudgeThresholds([]ArmResult{{Arm: p.Arms()[0], Emulated: true, TrialsValid: 1, Requests: 10, LatencyMs: Latency{P99: 45}}})
	if len(got) != 2 || !got[0].Passed || got[1].Passed || !got[1].Emulated || got[1].Expression != "cluster1/alb/round_robin.p99 <= 40ms" {
		t.Errorf("%+v", got)
	}
}
