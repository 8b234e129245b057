package report

import (
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/internal/bench"
)

// armColumns are the figures of an arm. What the plan asks for stays longest.
func armColumns(q question) (columns []column, of []func(bench.ArmResult) string) {
	add := func(head string, drop int, left bool, cell func(bench.ArmResult) string) {
		columns, of = append(columns, column{head, drop, left}), append(of, cell)
	}
	average, p99 := 80, 0
	if q.metric == "mean" {
		average, p99 = 0, 5
	}
	add("nodes", 50, true, func(a bench.ArmResult) string { return nodesOf(a) })
	add("average", average, false, func(a bench.ArmResult) string { return millis(a.LatencyMs.Mean) })
	add("median", 30, false, func(a bench.ArmResult) string { return millis(a.LatencyMs.P50) })
	add("p90", 60, false, func(a bench.ArmResult) string { return millis(a.LatencyMs.P90) })
	add("p99", p99, false, func(a bench.ArmResult) string { return millis(a.LatencyMs.P99) })
	add("max", 70, false, func(a bench.ArmResult) string { return millis(a.LatencyMs.Max) })
	add("req/s", 10, false, func(a bench.ArmResult) string { return rate(a.RPS) })
	add("errors", 20, false, func(a bench.ArmResult) string {
		if a.TrialsValid == 0 {
			return "–"
		}
		return bench.Grouped(a.Errors)
	})
	add("valid", 40, false, func(a bench.ArmResult) string { return fmt.Sprintf("%d/%d", a.TrialsValid, a.TrialsTotal) })
	return columns, of
}

func nodesOf(a bench.ArmResult) string { return fmt.Sprintf("%d × %s", a.Nodes, a.InstanceType) }

// arms prints a line an arm. Where whole names leave no room for the figures,
// each cluster has a heading, and its arms go by their way in.
func (t *printer) arms(r bench.Report) {
	columns, of := armColumns(asked(r))
	flat := table{columns: append([]column{{"arm", 0, true}}, columns...)}
	for _, a := range r.Arms {
		flat.rows = append(flat.rows, tableRow{cells: cells(armName(a), a, of)})
	}
	const needed = 30 // the latencies, requests and errors
	kept := func(tb table) int {
		n := 0
		for _, c := range tb.fit(t.width).columns {
			if c.drop <= needed {
				n++
			}
		}
		return n
	}
	if len(r.Arms) == len(r.Plan.Clusters) || kept(flat) == kept(table{columns: flat.columns}) {
		t.table(flat)
		return
	}
	i := slices.IndexFunc(columns, func(c column) bool { return c.head == "nodes" })
	columns, of = slices.Delete(columns, i, i+1), slices.Delete(of, i, i+1)
	grouped := table{columns: append([]column{{"arm", 0, true}}, columns...)}
	for i, a := range r.Arms {
		if i == 0 || r.Arms[i-1].Cluster != a.Cluster {
			grouped.rows = append(grouped.rows, tableRow{span: a.Cluster + " · " + nodesOf(a)})
		}
		grouped.rows = append(grouped.rows, tableRow{cells: cells("  "+targetName(a), a, of)})
	}
	t.table(grouped)
}

func cells(name string, a bench.ArmResult, of []func(bench.ArmResult) string) []string {
	out := []string{name}
	for _, f := range of {
		out = append(out, f(a))
	}
	return out
}

// taxes prints what each balancer costs, with the 95 % interval below.
func (t *printer) taxes(r bench.Report) {
	rows := taxRows(r.Taxes)
	if len(rows) == 0 {
		return
	}
	t.line("")
	few := false
	tb := table{columns: []column{{"through − direct", 0, true}}}
	for _, m := range metricOrder {
		drop := 30
		if m == asked(r).metric {
			drop = 0
		} else if m == "mean" {
			drop = 50
		}
		tb.columns = append(tb.columns, column{shortNames[m], drop, false})
	}
	for i, row := range rows {
		if i == 0 || rows[i-1].Cluster != row.Cluster {
			tb.rows = append(tb.rows, tableRow{span: row.Cluster})
		}
		line := tableRow{cells: []string{"  " + row.Name()}}
		for _, m := range metricOrder {
			cell := taxFigure(row.By[m])
			if within := taxInterval(row.By[m]); within != "" {
				cell += "\n" + within
			}
			line.cells = append(line.cells, cell)
			few = few || !row.By[m].Sure
		}
		tb.rows = append(tb.rows, line)
	}
	t.table(tb)
	note := "What the balancer costs, block by block, with 95 % intervals in ms; the figures above take all blocks together."
	if few {
		note += " ~ is not sure: " + unsureTax()
	}
	t.wrap("", note, faint)
}

var shortNames = map[string]string{"mean": "average", "p50": "median", "p99": "p99"}
