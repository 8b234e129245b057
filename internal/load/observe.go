package load

import (
	"fmt"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Observe adds to a merged tally what the instances said of the trial's span:
// the balancer's busiest second, and who could not be asked. A trial whose
// balancer was above 85 % says nothing about the nodes behind it; one in which
// a node was lost says nothing about the cluster that the plan asked for.
func Observe(t *bench.Tally, samples []bench.NodeSamples) {
	for _, s := range samples {
		if s.Error != "" {
			t.Invalid = append(t.Invalid, fmt.Sprintf("%s of %s is lost: %s", s.ID, s.Group, s.Error))
			continue
		}
		if s.Role == bench.RoleProxy {
			t.BalancerCPU = max(t.BalancerCPU, busiest(s, t.FirstSend, t.LastDone))
		}
	}
	if t.BalancerCPU > maxCPU {
		t.Invalid = append(t.Invalid, fmt.Sprintf("the balancer used %.0f %% of its CPU, the bound is %.0f %%: its nodes were not what was measured", t.BalancerCPU*100, maxCPU*100))
	}
}

// busiest is the highest share of its own cores that an instance used in one
// of the clock's seconds that the span touches. For a span shorter than that
// second it is a lower bound: the rest of the second was idle.
func busiest(s bench.NodeSamples, from, to time.Time) float64 {
	var top float64
	for _, sec := range s.Seconds {
		if s.CPUs > 0 && sec.T >= from.Unix() && sec.T <= to.Unix() {
			top = max(top, min(1, sec.CPU/s.CPUs))
		}
	}
	return top
}
