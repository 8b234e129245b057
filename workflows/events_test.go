package workflows_test

import (
	"fmt"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

// TestHistoryEstimate measures the histories by which bench.Plan refuses runs
// that Step Functions would end for their length, which nothing can catch.
func TestHistoryEstimate(t *testing.T) {
	const trials = 3
	for _, c := range []struct {
		why    string
		shards int
		fault  func(w *world, trial string)
		spare  int // events of the estimate that a trial does not write
	}{
		{"all goes well", 4, func(*world, string) {}, 3 + 2*4},
		{"the most inline shards", 40, func(*world, string) {}, 3 + 2*40},
		{"distributed shards have histories of their own", 41, func(*world, string) {}, 1},
		{"every shard is lost, and a step is tried again", 4, func(w *world, trial string) {
			for n := range w.shards {
				w.faults[fmt.Sprintf("shard %s/%d", trial, n)] = always(failed{"Runtime.ExitError", "killed"})
			}
			w.faults["merge "+trial] = first(1, refused(maybeStarted[0]))
		}, 0},
	} {
		t.Run(c.why, func(t *testing.T) {
			measured := func(trials int) int {
				w := newWorld()
				w.shards, w.trials = c.shards, nil
				for n := range trials {
					w.trials = append(w.trials, fmt.Sprintf("b%02d", n+1))
					c.fault(w, w.trials[n])
				}
				return run(t, w, "{}").events
			}
			estimate := func(trials int) int {
				return bench.Plan{Blocks: trials, Clusters: make([]bench.Cluster, 1), Targets: make([]bench.Target, 1), Shards: c.shards}.Events()
			}
			one, more := measured(1), measured(1+trials)
			if spare := estimate(1) - one; spare < 50 {
				t.Errorf("a run of one trial writes %d events, estimated %d", one, estimate(1))
			}
			if got, want := more-one, estimate(1+trials)-estimate(1)-trials*c.spare; got != want {
				t.Errorf("%d trials write %d events, want %d", trials, got, want)
			}
		})
	}
}
