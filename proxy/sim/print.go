package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// figure is what -json gives of a strategy. Of several loads the object
// itself holds the last one, and byLoad all.
type figure struct {
	Load          float64  `json:"load"`
	P50Ms         float64  `json:"p50Ms"`
	P90Ms         float64  `json:"p90Ms"`
	P99Ms         float64  `json:"p99Ms"`
	Requests      int      `json:"requests"`
	Timeouts      int      `json:"timeouts"`
	P99OverOracle float64  `json:"p99OverOracle"`
	P99OverBest   float64  `json:"p99OverBestOracle"`
	ByLoad        []figure `json:"byLoad,omitempty"`
}

func figures(all []outcome) map[string]figure {
	out := map[string]figure{}
	for _, o := range all {
		var byLoad []figure
		for i, m := range o.loads {
			over, _, _ := ratio(m, find(all, reference, i))
			byLoad = append(byLoad, figure{
				Load: round(m.load, 4), P50Ms: round(1e3*m.p50, 3), P90Ms: round(1e3*m.p90, 3), P99Ms: round(1e3*m.p99, 3),
				Requests: m.requests, Timeouts: m.timeouts, P99OverOracle: round(over, 4), P99OverBest: round(m.p99/best(all, i).p99, 4),
			})
		}
		f := byLoad[len(byLoad)-1]
		if len(byLoad) > 1 {
			f.ByLoad = byLoad
		}
		out[o.rule] = f
	}
	return out
}

func round(x float64, digits int) float64 {
	p := math.Pow10(digits)
	return math.Round(x*p) / p
}

// print gives a table, and bars of the p99 on a logarithmic scale.
func print(w io.Writer, o options, all []outcome) error {
	s := o.scenario
	fmt.Fprintf(w, "%s: %s. Work %s, mean %g ms; %d seeds, %g s each. Times in ms.\n", o.name, s.why, s.cost, 1e3*s.work, o.seeds, s.lasts)
	fmt.Fprintln(w, "× oracle: p99 over the oracle's, all seeds together, and of single seeds the lowest and highest; × best: over the best oracle's.")
	longest := 0.0
	for _, out := range all {
		for _, m := range out.loads {
			longest = max(longest, m.p99)
		}
	}
	for i := range s.loads {
		oracle, best := find(all, reference, i), best(all, i)
		fmt.Fprintf(w, "\nload %.2f\n", s.loads[i])
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "strategy\tp50\tp90\tp99\ttimeouts\t× oracle\t\t× best\tp99, logarithmic")
		for _, out := range all {
			m := out.loads[i]
			over, low, high := ratio(m, oracle)
			fmt.Fprintf(t, "%s\t%.1f\t%.1f\t%.1f\t%s\t%.3f\t%.2f … %.2f\t%.3f\t%s\n", out.rule, 1e3*m.p50, 1e3*m.p90, 1e3*m.p99,
				lost(m), over, low, high, m.p99/best.p99, bar(m.p99, best.p99/2, longest))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// lost is the share of requests that met the deadline.
func lost(m measured) string {
	if m.timeouts == 0 {
		return "0"
	}
	return fmt.Sprintf("%.2g %%", 100*float64(m.timeouts)/float64(m.requests))
}

func bar(x, least, most float64) string {
	const width = 40
	if x <= least || most <= least {
		return ""
	}
	return strings.Repeat("█", int(math.Ceil(width*math.Log(x/least)/math.Log(most/least))))
}
