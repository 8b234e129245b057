package report

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// drawing collects the elements of one SVG. Colours are classes, so that the
// page's style decides them for light, dark and print.
type drawing struct {
	b             strings.Builder
	width, height float64
}

func newDrawing(width, height float64) *drawing { return &drawing{width: width, height: height} }

func (d *drawing) add(format string, args ...any) {
	fmt.Fprintf(&d.b, format, args...)
}

func (d *drawing) text(x, y float64, class, s string) {
	d.add(`<text x="%.1f" y="%.1f" class="%s">%s</text>`, x, y, class, html.EscapeString(s))
}

func (d *drawing) line(x1, y1, x2, y2 float64, class string) {
	d.add(`<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`, x1, y1, x2, y2, class)
}

func (d *drawing) rect(x, y, w, h float64, class, title string) {
	d.add(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" class="%s"`, x, y, math.Max(0, w), math.Max(0, h), class)
	if title == "" {
		d.add(`/>`)
		return
	}
	d.add(`><title>%s</title></rect>`, html.EscapeString(title))
}

// svg ends the drawing; label is what a screen reader says of it.
func (d *drawing) svg(label string) template.HTML {
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="%s">%s</svg>`,
		d.width, d.height, html.EscapeString(label), d.b.String()))
}

// scale maps values to pixels, linearly or by logarithm.
type scale struct {
	from, to float64 // values
	lo, hi   float64 // pixels
	log      bool
}

func (s scale) at(v float64) float64 {
	a, b := s.from, s.to
	if s.log {
		a, b, v = math.Log(a), math.Log(b), math.Log(max(v, math.SmallestNonzeroFloat64))
	}
	if a == b {
		return s.lo
	}
	t := min(1, max(0, (v-a)/(b-a)))
	return s.lo + t*(s.hi-s.lo)
}

// niceTicks are about n round values that cover from 0 to high.
func niceTicks(high float64, n int) []float64 {
	if high <= 0 {
		return []float64{0, 1}
	}
	raw := high / float64(n)
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*step >= raw {
			step *= m
			break
		}
	}
	var ticks []float64
	for k := 0.0; ; k++ {
		ticks = append(ticks, k*step)
		if k*step >= high*(1-1e-9) {
			return ticks
		}
	}
}

// decades are 1-2-5 values that cover low to high.
func decades(low, high float64) []float64 {
	var ticks []float64
	for p := math.Floor(math.Log10(low)); ; p++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow(10, p)
			if v < low*0.4 {
				continue
			}
			ticks = append(ticks, v)
			if v >= high*(1-1e-9) {
				return ticks
			}
		}
	}
}
