package main

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// simulate plays what a command line asks for, a small version of a
// scenario: the same seeds give the same figures, so that the bounds below are
// exact. docs/strategies.md has the figures of ten seeds.
func simulate(t *testing.T, args string) map[string]figure {
	t.Helper()
	if raced {
		t.Skip("too slow with the race detector")
	}
	o, err := parse(strings.Fields(args), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	all, err := play(o)
	if err != nil {
		t.Fatal(err)
	}
	return figures(all)
}

// The default against the oracle.
func TestDefaultNearOracle(t *testing.T) {
	tests := []struct {
		scenario string
		most     float64 // p99 over the oracle's
		best     float64 // and over the best oracle's
	}{
		{"four-equal", 1.05, 1.05},
		{"slow-one", 1.12, 1.12},
		{"mixed-sizes", 1.15, 1.15},
		{"eight-proxies", 1.4, 1.5},
	}
	for _, tt := range tests {
		t.Run(tt.scenario, func(t *testing.T) {
			f := simulate(t, "-seeds 2 -for 150 -strategy peak-ewma -scenario "+tt.scenario)[strategy.Default]
			if f.P99OverOracle > tt.most || f.P99OverBest > tt.best {
				t.Errorf("p99 %.3f × the oracle's and %.3f × the best one's, want at most %g and %g", f.P99OverOracle, f.P99OverBest, tt.most, tt.best)
			}
			if f.Timeouts > 0 {
				t.Errorf("%d requests timed out", f.Timeouts)
			}
		})
	}
}

// What the lowest last probe does to a cluster of equals.
func TestLowestLatencyProbeHerds(t *testing.T) {
	f := simulate(t, "-seeds 2 -for 150 -strategy lowest-latency-probe,peak-ewma")
	if a, b := f["lowest-latency-probe"].P99Ms, f["peak-ewma"].P99Ms; a < 10*b {
		t.Errorf("p99 %.1f ms, and the default's %.1f: want ten times as much", a, b)
	}
}

// Where all requests cost the same and nothing else happens, taking turns is
// as good as knowing everything.
func TestTakingTurnsIsPerfectOnEqualWork(t *testing.T) {
	f := simulate(t, "-seeds 1 -for 150 -strategy round-robin")
	if got := f["round-robin"].P99OverOracle; got < .999 || got > 1.001 {
		t.Errorf("p99 %.4f × the oracle's", got)
	}
	f = simulate(t, "-seeds 1 -for 150 -strategy round-robin -cost exponential")
	if got := f["round-robin"].P99OverOracle; got < 1.5 {
		t.Errorf("with work that differs p99 %.2f × the oracle's, want more than 1.5", got)
	}
}

// A strategy that does not know how much work a request is cannot do better on
// equal nodes than fill the one with the fewest requests; nobody may.
func TestNobodyBeatsLeastOutstandingOnEqualNodes(t *testing.T) {
	f := simulate(t, "-seeds 2 -for 300 -cost exponential")
	least := f["least-outstanding"].P99Ms
	for _, name := range strategy.Names() {
		if got := f[name].P99Ms; got < .97*least {
			t.Errorf("%s has a p99 of %.1f ms, least-outstanding %.1f", name, got, least)
		}
	}
}

// The shape of Prequal's testbed (NSDI 2024, section 5). The oracles are left
// out to save their time.
func TestPrequalTestbed(t *testing.T) {
	if raced {
		t.Skip("too slow with the race detector")
	}
	play := func(rule, args string) []measured {
		o, err := parse(strings.Fields("-scenario prequal-testbed -seeds 1 -strategy "+rule+" "+args), t.Output())
		if err != nil {
			t.Fatal(err)
		}
		o.strategies = []string{rule}
		all, err := play(o)
		if err != nil {
			t.Fatal(err)
		}
		return all[0].loads
	}
	if got := play("round-robin", "-load 0.9 -for 120")[0]; got.p99 < deadline || got.timeouts == 0 {
		t.Errorf("round-robin at .9: p99 %.2f s, %d timeouts, want the deadline of 5 s", got.p99, got.timeouts)
	}
	loads := []float64{.7, .9, 1.57}
	usual := play("prequal", "-for 30 -load 0.7,0.9,1.57")
	if least := play("least-outstanding", "-for 30 -load 0.7,0.9")[1]; least.p99 < 3*usual[1].p99 {
		t.Errorf("at .9 least-outstanding has a p99 of %.2f s, prequal %.2f: want three times as much", least.p99, usual[1].p99)
	}
	if usual[1].p99 > 1.2*usual[0].p99 {
		t.Errorf("prequal's p99 goes from %.2f s at .7 to %.2f at .9, want at most 1.2 times as much", usual[0].p99, usual[1].p99)
	}
	latencyOnly, half := play("prequal", "-q 1 -for 30 -load 0.7,0.9,1.57"), play("prequal", "-probes 1.5 -for 30 -load 0.7,0.9,1.57")
	for i, u := range usual {
		if u.timeouts > 0 {
			t.Errorf("%d timeouts at %g", u.timeouts, loads[i])
		}
		if q1 := latencyOnly[i]; q1.p99 < 2*u.p99 {
			t.Errorf("at %g: p99 %.2f s with Q = 1, %.2f with 0.6: want it worse", loads[i], q1.p99, u.p99)
		}
		// Below .9 probes are plenty either way.
		if h := half[i]; loads[i] >= .9 && h.p99 < 1.05*u.p99 {
			t.Errorf("at %g: p99 %.2f s with half the probes, %.2f with all: want it worse", loads[i], h.p99, u.p99)
		}
	}
}
