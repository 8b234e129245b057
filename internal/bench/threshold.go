package bench

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// thresholdRule is a parsed line such as "cluster2.p99 < 200ms" or
// "cluster1/proxy/peak-ewma.errors <= 0.001".
type thresholdRule struct {
	subject string // an arm's name, or a cluster: all its arms
	metric  string // a key of metrics
	op      string
	limit   float64 // milliseconds, share, or requests per second
}

var thresholdForm = regexp.MustCompile(`^\s*([a-z0-9/_-]+)\.([a-z0-9]+)\s*(<=|>=|<|>)\s*(\S+)\s*$`)

// metrics reads a number from an arm's result; latencies in milliseconds.
var metrics = map[string]func(ArmResult) float64{
	"mean": func(a ArmResult) float64 { return a.LatencyMs.Mean },
	"p50":  func(a ArmResult) float64 { return a.LatencyMs.P50 },
	"p90":  func(a ArmResult) float64 { return a.LatencyMs.P90 },
	"p99":  func(a ArmResult) float64 { return a.LatencyMs.P99 },
	"max":  func(a ArmResult) float64 { return a.LatencyMs.Max },
	"rps":  func(a ArmResult) float64 { return a.RPS },
	"errors": func(a ArmResult) float64 {
		if a.Requests == 0 {
			return 1 // no evidence that anything works
		}
		return float64(a.Errors) / float64(a.Requests)
	},
}

func (p Plan) threshold(expr string) (thresholdRule, error) {
	m := thresholdForm.FindStringSubmatch(expr)
	if m == nil {
		return thresholdRule{}, fmt.Errorf("is %q: write \"<cluster or arm>.<metric> < <limit>\", such as \"cluster2.p99 < 200ms\"", expr)
	}
	r := thresholdRule{subject: m[1], metric: m[2], op: m[3]}
	if _, ok := metrics[r.metric]; !ok {
		return r, fmt.Errorf("names the metric %q: use one of mean, p50, p90, p99, max, rps, errors", r.metric)
	}
	var known []string
	for _, a := range p.Arms() {
		known = append(known, a.Cluster)
	}
	for _, a := range p.Arms() {
		known = append(known, a.Name)
	}
	known = distinct(known)
	if !slices.Contains(known, r.subject) {
		const most = 12
		some := strings.Join(known[:min(len(known), most)], ", ")
		if n := len(known) - most; n > 0 {
			some += fmt.Sprintf(" or %d more, which fairlead plan shows", n)
		}
		return r, fmt.Errorf("names %q, which is neither a cluster nor an arm of this plan: use one of %s", r.subject, some)
	}
	var err error
	if r.metric == "rps" || r.metric == "errors" {
		// ParseFloat takes NaN and Inf too, with which a threshold always or never holds.
		if r.limit, err = strconv.ParseFloat(m[4], 64); err != nil || math.IsNaN(r.limit) || math.IsInf(r.limit, 0) || r.limit < 0 {
			return r, fmt.Errorf("has the limit %q: write a number, 0 or greater", m[4])
		}
		if r.metric == "errors" && r.limit > 1 {
			return r, fmt.Errorf("has the limit %q: errors are a share of the requests, from 0 to 1", m[4])
		}
		return r, nil
	}
	d, err := time.ParseDuration(m[4])
	if err != nil || d < 0 {
		return r, fmt.Errorf("has the limit %q: write a duration with a unit, such as 200ms", m[4])
	}
	r.limit = float64(d) / float64(time.Millisecond)
	return r, nil
}

// JudgeThresholds judges the plan's thresholds and its SLO, which stands for
// a threshold on every arm. An arm without a valid trial passes none. Latencies
// are those of good answers, so an upper bound on a percentile is not kept if
// more requests failed than lie above the percentile: they never answered in time.
func (p Plan) JudgeThresholds(arms []ArmResult) []Threshold {
	exprs := append([]string(nil), p.Thresholds...)
	for _, a := range arms {
		if p.SLO.P99 > 0 {
			exprs = append(exprs, fmt.Sprintf("%s.p99 <= %v", a.Name, p.SLO.P99))
		}
		if p.SLO.Errors > 0 {
			exprs = append(exprs, fmt.Sprintf("%s.errors <= %g", a.Name, p.SLO.Errors))
		}
	}
	var out []Threshold
	for _, e := range exprs {
		r, err := p.threshold(e)
		if err != nil {
			continue // ParsePlan has refused it already
		}
		for _, a := range arms {
			if a.Name != r.subject && a.Cluster != r.subject {
				continue
			}
			name := e
			if a.Name != r.subject {
				name = strings.Replace(e, r.subject, a.Name, 1)
			}
			out = append(out, r.judge(strings.TrimSpace(name), a))
		}
	}
	return out
}

// above is the share of requests that lie above a percentile. The mean is held
// to the median's: with half of the requests lost it says nothing.
var above = map[string]float64{"mean": 0.5, "p50": 0.5, "p90": 0.1, "p99": 0.01, "max": 0}

func (r thresholdRule) judge(name string, a ArmResult) Threshold {
	t := Threshold{Expression: name, Emulated: a.Emulated}
	if a.TrialsValid == 0 {
		t.Note = "no valid trial"
		return t
	}
	t.Value = metrics[r.metric](a)
	t.Passed = holds(t.Value, r.op, r.limit)
	bound, latency := above[r.metric]
	if failed := metrics["errors"](a); latency && failed > bound && (r.op == "<" || r.op == "<=") {
		t.Passed = false
		t.Note = fmt.Sprintf("of good answers; %.2g %% of the requests failed", failed*100)
	}
	return t
}

func holds(v float64, op string, limit float64) bool {
	switch op {
	case "<":
		return v < limit
	case "<=":
		return v <= limit
	case ">":
		return v > limit
	default:
		return v >= limit
	}
}

// distinct keeps the first of each name.
func distinct(names []string) []string {
	var once []string
	for _, n := range names {
		if !slices.Contains(once, n) {
			once = append(once, n)
		}
	}
	return once
}
