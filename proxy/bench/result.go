package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// sample is what one round tells of one proxy. Times are in µs.
type sample struct {
	RPS       float64 // good answers a second at saturation
	CPU       float64 // user and system time of the proxy's processes for one request, then
	Busy      float64 // part of its core that it used, then
	Clients   float64 // part of the other core that the clients and nodes used
	P50, P99  float64 // at half of saturation, over the direct ones
	DirectP50 float64
	DirectP99 float64
	Bad       int // answers that were none or not 200
}

// result is one proxy's, over all rounds: medians, and the sum of Bad.
type result struct {
	RPS       float64 `json:"rps"`
	CPU       float64 `json:"cpuMicrosPerRequest"`
	P50       float64 `json:"p50Micros"` // added by the proxy, at half of its saturation
	P99       float64 `json:"p99Micros"`
	DirectP50 float64 `json:"directP50Micros"` // without a proxy, at the same rate
	DirectP99 float64 `json:"directP99Micros"`
	Busy      float64 `json:"busy"`        // part of its core that the proxy used at saturation
	Clients   float64 `json:"clientsBusy"` // and of theirs the clients and nodes; the one near 1 was the limit
	Bad       int     `json:"bad"`
	Rounds    int     `json:"rounds"`
	// ToFairlead is the median of the rounds' ratios to fairlead's figures of
	// the same round.
	ToFairlead *ratios `json:"toFairlead,omitempty"`
}

type ratios struct {
	RPS float64 `json:"rps"`
	CPU float64 `json:"cpuMicrosPerRequest"`
	P50 float64 `json:"p50Micros"`
	P99 float64 `json:"p99Micros"`
}

// summarise gives each proxy's medians.
func summarise(rounds []map[string]sample) map[string]result {
	all := make(map[string][]sample)
	pairs := make(map[string][][2]sample) // with fairlead's of the same round
	for _, round := range rounds {
		ours, compared := round[ours]
		for name, x := range round {
			all[name] = append(all[name], x)
			if compared {
				pairs[name] = append(pairs[name], [2]sample{x, ours})
			}
		}
	}
	results := make(map[string]result, len(all))
	for name, xs := range all {
		of := func(f func(sample) float64) float64 { return median(xs, f) }
		r := result{
			RPS: of(func(x sample) float64 { return x.RPS }), CPU: of(func(x sample) float64 { return x.CPU }),
			P50: of(func(x sample) float64 { return x.P50 }), P99: of(func(x sample) float64 { return x.P99 }),
			DirectP50: of(func(x sample) float64 { return x.DirectP50 }), DirectP99: of(func(x sample) float64 { return x.DirectP99 }),
			Busy: of(func(x sample) float64 { return x.Busy }), Clients: of(func(x sample) float64 { return x.Clients }), Rounds: len(xs),
		}
		for _, x := range xs {
			r.Bad += x.Bad
		}
		if ps := pairs[name]; len(ps) > 0 {
			to := func(f func(sample) float64) float64 {
				return median(ps, func(p [2]sample) float64 { return over(f(p[0]), f(p[1])) })
			}
			r.ToFairlead = &ratios{
				RPS: to(func(x sample) float64 { return x.RPS }), CPU: to(func(x sample) float64 { return x.CPU }),
				P50: to(func(x sample) float64 { return x.P50 }), P99: to(func(x sample) float64 { return x.P99 }),
			}
		}
		results[name] = r
	}
	return results
}

// over is a ratio, or 0 where it would mean nothing: an added latency that is
// lost in the noise may be zero or less.
func over(a, b float64) float64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	return a / b
}

func median[T any](xs []T, f func(T) float64) float64 {
	values := make([]float64, len(xs))
	for i, x := range xs {
		values[i] = f(x)
	}
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

// table prints the results, the cheapest first. In brackets: × fairlead's.
func table(results map[string]result) string {
	order := slices.Collect(maps.Keys(results))
	slices.SortFunc(order, func(a, b string) int {
		return cmp.Or(cmp.Compare(results[a].CPU, results[b].CPU), strings.Compare(a, b))
	})
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\trequests/s\tCPU µs/request\tadded p50 µs\tadded p99 µs\tcore busy\tclients'\tbad")
	for _, name := range order {
		r := results[name]
		to := func(float64) string { return "" }
		var x ratios
		if r.ToFairlead != nil {
			x = *r.ToFairlead
			to = func(v float64) string {
				if v == 0 {
					return " (~)"
				}
				return fmt.Sprintf(" (%.2f)", v)
			}
		}
		fmt.Fprintf(w, "%s\t%.0f%s\t%.1f%s\t%.0f%s\t%.0f%s\t%.0f %%\t%.0f %%\t%d\n", name, r.RPS, to(x.RPS), r.CPU, to(x.CPU),
			r.P50, to(x.P50), r.P99, to(x.P99), 100*r.Busy, 100*r.Clients, r.Bad)
	}
	_ = w.Flush() // to a Builder
	b.WriteString("(× fairlead's, median of the rounds). Latency at half of the proxy's own saturation, over the same load without a proxy.\n")
	return b.String()
}
