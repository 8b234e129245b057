package report

import (
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// headline is the answer in one sentence, no surer than the evidence, and with
// the place where it holds.
func headline(r bench.Report) string {
	return answer(r) + where(r)
}

func where(r bench.Report) string {
	if r.Environment.Kind == "local" {
		return " Emulated on one machine, not AWS."
	}
	return ""
}

func answer(r bench.Report) string {
	arms := measuredArms(r)
	switch len(arms) {
	case 0:
		return "No answer: nothing valid was measured."
	case 1:
		a := arms[0]
		return fmt.Sprintf("%s (%d × %s) answered with a p99 of %s and %s.", a.Name, a.Nodes, a.InstanceType, millis(a.LatencyMs.P99), errorsOf(a))
	}
	best := arms[0]
	for _, a := range arms[1:] {
		if a.LatencyMs.P99 < best.LatencyMs.P99 {
			best = a
		}
	}
	var beats, equal, open []bench.Comparison
	for _, c := range r.Comparisons {
		if c.Metric != "p99" || c.Blocks == 0 || c.A != best.Name && c.B != best.Name {
			continue
		}
		switch {
		case c.Verdict == bench.Better && c.A == best.Name, c.Verdict == bench.Worse && c.B == best.Name:
			beats = append(beats, c)
		case c.Verdict == bench.Same:
			equal = append(equal, c)
		default:
			open = append(open, c)
		}
	}
	if len(beats)+len(equal)+len(open) == 1 {
		return pair(r, beats, equal, open)
	}
	head := fmt.Sprintf("%s has the lowest p99 (%s)", best.Name, millis(best.LatencyMs.P99))
	var parts []string
	if n := len(beats); n > 0 {
		parts = append(parts, fmt.Sprintf("better than %s", count(n)))
	}
	if n := len(equal); n > 0 {
		parts = append(parts, fmt.Sprintf("the same as %s", count(n)))
	}
	if n := len(open); n > 0 {
		parts = append(parts, fmt.Sprintf("not certain against %s", count(n)))
	}
	if len(parts) == 0 {
		return head + ", but it was compared with none."
	}
	return head + ": " + strings.Join(parts, ", ") + " of the arms that differ from it in one thing."
}

// pair is the answer where there is one comparison. What both arms share is
// said once.
func pair(r bench.Report, beats, equal, open []bench.Comparison) string {
	switch {
	case len(beats) == 1:
		c := beats[0]
		if c.Verdict == bench.Worse { // put the winner first
			c.A, c.B, c.Low, c.High = c.B, c.A, 1/c.High, 1/c.Low
		}
		winner, loser, shared := nameBoth(r, c.A, c.B)
		return fmt.Sprintf("%s serves this load better than %s%s: a p99 of %s against %s, %.2f to %.2f times lower (95 %% interval, %d blocks).",
			winner, loser, shared, millis(armOf(r, c.A).LatencyMs.P99), millis(armOf(r, c.B).LatencyMs.P99), 1/c.High, 1/c.Low, c.Blocks)
	case len(equal) == 1:
		a, b, shared := nameBoth(r, equal[0].A, equal[0].B)
		return fmt.Sprintf("%s and %s serve this load alike%s: their p99 is the same within 5 %% (%d blocks).", a, b, shared, equal[0].Blocks)
	}
	return "Not certain yet. " + open[0].Sentence
}

// nameBoth names two arms by what they differ in, and what they share apart.
func nameBoth(r bench.Report, a, b string) (nameA, nameB, shared string) {
	x, y := armOf(r, a), armOf(r, b)
	if x.Cluster == y.Cluster {
		return x.Target.String(), y.Target.String(), fmt.Sprintf(" before %s (%d × %s)", x.Cluster, x.Nodes, x.InstanceType)
	}
	size := func(v bench.ArmResult) string {
		return fmt.Sprintf("%s (%d × %s)", v.Cluster, v.Nodes, v.InstanceType)
	}
	return size(x), size(y), ", both through " + x.Target.String()
}

func armOf(r bench.Report, name string) bench.ArmResult {
	for _, a := range r.Arms {
		if a.Name == name {
			return a
		}
	}
	return bench.ArmResult{}
}

func measuredArms(r bench.Report) []bench.ArmResult {
	var arms []bench.ArmResult
	for _, a := range r.Arms {
		if a.TrialsValid > 0 && a.Requests > a.Errors {
			arms = append(arms, a)
		}
	}
	return arms
}

func errorsOf(a bench.ArmResult) string {
	if a.Errors == 0 {
		return "no errors"
	}
	return percent(float64(a.Errors)/float64(a.Requests)) + " errors"
}
