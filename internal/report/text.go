package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/stat"
)

// Text is the report for a terminal of a given width, 80 if that is unknown.
func Text(r bench.Report, width int, color bool) string {
	if width <= 0 {
		width = 80
	}
	t := &printer{width: max(width, 40), color: color}
	t.line("")
	status, env := strings.ToUpper(string(r.Status)), stamp(r.Environment)
	if utf8.RuneCountInString(status+"  "+env) <= t.width {
		t.line(t.paint(statusColour(r.Status), status) + "  " + t.paint(stampColour(r.Environment), env))
	} else {
		t.wrap(status+"  ", env, stampColour(r.Environment))
	}
	t.wrap("", strings.TrimSuffix(r.Headline, where(r)), bold)
	if r.Reason != "" {
		t.wrap("", "Reason: "+r.Reason, statusColour(r.Status))
	}
	if len(r.Arms) > 0 {
		t.line("")
		t.arms(r)
	}
	t.taxes(r)
	t.verdicts(r)
	if len(r.Thresholds) > 0 {
		t.line("")
		for _, th := range r.Thresholds {
			mark, c := "✓", green
			if !th.Passed {
				mark, c = "✗", red
			}
			t.wrap(mark+" ", fmt.Sprintf("%s (%s)", th.Expression, Measured(th)), c)
		}
	}
	if len(r.Warnings) > 0 {
		t.line("")
		for _, w := range r.Warnings {
			t.wrap("! ", w, yellow)
		}
	}
	if line := checksLine(r); line != "" {
		t.line("")
		t.wrap("? ", line, yellow)
	}
	t.line("")
	t.wrap("", costLine(r), plain)
	t.wrap("", leftLine(r), plain)
	return t.b.String()
}

// Measured is a threshold's value in its own unit, or why there is none.
func Measured(t bench.Threshold) string {
	if t.Note == "no valid trial" {
		return "not measured: " + t.Note
	}
	measured := "measured "
	if t.Emulated {
		measured = "emulated, measured "
	}
	subject, _, _ := strings.Cut(strings.ReplaceAll(t.Expression, ">", "<"), "<")
	var value string
	switch subject = strings.TrimSpace(subject); subject[strings.LastIndexByte(subject, '.')+1:] {
	case "rps":
		value = measured + fmt.Sprintf("%.4g", t.Value)
	case "errors":
		value = measured + percent(t.Value)
	default:
		value = measured + millis(t.Value)
	}
	if t.Note != "" {
		value += " " + t.Note
	}
	return value
}

func costLine(r bench.Report) string {
	c := r.Cost
	if r.Environment.Kind == "aws" {
		return fmt.Sprintf("Cost: %s (list prices of %s, %s).", dollars(c.USD), c.Region, c.PricesFrom)
	}
	return fmt.Sprintf("Cost: nothing here; on AWS this plan would cost about %s (list prices of %s, %s).", dollars(c.USD), c.Region, c.PricesFrom)
}

// checksLine names what the account was short of, or could not be asked, before
// the start, where that may be why a run did not go well: a run that is done had
// all that it needed. The page has them all, with details.
func checksLine(r bench.Report) string {
	var short, unknown []string
	for _, c := range r.Checks {
		if c.Status == bench.CheckShort {
			short = append(short, c.What)
		} else {
			unknown = append(unknown, c.What)
		}
	}
	var parts []string
	if len(short) > 0 {
		parts = append(parts, "Short before the start: "+and(short)+".")
	}
	if len(unknown) > 0 && (len(short) > 0 || r.Status != bench.StatusDone) {
		parts = append(parts, "Not known before the start: "+and(unknown)+".")
	}
	return strings.Join(parts, " ")
}

// printer collects lines.
type printer struct {
	b     strings.Builder
	width int
	color bool
}

// The colours, as SGR parameters; plain is none.
const (
	plain  = ""
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "34"
	faint  = "2"
)

func (t *printer) paint(colour, s string) string {
	if !t.color || colour == plain || s == "" {
		return s
	}
	return "\x1b[" + colour + "m" + s + "\x1b[0m"
}

func (t *printer) line(s string) { t.b.WriteString(strings.TrimRight(s, " ") + "\n") }

// hard stands for a space at which no line breaks.
const hard = "\x00"

// united is a number with its unit behind a space: "95 %", "1.21 s".
var united = regexp.MustCompile(`(\d) (%|(?:µs|ms|s|min)\b)`)

// together puts something unbreakable between numbers and their units.
func together(s, space string) string { return united.ReplaceAllString(s, "${1}"+space+"${2}") }

// wrap breaks a text between words; lines after the first are indented as far
// as the prefix reaches.
func (t *printer) wrap(prefix, s, colour string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(prefix))
	room := t.width - len(indent)
	var line string
	flush := func() {
		t.line(prefix + t.paint(colour, line))
		prefix, line = indent, ""
	}
	for word := range strings.SplitSeq(strings.Join(strings.Fields(together(s, hard)), " "), " ") {
		word = strings.ReplaceAll(word, hard, " ")
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	flush()
}

// verdicts prints the latency that the plan asks for, and the throughput, of each
// pair. Of many pairs it prints what is certain and counts the rest. A balancer
// against direct stands in the taxes.
func (t *printer) verdicts(r bench.Report) {
	metric := asked(r).metric
	var all []bench.Comparison
	for _, c := range r.Comparisons {
		a, b := armOf(r, c.A), armOf(r, c.B)
		if len(r.Taxes) == 0 || a.Cluster != b.Cluster || a.Target.Kind != bench.TargetDirect && b.Target.Kind != bench.TargetDirect {
			all = append(all, c)
		}
	}
	pairs := groupPairs(all)
	if len(pairs) == 0 {
		return
	}
	if !slices.ContainsFunc(all, func(c bench.Comparison) bool { return c.Blocks >= stat.MinBlocks }) {
		return // all have too few blocks, and the headline says so
	}
	hidden, shown := 0, false
	for _, pair := range pairs {
		for _, c := range pair {
			if c.Metric != metric && c.Metric != "rps" || c.Blocks == 0 {
				continue
			}
			if len(pairs) > manyPairs && (c.Verdict == bench.Unsure || c.Metric == "rps") {
				if c.Metric == metric {
					hidden++
				}
				continue
			}
			if !shown {
				t.line("")
				shown = true
			}
			t.wrap(glyph(c.Verdict)+" ", c.Sentence, verdictColour(c.Verdict))
		}
	}
	if hidden > 0 {
		t.wrap("~ ", fmt.Sprintf("%s not certain about the %s; the report has %s.", more(hidden), shortNames[metric], them(hidden)), plain)
	}
}

func more(pairs int) string {
	if pairs == 1 {
		return "1 more pair is"
	}
	return fmt.Sprintf("%d more pairs are", pairs)
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

func verdictColour(v bench.Verdict) string {
	return map[bench.Verdict]string{bench.Better: green, bench.Worse: red, bench.Same: blue, bench.Unsure: faint}[v]
}

func statusColour(s bench.Status) string {
	switch s {
	case bench.StatusDone:
		return green
	case bench.StatusPartial:
		return yellow
	}
	return red
}

func stampColour(e bench.Environment) string {
	if e.Kind == "aws" {
		return blue
	}
	return yellow
}
