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
			if got, want := more-one, estimate(1+trials)-estimate(1)-trials*c.spare; got != want {
				t.Errorf("%d trials write %d events, want %d", trials, got, want)
			}
		})
	}
}

// TestHistoryOfTheRest measures what a run writes beside its trials, with and
// without a load balancer, if every step is tried again once.
func TestHistoryOfTheRest(t *testing.T) {
	for _, c := range []struct {
		alb      bool
		clusters int
	}{{false, 1}, {true, 1}, {true, 8}} {
		w := newWorld()
		w.alb, w.groups, w.trials = c.alb, []string{"proxy"}, nil
		again := []string{"plan", "launch proxy", "setup proxy", "balance create", "balance wait", "ready", "prove", "teardown", "judge", "aim warm", "shard warm"}
		for n := range c.clusters {
			name := fmt.Sprintf("cluster%d", n+1)
			w.groups = append(w.groups, name)
			again = append(again, "launch "+name, "setup "+name, "balance register "+name)
		}
		for _, call := range again {
			w.faults[call] = first(1, refused(neverStarted[0]))
		}
		got := run(t, w, "{}").events
		estimate := bench.Plan{Clusters: make([]bench.Cluster, c.clusters)}.Events()
		if spare := estimate - got; spare < 50 || spare > 150 {
			t.Errorf("with a load balancer %v and %d clusters the rest of a run writes %d events, estimated %d", c.alb, c.clusters, got, estimate)
		}
	}
}

// TestTransitionEstimate: Step Functions charges each state that is entered, of
// an inline Map not the iterations, of a distributed one each child execution
// and in it the states (docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html).
func TestTransitionEstimate(t *testing.T) {
	cluster := []bench.Cluster{{Name: "cluster1", InstanceType: "t2.micro", Count: 1}}
	for _, c := range []struct {
		why    string
		plan   bench.Plan
		groups []string
	}{
		{"no balancer", bench.Plan{Clusters: cluster, Targets: []bench.Target{{Kind: bench.TargetDirect}}, Shards: 4}, []string{"cluster1"}},
		{"the proxy", bench.Plan{Clusters: cluster, Targets: []bench.Target{{Kind: bench.TargetProxy}}, Shards: 4}, []string{"cluster1", "proxy"}},
		{"an ALB", bench.Plan{Clusters: cluster, Targets: []bench.Target{{Kind: bench.TargetALB}}, Shards: 1}, []string{"cluster1"}},
		{"both, and two clusters", bench.Plan{Clusters: []bench.Cluster{cluster[0], {Name: "cluster2", InstanceType: "t2.large", Count: 1}},
			Targets: []bench.Target{{Kind: bench.TargetProxy}, {Kind: bench.TargetALB}}, Shards: 40}, []string{"cluster1", "cluster2", "proxy"}},
		{"distributed shards", bench.Plan{Clusters: cluster, Targets: []bench.Target{{Kind: bench.TargetDirect}}, Shards: 41}, []string{"cluster1"}},
	} {
		for _, blocks := range []int{1, 3} {
			c.plan.Blocks = blocks
			w := newWorld()
			w.groups, w.shards, w.trials, w.alb = c.groups, c.plan.Shards, nil, len(c.plan.ALBs()) > 0
			for n := range blocks * len(c.plan.Arms()) {
				w.trials = append(w.trials, fmt.Sprintf("b%02d", n+1))
			}
			got := run(t, w, "{}").entered
			if w.shards > bench.InlineShards {
				for call := range w.begun {
					got += 2 * len(w.calls[call])
				}
			}
			if want := c.plan.Transitions(); got != want {
				t.Errorf("%s, %d blocks: %d transitions, estimated %d", c.why, blocks, got, want)
			}
		}
	}
}
