package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/stat"
)

var metricNames = map[string]string{"p99": "p99 latency", "p50": "median latency", "mean": "average latency", "rps": "throughput"}

// forestChart draws the comparisons of one pair of arms: a ratio and its 95 %
// interval on each line, and the band within which a difference does not matter.
func forestChart(pair []bench.Comparison) template.HTML {
	const left, right, top, row, bottom = 140.0, 300.0, 8.0, 30.0, 34.0
	d := newDrawing(960, top+row*float64(len(pair))+bottom)
	reach := 1.25 // how far the axis goes either way
	for _, c := range pair {
		for _, v := range []float64{c.Low, c.High, c.Ratio} {
			if v > 0 {
				reach = max(reach, v, 1/v)
			}
		}
	}
	const most = 10
	reach = min(reach*1.06, most)
	x := scale{from: 1 / reach, to: reach, lo: left, hi: d.width - right, log: true}
	foot := d.height - bottom
	d.rect(x.at(1/stat.MinEffect), top, x.at(stat.MinEffect)-x.at(1/stat.MinEffect), foot-top, "same", "a difference of less than 5 %")
	d.line(x.at(1), top, x.at(1), foot, "one")
	for _, t := range ratioTicks(reach) {
		d.line(x.at(t), foot, x.at(t), foot+4, "grid")
		d.text(x.at(t), foot+18, "tick mid", ratioTick(t))
	}
	for i, c := range pair {
		y := top + row*(float64(i)+0.5)
		d.text(0, y+4, "tick", metricNames[c.Metric])
		if c.Blocks == 0 {
			d.text(d.width-right+16, y+4, "tick", "no block has both")
			continue
		}
		class := "v-" + string(c.Verdict)
		d.line(x.at(c.Low), y, x.at(c.High), y, "whisker "+class)
		for _, edge := range []float64{c.Low, c.High} { // an interval that leaves the axis has no end on it
			if edge >= 1/reach && edge <= reach {
				d.line(x.at(edge), y-4, x.at(edge), y+4, "whisker "+class)
			}
		}
		m := x.at(c.Ratio)
		d.add(`<path d="M%.1f %.1fl7 7l-7 7l-7 -7Z" class="mark %s"/>`, m, y-7, class)
		d.text(d.width-right+16, y+4, "verdict "+class, glyph(c.Verdict)+" "+string(c.Verdict))
		d.text(d.width-right+100, y+4, "tick", interval(c))
	}
	return d.svg("Ratios with 95 % intervals; the sentences beside say the same.")
}

func interval(c bench.Comparison) string {
	if c.Blocks < 2 {
		return fmt.Sprintf("%.2f (one block)", c.Ratio)
	}
	return fmt.Sprintf("%s (%s to %s)", bounded(c.Ratio), bounded(c.Low), bounded(c.High))
}

func bounded(v float64) string {
	switch {
	case v < 0.01:
		return "< 0.01"
	case v > 99:
		return "> 99"
	}
	return fmt.Sprintf("%.2f", v)
}

// glyph shows a verdict without colour. Unsure is ~, as benchstat prints it.
func glyph(v bench.Verdict) string {
	switch v {
	case bench.Better:
		return "▲"
	case bench.Worse:
		return "▼"
	case bench.Same:
		return "="
	}
	return "~"
}

// ratioTicks are mirrored around 1.
func ratioTicks(reach float64) []float64 {
	steps := []float64{1.1, 1.25, 1.5, 2, 3, 5, 10}
	if reach > 1.6 {
		steps = []float64{1.25, 1.5, 2, 3, 5, 10}
	}
	if reach > 3 {
		steps = []float64{2, 5, 10}
	}
	ticks := []float64{1}
	for _, s := range steps {
		if s <= reach {
			ticks = append(ticks, s, 1/s)
		}
	}
	slices.Sort(ticks)
	return ticks
}

func ratioTick(v float64) string {
	if v >= 1 {
		return fmt.Sprintf("×%g", v)
	}
	return fmt.Sprintf("÷%g", math.Round(100/v)/100)
}
