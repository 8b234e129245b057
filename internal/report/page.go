package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/stat"
)

//go:embed page.gohtml
var pageTemplate string

//go:embed page.css
var pageStyle string

// HTML is the report as one page that asks nobody for anything: styles and
// charts are in it, there is no script, and it prints.
func HTML(r bench.Report) ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{"measured": Measured, "plural": plural, "breakable": breakable, "unsureTax": unsureTax, "kind": kindName}).Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse the page's template: %w", err)
	}
	p, err := newPage(r)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("write the page: %w", err)
	}
	return b.Bytes(), nil
}

const (
	longAnswer = 160 // characters; a longer one is set smaller
	manyPairs  = 6   // more are folded up to their headings
)

// page is what the template shows: everything is text already.
type page struct {
	Style      template.CSS
	R          bench.Report
	Local      bool
	Stamp      string // the environment in a few words
	Answer     string // the headline without the place, which the stamp says
	LongAnswer bool
	Facts      []fact
	Latencies  []string // of the arms' columns
	Arms       []armView
	Latency    template.HTML
	Pairs      []pairView
	Folded     bool // there are many
	Taxes      []taxView
	CPU        template.HTML
	Trials     []trialView
	OpenTrials bool
	Cost       []costView
	CostUSD    string
	CostLabel  string
	PlanJSON   string
	Receipt    *receiptView
	ALB, Proxy bool // the plan has targets of that kind
}

type fact struct{ Value, Label string }

type armView struct {
	bench.ArmResult
	Class                          string
	Latencies                      []latencyView
	RPS, Errors, Fair, USD, Trials string
	Bar                            float64 // what the plan asks for, percent of the largest
	Best                           bool
	Nodes                          []nodeView
}

// latencyView is a latency in a cell; the one that the plan asks for has a bar.
type latencyView struct {
	Text  string
	Asked bool
}

type nodeView struct {
	ID, Requests, Share, Errors string
	Bar                         float64 // percent of the largest share
	Even                        float64 // the even share on the same scale
}

type pairView struct {
	A, B      nameView
	Warning   string
	Chart     template.HTML
	Marks     []markView
	Sentences []bench.Comparison
	Open      bool
}

// nameView is an arm's or a balancer's name, and whether it is a stand-in's.
type nameView struct {
	Name     string
	Emulated bool
}

type taxView struct {
	Cluster   string
	Balancer  nameView
	Blocks    int
	Cells     []taxCell // as metricOrder
	Sentences []string
}

type taxCell struct {
	Figure, Interval string
	Sure             bool
}

// markView is a verdict in a pair's heading: "p99 ▲ 0.48".
type markView struct {
	Verdict bench.Verdict
	Text    string
}

type trialView struct {
	bench.TrialRow
	Emulated                                                      bool
	P50, P99, Max, Rate, Lag, CPU, Seconds, Requests, Errors, Why string
}

type costView struct{ What, Quantity, USD string }

func newPage(r bench.Report) (page, error) {
	plan, err := json.MarshalIndent(r.Plan, "", "  ")
	if err != nil {
		return page{}, fmt.Errorf("write the plan: %w", err)
	}
	p := page{Style: template.CSS(pageStyle), R: r, Local: r.Environment.Kind != "aws", Stamp: stamp(r.Environment),
		Answer: unbroken.Replace(together(strings.TrimSuffix(r.Headline, where(r)), "\u00a0")), PlanJSON: string(plan), OpenTrials: len(r.Trials) <= 24}
	p.LongAnswer = utf8.RuneCountInString(p.Answer) > longAnswer
	p.Arms = armViews(r)
	for _, c := range latencyColumns(asked(r)) {
		p.Latencies = append(p.Latencies, c.head)
	}
	p.Latency = latencyChart(r.Arms)
	p.Pairs = pairViews(r)
	p.Folded = len(p.Pairs) > manyPairs
	p.Taxes = taxViews(r.Taxes)
	for _, t := range r.Plan.Targets {
		p.ALB, p.Proxy = p.ALB || t.Kind == bench.TargetALB, p.Proxy || t.Kind == bench.TargetProxy
	}
	p.CPU = cpuChart(r.CPU, groupColours(r.CPU))
	for _, t := range r.Trials {
		v := viewTrial(t)
		v.Emulated = armOf(r, t.Arm).Emulated
		p.Trials = append(p.Trials, v)
	}
	for _, i := range r.Cost.Items {
		p.Cost = append(p.Cost, costView{What: i.What, Quantity: i.Amount(), USD: dollars(i.USD)})
	}
	p.CostUSD, p.CostLabel = dollars(r.Cost.USD), "what it cost"
	if p.Local {
		p.CostLabel = "estimated cost on AWS"
	}
	p.Facts = facts(r, p)
	p.Receipt = viewReceipt(r.Receipt)
	return p, nil
}

// unbroken keeps "peak-ewma" on one line of a large heading.
var unbroken = strings.NewReplacer(" × ", "\u00a0×\u00a0", "-", "\u2011")

func stamp(e bench.Environment) string {
	if e.Kind == "aws" {
		return "AWS · " + e.Region
	}
	s := "Local emulation · not AWS"
	if m := e.Emulation; m != nil {
		s += fmt.Sprintf(" · %d cores", m.HostCores)
		if m.CPULimit == "none" {
			return s + " · CPU not limited"
		}
		s += fmt.Sprintf(" · %.4g core per vCPU · %s", m.Scale, m.CPULimit)
	}
	return s
}

// breakable lets an arm's long name break after its slashes.
func breakable(name string) template.HTML {
	return template.HTML(strings.ReplaceAll(html.EscapeString(name), "/", "/<wbr>"))
}

// ALBPrice says what the price per million of an ALB's arm assumes, in a report from AWS.
func (p page) ALBPrice() string {
	if p.Local || !p.ALB {
		return ""
	}
	if p.R.Plan.Load.Kind == bench.LoadClosed {
		return "The price per million through the ALB is that of this load kept up, on the connections that it keeps."
	}
	return "The price per million through the ALB is that of this load kept up with every request on a new connection, of which 25 a second are one LCU; with kept connections it is less."
}

func facts(r bench.Report, p page) []fact {
	requests, errors, valid := 0, 0, 0
	for _, t := range r.Trials {
		requests += t.Requests
		errors += t.Errors
		if t.Status == "ok" {
			valid++
		}
	}
	return []fact{
		{fmt.Sprint(len(r.Arms)), "arms"},
		{fmt.Sprintf("%d of %d", valid, len(r.Trials)), "trials valid"},
		{bench.Grouped(requests), "requests sent"},
		{bench.Grouped(errors), "of them failed"},
		{duration(r.EndedAt.Sub(r.StartedAt)), "duration"},
		{p.CostUSD, p.CostLabel},
	}
}

// duration rounds to what a reader wants: "42.3 s", "13 min 20 s".
func duration(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

// MinBlocks is shown beside the comparisons.
func (page) MinBlocks() int { return stat.MinBlocks }

// Started is the run's beginning, for the head of the page.
func (p page) Started() string { return p.R.StartedAt.UTC().Format("2 January 2006, 15:04 UTC") }
