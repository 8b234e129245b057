package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// cpuChart draws the CPU use of the balancer and of each cluster second by
// second, one strip each, with the trials shaded behind all of them. A step is
// a second: nothing is smoothed.
func cpuChart(series []bench.CPUSeries, colours map[string]string) template.HTML {
	if len(series) == 0 {
		return ""
	}
	const left, right, top, strip, gap, bottom = 64.0, 20.0, 26.0, 84.0, 22.0, 40.0
	n := float64(len(series))
	d := newDrawing(960, top+n*strip+(n-1)*gap+bottom)
	end := 1.0
	for _, s := range series {
		end = max(end, s.Points[len(s.Points)-1].T+1)
	}
	x := scale{from: 0, to: end, lo: left, hi: d.width - right}
	for i, t := range shaded(series) {
		class := "trial"
		if i%2 == 1 {
			class = "trial other"
		}
		d.rect(x.at(t.from), top-12, x.at(t.to)-x.at(t.from), d.height-bottom-top+12, class, t.key)
		if block, _, ok := strings.Cut(t.key, "-"); ok && x.at(t.to)-x.at(t.from) > 22 {
			d.text((x.at(t.from)+x.at(t.to))/2, top-1, "tick mid small", block)
		}
	}
	for i, s := range series {
		y0 := top + float64(i)*(strip+gap)
		y := scale{from: 0, to: 1, lo: y0 + strip, hi: y0 + 12}
		for _, share := range []float64{0, 0.5, 1} {
			d.line(left, y.at(share), d.width-right, y.at(share), "grid")
			d.text(left-8, y.at(share)+4, "tick end small", fmt.Sprintf("%.0f %%", share*100))
		}
		if s.Group == bench.ProxyGroup {
			d.line(left, y.at(0.85), d.width-right, y.at(0.85), "limit")
		}
		mean, highest := steps(s.Points, x, y)
		d.add(`<path d="%s" class="most %s"/>`, highest, colours[s.Group])
		d.add(`<path d="%s" class="area %s"/>`, mean, colours[s.Group])
		d.text(left+4, y0+9, "strip", s.Group)
	}
	for _, t := range niceTicks(end, 8) {
		if t <= end {
			d.text(x.at(t), d.height-bottom+18, "tick mid", fmt.Sprintf("%.4g", t))
		}
	}
	d.text((left+d.width-right)/2, d.height-4, "axis mid", "seconds since the first sample")
	return d.svg("CPU use of the balancer and of each cluster in every second, as a share of the cores they may use.")
}

// steps are the outlines of the mean and of the busiest instance.
func steps(points []bench.CPUPoint, x, y scale) (mean, highest string) {
	var a, b strings.Builder
	for i, p := range points {
		from, to := x.at(p.T), x.at(p.T+1)
		fresh := i == 0 || p.T-points[i-1].T > 1
		if fresh {
			if i > 0 {
				fmt.Fprintf(&a, "L%.1f %.1fZ", x.at(points[i-1].T+1), y.at(0))
			}
			fmt.Fprintf(&a, "M%.1f %.1f", from, y.at(0))
			fmt.Fprintf(&b, "M%.1f %.1fH%.1f", from, y.at(p.Max), to)
		} else {
			fmt.Fprintf(&b, "V%.1fH%.1f", y.at(p.Max), to)
		}
		fmt.Fprintf(&a, "L%.1f %.1fH%.1f", from, y.at(p.Share), to)
	}
	if len(points) > 0 {
		fmt.Fprintf(&a, "L%.1f %.1fZ", x.at(points[len(points)-1].T+1), y.at(0))
	}
	return a.String(), b.String()
}

type shade struct {
	key      string
	from, to float64
}

// shaded are the trials' spans in whole seconds, as the samples name them.
func shaded(series []bench.CPUSeries) []shade {
	span := map[string]*shade{}
	var order []string
	for _, s := range series {
		for _, p := range s.Points {
			if p.Trial == "" {
				continue
			}
			t := span[p.Trial]
			if t == nil {
				t = &shade{key: p.Trial, from: math.Inf(1)}
				span[p.Trial] = t
				order = append(order, p.Trial)
			}
			t.from, t.to = min(t.from, p.T), max(t.to, p.T+1)
		}
	}
	var all []shade
	for _, k := range order {
		all = append(all, *span[k])
	}
	return all
}
