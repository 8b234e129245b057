package stat

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

func plain(a bench.Arm) string { return a.Name }

// taxArms are two clusters, each through an ALB and directly.
func taxArms() []bench.Arm {
	var arms []bench.Arm
	for _, c := range []string{"a", "b"} {
		for _, t := range []bench.Target{{Kind: bench.TargetALB, Algorithm: "round_robin"}, {Kind: bench.TargetDirect}} {
			arms = append(arms, bench.Arm{Name: c + "/" + t.String(), Cluster: c, Target: t})
		}
	}
	return arms
}

// taxTrials gives every arm a trial in each block: of a common luck per block,
// and noise, both in milliseconds; through the balancer tax more.
func taxTrials(rng *rand.Rand, blocks int, luck, noise, tax float64) []bench.TrialRow {
	var trials []bench.TrialRow
	for block := range blocks {
		base := 100 + luck*rng.NormFloat64()
		for _, a := range taxArms() {
			v := base + noise*rng.NormFloat64()
			if a.Target.Kind != bench.TargetDirect {
				v += tax
			}
			trials = append(trials, bench.TrialRow{Trial: bench.Trial{Block: block + 1, Arm: a.Name}, Status: "ok", Requests: 1000,
				LatencyMs: bench.Latency{Mean: v, P50: v, P99: 2 * v}})
		}
	}
	return trials
}

func TestTaxIsTheDifferenceWithinBlocks(t *testing.T) {
	// Blocks differ by 30 ms, arms within one by 0.1 ms: only pairing finds 2 ms.
	taxes := Taxes(taxArms(), taxTrials(rand.New(rand.NewPCG(1, 1)), 8, 30, 0.1, 2), 1, plain)
	if len(taxes) != 6 {
		t.Fatalf("%d taxes, want three metrics of two clusters", len(taxes))
	}
	for _, x := range taxes {
		want := map[string]float64{"mean": 2, "p50": 2, "p99": 4}[x.Metric]
		if x.Target != "alb/round_robin" || x.Blocks != 8 || !x.Sure || math.Abs(x.Ms-want) > 0.2 || x.Low > want || x.High < want || x.Low >= x.High {
			t.Errorf("%+v, want about %v ms", x, want)
		}
		if want := "alb/round_robin adds "; !strings.HasPrefix(x.Sentence, want) || !strings.Contains(x.Sentence, " of "+x.Cluster+" (95 % interval ") || !strings.HasSuffix(x.Sentence, ", 8 blocks).") {
			t.Errorf("%q", x.Sentence)
		}
	}
}

// The interval holds what it promises: without a tax, 5 % of experiments find
// one. Of 400 at that true rate, 29 or more do once in 30 times.
func TestTaxIntervals(t *testing.T) {
	for _, blocks := range []int{5, 10} {
		rng := rand.New(rand.NewPCG(7, uint64(blocks)))
		found, n := 0, 0
		for range 200 {
			for _, x := range Taxes(taxArms(), taxTrials(rng, blocks, 20, 3, 0), rng.Int64(), plain) {
				if x.Metric != "mean" {
					continue // the others are made of the same numbers
				}
				n++
				if x.Sure {
					found++
				}
			}
		}
		t.Logf("%d blocks: %d of %d found a tax where there is none", blocks, found, n)
		if n != 400 || found > 28 {
			t.Errorf("%d blocks: %d of %d found a tax where there is none", blocks, found, n)
		}
	}
}

func TestTaxSentences(t *testing.T) {
	few := func(blocks int, tax float64) []bench.TrialRow {
		return taxTrials(rand.New(rand.NewPCG(3, 3)), blocks, 5, 0.1, tax)
	}
	failing := few(6, 2)
	for i := range failing {
		if failing[i].Arm == "a/alb/round_robin" {
			failing[i].Errors = 200
		}
	}
	invalid := few(6, 2)
	for i := range invalid {
		if invalid[i].Arm == "a/direct" && invalid[i].Block > 2 {
			invalid[i].Status = "invalid"
		}
	}
	for _, tc := range []struct {
		why    string
		trials []bench.TrialRow
		blocks int
		sure   bool
		want   string
	}{
		{"no trial", nil, 0, false, "Nothing is known of what alb/round_robin (emulated) adds to the p99 latency of a"},
		{"one block bounds nothing", few(1, 2), 1, false, "One block is too few to tell what alb/round_robin (emulated) adds to the p99 latency of a ("},
		{"few blocks have an interval and no verdict", few(3, 2), 3, false, "3 blocks are too few to tell what alb/round_robin (emulated) adds"},
		{"only blocks with both count", invalid, 2, false, "2 blocks are too few"},
		{"a balancer may save time", few(6, -3), 6, true, "alb/round_robin (emulated) takes "},
		{"noise", taxTrials(rand.New(rand.NewPCG(4, 4)), 6, 5, 20, 0.1), 6, false, "The noise hides what alb/round_robin (emulated) adds"},
		{"failed requests have no latency", failing, 6, false, "What alb/round_robin (emulated) adds to the p99 latency of a cannot be told: through it and directly, 20 % against 0 % of their requests failed"},
	} {
		x := Taxes(taxArms(), tc.trials, 1, func(a bench.Arm) string { return a.Name + " (emulated)" })[0]
		if x.Blocks != tc.blocks || x.Sure != tc.sure || !strings.HasPrefix(x.Sentence, tc.want) {
			t.Errorf("%s: %+v", tc.why, x)
		}
		for _, v := range []float64{x.Ms, x.Low, x.High} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: JSON has no %v", tc.why, v)
			}
		}
	}
	if none := Taxes(taxArms()[:1], few(5, 2), 1, plain); none != nil {
		t.Errorf("without direct there is nothing to subtract: %+v", none)
	}
}
