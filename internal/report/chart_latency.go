package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// seriesClass is the colour and, beyond eight arms, the dashes of the i-th arm.
func seriesClass(i int) string {
	return fmt.Sprintf("s%d d%d", i%8, i/8%3)
}

// latencyChart draws each arm's percentile spectrum: the horizontal axis gives
// each further nine of requests the same room, because users meet the tail.
// It is empty without a valid trial.
func latencyChart(arms []bench.ArmResult) template.HTML {
	const left, right, top, bottom = 64.0, 20.0, 14.0, 44.0
	d := newDrawing(960, 400)
	var most, median float64
	nines := 1.0 // of the arm that has most requests
	for _, a := range arms {
		for _, p := range a.Histogram {
			most = max(most, p.Ms)
			if p.Quantile < 1 {
				nines = max(nines, -math.Log10(1-p.Quantile))
			}
		}
		if a.LatencyMs.P50 > 0 && (median == 0 || a.LatencyMs.P50 < median) {
			median = a.LatencyMs.P50
		}
	}
	if most == 0 {
		return ""
	}
	last := nines + 0.3 // where the maximum stands
	x := scale{from: 0, to: last, lo: left, hi: d.width - right}
	y := scale{lo: d.height - bottom, hi: top}
	var ticks []float64
	if y.log = most > 15*median; y.log {
		ticks = decades(lowest(arms), most)
		y.from, y.to = ticks[0], ticks[len(ticks)-1]
	} else {
		ticks = niceTicks(most, 5)
		y.from, y.to = 0, ticks[len(ticks)-1]
	}
	for _, t := range ticks {
		d.line(left, y.at(t), d.width-right, y.at(t), "grid")
		d.text(left-8, y.at(t)+4, "tick end", tickMillis(t))
	}
	for _, q := range []float64{0, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999, 0.99999} {
		at := -math.Log10(1 - q)
		if at > nines {
			break
		}
		d.line(x.at(at), top, x.at(at), d.height-bottom, "grid")
		d.text(x.at(at), d.height-bottom+18, "tick mid", strings.TrimSuffix(fmt.Sprintf("p%.5g", q*100), "."))
	}
	d.text(x.at(last), d.height-bottom+18, "tick end", "max")
	d.text((left+d.width-right)/2, d.height-6, "axis mid", "share of requests that were at least this fast")
	for i, a := range arms {
		var path strings.Builder
		for k, p := range a.Histogram {
			at := last
			if p.Quantile < 1 {
				at = -math.Log10(1 - p.Quantile)
			}
			command := "L"
			if k == 0 {
				command = "M"
			}
			fmt.Fprintf(&path, "%s%.1f %.1f", command, x.at(at), y.at(p.Ms))
		}
		if path.Len() > 0 {
			d.add(`<path d="%s" class="curve %s"><title>%s</title></path>`, path.String(), seriesClass(i), template.HTMLEscapeString(armName(a)))
		}
	}
	return d.svg("Latency by percentile for each arm; the table above gives the same figures.")
}

func lowest(arms []bench.ArmResult) float64 {
	least := math.Inf(1)
	for _, a := range arms {
		for _, p := range a.Histogram {
			if p.Ms > 0 {
				least = min(least, p.Ms)
			}
		}
	}
	return least
}

func tickMillis(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.4g s", ms/1000)
	}
	return fmt.Sprintf("%.4g ms", ms)
}
