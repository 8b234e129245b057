package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"
	"time"

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

// page is what the template shows: everything is text already.
type page struct {
	Style      template.CSS
	R          bench.Report
	Local      bool
	Stamp      string // the environment in a few words
	Answer     string // the headline without the place, which the stamp says
	Facts      []fact
	Arms       []armView
	Latency    template.HTML
	Pairs      []pairView
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
	P50, P90, P99, P999, Max, Mean string
	RPS, Errors, Fair, USD, Trials string
	Bar                            float64 // p99, percent of the largest
	Best                           bool
	Nodes                          []nodeView
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
		Answer: unbroken.Replace(strings.TrimSuffix(r.Headline, where(r))), PlanJSON: string(plan), OpenTrials: len(r.Trials) <= 24}
	p.Arms = armViews(r)
	p.Latency = latencyChart(r.Arms)
	p.Pairs = pairViews(r)
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

// unbroken keeps "95 %" and "peak-ewma" on one line of a large heading.
var unbroken = strings.NewReplacer(" %", "\u00a0%", " × ", "\u00a0×\u00a0", "-", "\u2011")

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

// surelyBest tells whether an arm may be marked: it is no worse in any of the
// comparisons, and better in one.
func surelyBest(all []bench.Comparison, name string) bool {
	beats := false
	for _, c := range all {
		if c.A != name && c.B != name {
			continue
		}
		switch {
		case c.Verdict == bench.Better && c.A == name, c.Verdict == bench.Worse && c.B == name:
			beats = true
		case c.Verdict != bench.Same:
			return false
		}
	}
	return beats
}

// bestArm is the arm that answers the plan's question, if one surely does.
func bestArm(r bench.Report) string {
	q := asked(r)
	arms := measuredArms(q.arms)
	if len(arms) == 0 {
		return ""
	}
	best := slices.MinFunc(arms, func(a, b bench.ArmResult) int { return cmp.Compare(q.of(a.LatencyMs), q.of(b.LatencyMs)) })
	if !surelyBest(q.comparisons, best.Name) {
		return ""
	}
	return best.Name
}

func armViews(r bench.Report) []armView {
	var views []armView
	var slowest float64
	for _, a := range r.Arms {
		slowest = max(slowest, a.LatencyMs.P99)
	}
	best := bestArm(r)
	for i, a := range r.Arms {
		l := a.LatencyMs
		v := armView{ArmResult: a, Class: seriesClass(i), P50: millis(l.P50), P90: millis(l.P90), P99: millis(l.P99),
			P999: millis(l.P999), Max: millis(l.Max), Mean: millis(l.Mean), RPS: rate(a.RPS), Errors: bench.Grouped(a.Errors),
			Fair: fmt.Sprintf("%.3f", a.Fairness), USD: "–", Trials: fmt.Sprintf("%d of %d", a.TrialsValid, a.TrialsTotal), Best: a.Name == best}
		if a.USDPerMillion > 0 {
			v.USD = dollars(a.USDPerMillion)
		}
		if a.Errors > 0 {
			v.Errors += " (" + percent(float64(a.Errors)/float64(a.Requests)) + ")"
		}
		if a.TrialsValid == 0 {
			v.Fair, v.Errors = "–", "–"
		}
		if slowest > 0 {
			v.Bar = 100 * l.P99 / slowest
		}
		v.Nodes = nodeViews(a.PerNode)
		views = append(views, v)
	}
	return views
}

func nodeViews(nodes []bench.NodeShare) []nodeView {
	var views []nodeView
	var most float64
	for _, n := range nodes {
		most = max(most, n.Share)
	}
	if most == 0 {
		return nil
	}
	for _, n := range nodes {
		v := nodeView{ID: n.ID, Requests: bench.Grouped(n.Requests), Share: percent(n.Share)}
		if n.Errors > 0 {
			v.Errors = bench.Grouped(n.Errors) + " failed"
		}
		v.Bar, v.Even = 100*n.Share/most, 100/float64(len(nodes))/most
		views = append(views, v)
	}
	return views
}

// pairViews groups the comparisons by pair. Many pairs are folded up to their
// headings, which bear the verdicts.
func pairViews(r bench.Report) []pairView {
	named := func(arm string) nameView { return nameView{Name: arm, Emulated: armOf(r, arm).Emulated} }
	metric := asked(r).metric
	var views []pairView
	for _, group := range groupPairs(r.Comparisons) {
		v := pairView{A: named(group[0].A), B: named(group[0].B), Warning: group[0].Warning, Sentences: group}
		if group[0].Blocks > 0 { // every metric has the same blocks
			v.Chart = forestChart(group)
		}
		for _, c := range group {
			if (c.Metric == metric || c.Metric == "rps") && c.Blocks > 0 {
				v.Marks = append(v.Marks, markView{c.Verdict, fmt.Sprintf("%s %s %s", metricNames[c.Metric], glyph(c.Verdict), bounded(c.Ratio))})
			}
		}
		views = append(views, v)
	}
	for i := range views {
		views[i].Open = len(views) <= 6
	}
	return views
}

func taxViews(all []bench.Tax) []taxView {
	var views []taxView
	for _, row := range taxRows(all) {
		v := taxView{Cluster: row.Cluster, Balancer: nameView{row.Target, row.Emulated}, Blocks: row.Blocks}
		for _, m := range metricOrder {
			t := row.By[m]
			v.Cells = append(v.Cells, taxCell{Figure: taxFigure(t), Interval: taxInterval(t), Sure: t.Sure})
			v.Sentences = append(v.Sentences, t.Sentence)
		}
		views = append(views, v)
	}
	return views
}

func groupPairs(all []bench.Comparison) [][]bench.Comparison {
	var groups [][]bench.Comparison
	for _, c := range all {
		if n := len(groups); n > 0 && groups[n-1][0].A == c.A && groups[n-1][0].B == c.B {
			groups[n-1] = append(groups[n-1], c)
		} else {
			groups = append(groups, []bench.Comparison{c})
		}
	}
	return groups
}

func groupColours(series []bench.CPUSeries) map[string]string {
	colours := map[string]string{}
	i := 0
	for _, s := range series {
		if s.Group == bench.ProxyGroup {
			colours[s.Group] = "balancer"
			continue
		}
		colours[s.Group] = seriesClass(i)
		i++
	}
	return colours
}

func viewTrial(t bench.TrialRow) trialView {
	v := trialView{TrialRow: t, P50: millis(t.LatencyMs.P50), P99: millis(t.LatencyMs.P99), Max: millis(t.LatencyMs.Max),
		Rate: rate(t.RPS), Lag: "–", CPU: "–", Seconds: "–", Requests: bench.Grouped(t.Requests), Errors: bench.Grouped(t.Errors), Why: strings.Join(t.Reasons, "; ")}
	if t.SendLag.Max > 0 {
		v.Lag = millis(float64(t.SendLag.P99) / 1000)
	}
	if t.Seconds > 0 {
		v.Seconds, v.CPU = fmt.Sprintf("%.2f s", t.Seconds), percent(t.WorkerCPU)
	}
	return v
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
