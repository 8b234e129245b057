package report

import (
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/stat"
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
	q := asked(r)
	arms := measuredArms(q.arms)
	switch len(arms) {
	case 0:
		if len(measuredArms(r.Arms)) > 0 {
			return "No answer: nothing valid was measured through a balancer."
		}
		return "No answer: nothing valid was measured."
	case 1:
		a := arms[0]
		only := ""
		if n := len(q.arms); n > 1 {
			only = fmt.Sprintf(" None of the other %d has a valid trial.", n-1)
			if n == 2 {
				only = " The other arm has no valid trial."
			}
		}
		return fmt.Sprintf("%s (%d × %s) answered with %s of %s and %s.", armName(a), a.Nodes, a.InstanceType, q.one, millis(q.of(a.LatencyMs)), errorsOf(a)) + only + added(r, q)
	}
	if judged := q.judged(); len(judged) == 1 && len(arms) == 2 {
		return pair(r, q, judged[0]) + added(r, q)
	}
	return ranking(r, q, arms) + added(r, q)
}

// ranking is the answer where arms are many: the one with the least, and which
// of the arms that differ from it in one thing it surely beats.
func ranking(r bench.Report, q question, arms []bench.ArmResult) string {
	best := arms[0]
	for _, a := range arms[1:] {
		if q.of(a.LatencyMs) < q.of(best.LatencyMs) {
			best = a
		}
	}
	var beats, equal, loses, open []string
	few := 0
	for _, c := range q.judged() {
		other := c.B
		if c.B == best.Name {
			other = c.A
		} else if c.A != best.Name {
			continue
		}
		name := difference(r, best.Name, other)
		switch {
		case c.Verdict == bench.Better && c.A == best.Name, c.Verdict == bench.Worse && c.B == best.Name:
			beats = append(beats, name)
		case c.Verdict == bench.Same:
			equal = append(equal, name)
		case c.Verdict == bench.Better, c.Verdict == bench.Worse:
			loses = append(loses, name)
		default:
			open = append(open, name)
			if c.Blocks < stat.MinBlocks {
				few = max(few, c.Blocks)
			}
		}
	}
	head := fmt.Sprintf("%s has the lowest %s (%s)", armName(best), q.name, millis(q.of(best.LatencyMs)))
	if len(beats)+len(equal)+len(loses)+len(open) == 0 {
		return head + ", but it could be compared with none."
	}
	if few > 0 && len(open) > 0 && len(beats)+len(equal)+len(loses) == 0 {
		return fmt.Sprintf("No verdict yet: %s, %d or more are needed. So far %s.", tooFew(few), stat.MinBlocks, head)
	}
	if len(beats)+len(equal)+len(loses) == 0 {
		return fmt.Sprintf("No arm is surely the best: %s, but the noise hides whether it is lower than that of %s.", head, and(open))
	}
	var parts []string
	add := func(what string, names []string) {
		if len(names) > 0 {
			parts = append(parts, what+and(names))
		}
	}
	add("surely lower than that of ", beats)
	add("the same within 5 % as that of ", equal)
	add("yet higher, block by block, than that of ", loses)
	add("not certain against ", open)
	return head + ": " + strings.Join(parts, "; ") + "."
}

// and joins names as a sentence does; of many it counts the rest.
func and(names []string) string {
	if n := len(names); n > 1 && n <= 6 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return list(names)
}

// difference names an arm by what it differs in from another.
func difference(r bench.Report, from, other string) string {
	x, y := armOf(r, from), armOf(r, other)
	switch {
	case x.Cluster == y.Cluster && x.Target.Kind == y.Target.Kind:
		return strings.TrimPrefix(targetName(y), string(y.Target.Kind)+"/")
	case x.Cluster == y.Cluster:
		return targetName(y)
	}
	return y.Cluster
}

// pair is the answer where there are two arms. What both share is said once.
func pair(r bench.Report, q question, c bench.Comparison) string {
	if c.Verdict == bench.Worse { // put the winner first
		c.A, c.B, c.Low, c.High, c.Verdict = c.B, c.A, 1/c.High, 1/c.Low, bench.Better
	}
	a, b, shared := nameBoth(r, c.A, c.B)
	x, y := q.of(armOf(r, c.A).LatencyMs), q.of(armOf(r, c.B).LatencyMs)
	switch {
	case c.Verdict == bench.Better && x < y:
		return fmt.Sprintf("%s serves this load better than %s%s: %s of %s against %s, %.2f to %.2f times lower (95 %% interval, %d blocks).",
			a, b, shared, q.one, millis(x), millis(y), 1/c.High, 1/c.Low, c.Blocks)
	case c.Verdict == bench.Better: // one wild trial may turn the sums round
		return fmt.Sprintf("%s serves this load better than %s%s: block by block its %s is %.2f to %.2f times lower (95 %% interval, %d blocks).",
			a, b, shared, q.name, 1/c.High, 1/c.Low, c.Blocks)
	case c.Verdict == bench.Same:
		return fmt.Sprintf("%s and %s serve this load alike%s: their %s is the same within 5 %% (%d blocks).", a, b, shared, q.name, c.Blocks)
	case c.Blocks < stat.MinBlocks:
		return fmt.Sprintf("No verdict yet: %s, %d or more are needed. So far %s has %s of %s and %s one of %s%s.",
			tooFew(c.Blocks), stat.MinBlocks, a, q.one, millis(x), b, millis(y), shared)
	}
	if c.BlocksNeeded == 0 { // more blocks would not help
		return c.Sentence
	}
	if q.metric == "mean" { // who asks for an average wants to see it, sure or not
		return fmt.Sprintf("Not certain yet: %s has %s of %s and %s one of %s%s, and the noise hides which serves this load better (ratio %.2f, 95 %% interval %.2f to %.2f, %d blocks).",
			a, q.one, millis(x), b, millis(y), shared, c.Ratio, c.Low, c.High, c.Blocks)
	}
	return "Not certain yet. " + c.Sentence
}

func tooFew(n int) string {
	if n == 1 {
		return "one block is too few"
	}
	return fmt.Sprintf("%d blocks are too few", n)
}

// nameBoth names two arms by what they differ in, and what they share apart.
func nameBoth(r bench.Report, a, b string) (nameA, nameB, shared string) {
	x, y := armOf(r, a), armOf(r, b)
	if x.Cluster == y.Cluster {
		return targetName(x), targetName(y), fmt.Sprintf(" before %s (%d × %s)", x.Cluster, x.Nodes, x.InstanceType)
	}
	size := func(v bench.ArmResult) string {
		return fmt.Sprintf("%s (%d × %s)", v.Cluster, v.Nodes, v.InstanceType)
	}
	if x.Target.Kind == bench.TargetDirect {
		return size(x), size(y), ", both without a balancer"
	}
	return size(x), size(y), ", both through " + targetName(x)
}

func armOf(r bench.Report, name string) bench.ArmResult {
	for _, a := range r.Arms {
		if a.Name == name {
			return a
		}
	}
	return bench.ArmResult{}
}

func measuredArms(all []bench.ArmResult) []bench.ArmResult {
	var arms []bench.ArmResult
	for _, a := range all {
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
