package stat

import (
	"fmt"
	"math"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// Difference is what the blocks say about one difference, in its own unit.
type Difference struct {
	Estimate  float64 // Hodges–Lehmann
	Low, High float64 // 95 %; the estimate itself with less than two blocks
	Blocks    int
}

// EstimateDifference takes the differences of the blocks.
func EstimateDifference(x []float64, seed uint64) Difference {
	d := Difference{Blocks: len(x)}
	if len(x) > 0 {
		d.Estimate = HodgesLehmann(x)
	}
	d.Low, d.High = d.Estimate, d.Estimate
	if len(x) > 1 {
		d.Low, d.High = Interval(x, seed)
	}
	return d
}

// Sure tells whether there is a difference: enough blocks, and an interval without 0.
func (d Difference) Sure() bool { return d.Blocks >= MinBlocks && (d.Low > 0 || d.High < 0) }

// Taxes says what each balancer costs each cluster: the latency through it minus
// the latency of direct requests, in milliseconds, over the blocks in which both
// have a valid trial. A difference and not a ratio: what a balancer adds depends
// little on what the node does. It is empty for a plan without direct.
// name is what sentences call an arm; it begins with the cluster.
func Taxes(arms []bench.Arm, trials []bench.TrialRow, seed int64, name func(bench.Arm) string) []bench.Tax {
	ok := validByBlock(trials)
	direct := map[string]bench.Arm{}
	for _, a := range arms {
		if a.Target.Kind == bench.TargetDirect {
			direct[a.Cluster] = a
		}
	}
	var taxes []bench.Tax
	for _, a := range arms {
		base, both := direct[a.Cluster]
		if !both || a.Target.Kind == bench.TargetDirect {
			continue
		}
		for _, m := range metrics {
			if !m.answered {
				continue
			}
			var x []float64
			inBoth(m, ok[a.Name], ok[base.Name], func(through, straight float64) { x = append(x, through-straight) })
			d := EstimateDifference(x, seedOf(seed, a.Name, base.Name, m.name, "tax"))
			t := bench.Tax{Cluster: a.Cluster, Target: a.Target.String(), Metric: m.name,
				Ms: d.Estimate, Low: d.Low, High: d.High, Blocks: d.Blocks, Sure: d.Sure()}
			t.Sentence = taxed(m, t, strings.TrimPrefix(name(a), a.Cluster+"/"))
			if why := incomparable(ok[a.Name], ok[base.Name]); t.Blocks > 0 && why != "" {
				t.Sure = false
				t.Sentence = fmt.Sprintf("What %s adds to the %s of %s cannot be told: through it and directly, %s.", strings.TrimPrefix(name(a), a.Cluster+"/"), m.phrase, a.Cluster, why)
			}
			taxes = append(taxes, t)
		}
	}
	return taxes
}

func taxed(m metric, t bench.Tax, balancer string) string {
	interval := fmt.Sprintf("95 %% interval %s to %s ms, %d blocks", Milliseconds(t.Low), Milliseconds(t.High), t.Blocks)
	switch {
	case t.Blocks == 0:
		return fmt.Sprintf("Nothing is known of what %s adds to the %s of %s: no block has a valid trial through it and one without.", balancer, m.phrase, t.Cluster)
	case t.Blocks == 1:
		return fmt.Sprintf("One block is too few to tell what %s adds to the %s of %s (%s ms so far).", balancer, m.phrase, t.Cluster, Milliseconds(t.Ms))
	case t.Blocks < MinBlocks:
		return fmt.Sprintf("%d blocks are too few to tell what %s adds to the %s of %s (%s ms so far, %s).", t.Blocks, balancer, m.phrase, t.Cluster, Milliseconds(t.Ms), interval)
	case t.Sure && t.Ms > 0:
		return fmt.Sprintf("%s adds %s ms to the %s of %s (%s).", balancer, Milliseconds(t.Ms), m.phrase, t.Cluster, interval)
	case t.Sure:
		return fmt.Sprintf("%s takes %s ms off the %s of %s (%s).", balancer, Milliseconds(-t.Ms), m.phrase, t.Cluster, interval)
	}
	return fmt.Sprintf("The noise hides what %s adds to the %s of %s (%s ms, %s).", balancer, m.phrase, t.Cluster, Milliseconds(t.Ms), interval)
}

// Milliseconds writes three digits, and a minus that is as wide as a plus.
func Milliseconds(ms float64) string {
	sign := ""
	if ms < 0 {
		sign, ms = "−", math.Abs(ms)
	}
	switch {
	case ms < 9.995:
		return sign + fmt.Sprintf("%.2f", ms)
	case ms < 99.95:
		return sign + fmt.Sprintf("%.1f", ms)
	}
	return sign + fmt.Sprintf("%.0f", ms)
}
