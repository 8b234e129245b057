package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/stat"
)

// question is what a plan asks: which of some arms has the least of a metric.
type question struct {
	arms        []bench.ArmResult // the contestants
	metric      string            // of the comparisons
	of          func(bench.Latency) float64
	name, one   string // "p99", "a p99"
	comparisons []bench.Comparison
}

// asked is the plan's question. Where it has an ALB, direct is what the balancers
// are measured against and does not take part; and where it has no proxy either,
// the question is that of the lab with an ALB: the average response time.
func asked(r bench.Report) question {
	q := question{metric: "p99", of: func(l bench.Latency) float64 { return l.P99 }, name: "p99", one: "a p99"}
	alb := len(r.Plan.ALBs()) > 0
	proxy := slices.ContainsFunc(r.Plan.Targets, func(t bench.Target) bool { return t.Kind == bench.TargetProxy })
	if alb && !proxy {
		q.metric, q.of = "mean", func(l bench.Latency) float64 { return l.Mean }
		q.name, q.one = "average response time", "an average response time"
	}
	among := map[string]bool{}
	for _, a := range r.Arms {
		if !alb || a.Target.Kind != bench.TargetDirect {
			q.arms = append(q.arms, a)
			among[a.Name] = true
		}
	}
	for _, c := range r.Comparisons {
		if c.Metric == q.metric && among[c.A] && among[c.B] {
			q.comparisons = append(q.comparisons, c)
		}
	}
	return q
}

// judged are the comparisons that have a block.
func (q question) judged() []bench.Comparison {
	var known []bench.Comparison
	for _, c := range q.comparisons {
		if c.Blocks > 0 {
			known = append(known, c)
		}
	}
	return known
}

// added is the balancer's tax in a sentence, if the plan has one balancer and
// enough blocks: of more balancers the table tells.
func added(r bench.Report, q question) string {
	var adds, saves, open []string
	balancer := ""
	word := map[string]string{"mean": "average", "p99": "p99"}[q.metric]
	of := "'s " + word
	for _, t := range r.Taxes {
		if t.Metric != q.metric {
			continue
		}
		if balancer != "" && balancer != t.Target || t.Blocks < stat.MinBlocks {
			return ""
		}
		balancer = t.Target
		switch {
		case !t.Sure:
			open = append(open, t.Cluster)
		case t.Ms > 0:
			adds, of = append(adds, millis(t.Ms)+" to "+t.Cluster+of), "'s"
		default:
			saves, of = append(saves, millis(-t.Ms)+" off "+t.Cluster+of), "'s"
		}
	}
	emulated := ""
	if slices.ContainsFunc(r.Taxes, func(t bench.Tax) bool { return t.Emulated }) {
		emulated = "emulated "
	}
	var parts []string
	if len(adds) > 0 {
		parts = append(parts, "adds "+and(adds))
	}
	if len(saves) > 0 {
		parts = append(parts, "takes "+and(saves))
	}
	if len(parts) == 0 {
		if len(open) > 0 {
			return fmt.Sprintf(" What the %sbalancer adds to the %s of %s is within the noise.", emulated, word, and(open))
		}
		return ""
	}
	s := " The " + emulated + "balancer " + strings.Join(parts, " and ")
	if len(open) > 0 {
		s += "; for " + and(open) + " it is within the noise"
	}
	return s + "."
}
