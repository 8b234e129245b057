package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// surelyBest tells whether an arm may be marked: it is no worse in any of the
// comparisons, and better in one.
func surelyBest(all []bench.Comparison, name string) bool {
	beats := false
	for _, c := range all {
		if c.A != name && c.B != name {
			continue
		}
		switch {
		case c.Verdict == bench.Better && c.A == name, c.Verdict == bench.Worse && c.B == name:
			beats = true
		case c.Verdict != bench.Same:
			return false
		}
	}
	return beats
}

// bestArm is the arm that answers the plan's question, if one surely does.
func bestArm(r bench.Report) string {
	q := asked(r)
	arms := measuredArms(q.arms)
	if len(arms) == 0 {
		return ""
	}
	best := slices.MinFunc(arms, func(a, b bench.ArmResult) int { return cmp.Compare(q.of(a.LatencyMs), q.of(b.LatencyMs)) })
	if !surelyBest(q.comparisons, best.Name) {
		return ""
	}
	return best.Name
}

func armViews(r bench.Report) []armView {
	var views []armView
	q := asked(r)
	var slowest float64
	for _, a := range r.Arms {
		slowest = max(slowest, q.of(a.LatencyMs))
	}
	best := bestArm(r)
	for i, a := range r.Arms {
		v := armView{ArmResult: a, Class: seriesClass(i), RPS: rate(a.RPS), Errors: bench.Grouped(a.Errors),
			Fair: fmt.Sprintf("%.3f", a.Fairness), USD: "–", Trials: fmt.Sprintf("%d of %d", a.TrialsValid, a.TrialsTotal), Best: a.Name == best}
		if a.USDPerMillion > 0 {
			v.USD = dollars(a.USDPerMillion)
		}
		if a.Errors > 0 {
			v.Errors += " (" + percent(float64(a.Errors)/float64(a.Requests)) + ")"
		}
		if a.TrialsValid == 0 {
			v.Fair, v.Errors = "–", "–"
		}
		if slowest > 0 {
			v.Bar = 100 * q.of(a.LatencyMs) / slowest
		}
		for _, c := range latencyColumns(q) {
			v.Latencies = append(v.Latencies, latencyView{millis(c.of(a.LatencyMs)), c.metric == q.metric})
		}
		v.Nodes = nodeViews(a.PerNode)
		views = append(views, v)
	}
	return views
}

// latencyColumn is one of the arms' latencies on the page.
type latencyColumn struct {
	head, metric string // metric as in comparisons
	of           func(bench.Latency) float64
}

// latencyColumns begins with the average where that is what the plan asks for.
func latencyColumns(q question) []latencyColumn {
	average := latencyColumn{"average", "mean", func(l bench.Latency) float64 { return l.Mean }}
	columns := []latencyColumn{
		{"median", "p50", func(l bench.Latency) float64 { return l.P50 }},
		{"p90", "p90", func(l bench.Latency) float64 { return l.P90 }},
		{"p99", "p99", func(l bench.Latency) float64 { return l.P99 }},
		{"max", "max", func(l bench.Latency) float64 { return l.Max }},
	}
	if q.metric == average.metric {
		return slices.Insert(columns, 0, average)
	}
	return append(columns, average)
}

func nodeViews(nodes []bench.NodeShare) []nodeView {
	var views []nodeView
	var most float64
	for _, n := range nodes {
		most = max(most, n.Share)
	}
	if most == 0 {
		return nil
	}
	for _, n := range nodes {
		v := nodeView{ID: n.ID, Requests: bench.Grouped(n.Requests), Share: percent(n.Share)}
		if n.Errors > 0 {
			v.Errors = bench.Grouped(n.Errors) + " failed"
		}
		v.Bar, v.Even = 100*n.Share/most, 100/float64(len(nodes))/most
		views = append(views, v)
	}
	return views
}

// pairViews groups the comparisons by pair. Many pairs are folded up to their
// headings, which bear the verdicts, those with a certain one first.
func pairViews(r bench.Report) []pairView {
	named := func(arm string) nameView { return nameView{Name: arm, Emulated: armOf(r, arm).Emulated} }
	metric := asked(r).metric
	var views []pairView
	for _, group := range groupPairs(r.Comparisons) {
		v := pairView{A: named(group[0].A), B: named(group[0].B), Warning: group[0].Warning, Sentences: group}
		if group[0].Blocks > 0 { // every metric has the same blocks
			v.Chart = forestChart(group)
		}
		for _, c := range group {
			if (c.Metric == metric || c.Metric == "rps") && c.Blocks > 0 {
				v.Marks = append(v.Marks, markView{c.Verdict, fmt.Sprintf("%s %s %s", metricNames[c.Metric], glyph(c.Verdict), bounded(c.Ratio))})
			}
		}
		views = append(views, v)
	}
	if len(views) > manyPairs {
		open := func(v pairView) int {
			if slices.ContainsFunc(v.Marks, func(m markView) bool { return m.Verdict != bench.Unsure }) {
				return 0
			}
			return 1
		}
		slices.SortStableFunc(views, func(a, b pairView) int { return cmp.Compare(open(a), open(b)) })
		return views
	}
	for i := range views {
		views[i].Open = true
	}
	return views
}

func taxViews(all []bench.Tax) []taxView {
	var views []taxView
	for _, row := range taxRows(all) {
		v := taxView{Cluster: row.Cluster, Balancer: nameView{row.Target, row.Emulated}, Blocks: row.Blocks}
		for _, m := range metricOrder {
			t := row.By[m]
			v.Cells = append(v.Cells, taxCell{Figure: taxFigure(t), Interval: taxInterval(t), Sure: t.Sure})
			v.Sentences = append(v.Sentences, t.Sentence)
		}
		views = append(views, v)
	}
	return views
}

func groupPairs(all []bench.Comparison) [][]bench.Comparison {
	var groups [][]bench.Comparison
	for _, c := range all {
		if n := len(groups); n > 0 && groups[n-1][0].A == c.A && groups[n-1][0].B == c.B {
			groups[n-1] = append(groups[n-1], c)
		} else {
			groups = append(groups, []bench.Comparison{c})
		}
	}
	return groups
}

func groupColours(series []bench.CPUSeries) map[string]string {
	colours := map[string]string{}
	i := 0
	for _, s := range series {
		if s.Group == bench.ProxyGroup {
			colours[s.Group] = "balancer"
			continue
		}
		colours[s.Group] = seriesClass(i)
		i++
	}
	return colours
}

func viewTrial(t bench.TrialRow) trialView {
	v := trialView{TrialRow: t, P50: millis(t.LatencyMs.P50), P99: millis(t.LatencyMs.P99), Max: millis(t.LatencyMs.Max),
		Rate: rate(t.RPS), Lag: "–", CPU: "–", Seconds: "–", Requests: bench.Grouped(t.Requests), Errors: bench.Grouped(t.Errors), Why: strings.Join(t.Reasons, "; ")}
	if t.SendLag.Max > 0 {
		v.Lag = millis(float64(t.SendLag.P99) / 1000)
	}
	if t.Seconds > 0 {
		v.Seconds, v.CPU = fmt.Sprintf("%.2f s", t.Seconds), percent(t.WorkerCPU)
	}
	return v
}
