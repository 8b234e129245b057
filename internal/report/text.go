package report

import (
	"fmt"
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
	t.verdicts(r.Comparisons)
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
	subject, _, _ := strings.Cut(strings.ReplaceAll(t.Expression, ">", "<"), "<")
	var value string
	switch subject = strings.TrimSpace(subject); subject[strings.LastIndexByte(subject, '.')+1:] {
	case "rps":
		value = fmt.Sprintf("measured %.4g", t.Value)
	case "errors":
		value = "measured " + percent(t.Value)
	default:
		value = "measured " + millis(t.Value)
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
	// "95 %" stays together.
	for word := range strings.SplitSeq(strings.Join(strings.Fields(strings.ReplaceAll(s, " %", hard+"%")), " "), " ") {
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

// column is one of the arms' table; those with a greater drop go first where
// the terminal is narrow.
type column struct {
	head string
	drop int
	of   func(bench.ArmResult) string
}

func (t *printer) arms(r bench.Report) {
	columns := []column{
		{"arm", 0, func(a bench.ArmResult) string { return a.Name }},
		{"nodes", 5, func(a bench.ArmResult) string { return fmt.Sprintf("%d × %s", a.Nodes, a.InstanceType) }},
		{"median", 3, func(a bench.ArmResult) string { return millis(a.LatencyMs.P50) }},
		{"p90", 6, func(a bench.ArmResult) string { return millis(a.LatencyMs.P90) }},
		{"p99", 0, func(a bench.ArmResult) string { return millis(a.LatencyMs.P99) }},
		{"max", 7, func(a bench.ArmResult) string { return millis(a.LatencyMs.Max) }},
		{"req/s", 1, func(a bench.ArmResult) string { return rate(a.RPS) }},
		{"errors", 2, func(a bench.ArmResult) string {
			if a.TrialsValid == 0 {
				return "–"
			}
			return bench.Grouped(a.Errors)
		}},
		{"valid", 4, func(a bench.ArmResult) string { return fmt.Sprintf("%d/%d", a.TrialsValid, a.TrialsTotal) }},
	}
	widths := func() (each []int, total int) {
		for _, c := range columns {
			w := utf8.RuneCountInString(c.head)
			for _, a := range r.Arms {
				w = max(w, utf8.RuneCountInString(c.of(a)))
			}
			each = append(each, w)
			total += w + 2
		}
		return each, total - 2
	}
	each, total := widths()
	for total > t.width {
		last := 0
		for i, c := range columns {
			if c.drop > columns[last].drop {
				last = i
			}
		}
		if columns[last].drop == 0 {
			break
		}
		columns = append(columns[:last:last], columns[last+1:]...)
		each, total = widths()
	}
	row := func(colour string, cell func(column) string) {
		var line strings.Builder
		for i, c := range columns {
			pad := strings.Repeat(" ", each[i]-utf8.RuneCountInString(cell(c)))
			if i < 2 && (i == 0 || c.head == "nodes") {
				line.WriteString(cell(c) + pad + "  ")
			} else {
				line.WriteString(pad + cell(c) + "  ")
			}
		}
		t.line(t.paint(colour, strings.TrimRight(line.String(), " ")))
	}
	row(faint, func(c column) string { return c.head })
	for _, a := range r.Arms {
		row(plain, func(c column) string { return c.of(a) })
	}
}

// verdicts prints p99 and throughput of each pair. Of many pairs it prints what
// is certain and counts the rest.
func (t *printer) verdicts(all []bench.Comparison) {
	pairs := groupPairs(all)
	if len(pairs) == 0 {
		return
	}
	if !slices.ContainsFunc(all, func(c bench.Comparison) bool { return c.Blocks >= stat.MinBlocks }) {
		return // all have too few blocks, and the headline says so
	}
	const most = 6
	hidden, shown := 0, false
	for _, pair := range pairs {
		for _, c := range pair {
			if c.Metric != "p99" && c.Metric != "rps" || c.Blocks == 0 {
				continue
			}
			if len(pairs) > most && (c.Verdict == bench.Unsure || c.Metric == "rps") {
				if c.Metric == "p99" {
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
		t.wrap("~ ", fmt.Sprintf("%d more pairs are not certain about the p99; the report has them.", hidden), plain)
	}
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
