package report

import (
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/stat"
)

// emulated tells whether an arm's balancer is a local cloud's stand-in. Our own
// proxy is the same program everywhere.
func emulated(e bench.Environment, t bench.Target) bool {
	return e.Kind == "local" && t.Kind == bench.TargetALB
}

const emulatedMark = " (emulated)"

// naming gives what an arm is called wherever it is named in a text.
func naming(e bench.Environment) func(bench.Arm) string {
	return func(a bench.Arm) string {
		if emulated(e, a.Target) {
			return a.Name + emulatedMark
		}
		return a.Name
	}
}

func armName(a bench.ArmResult) string {
	if a.Emulated {
		return a.Name + emulatedMark
	}
	return a.Name
}

func targetName(a bench.ArmResult) string {
	if a.Emulated {
		return a.Target.String() + emulatedMark
	}
	return a.Target.String()
}

// nothingOfAWS is what a comparison with an emulated balancer is worth.
const nothingOfAWS = "The ALB is emulated: a plain proxy on this machine with the ALB's algorithms and without a CPU limit. How it does against other ways in says nothing of AWS's."

// comparisons judges the arms. A comparison of an emulated balancer with
// something real carries a warning.
func comparisons(r bench.Report) []bench.Comparison {
	arms := r.Plan.Arms()
	all := stat.Compare(arms, r.Trials, r.Plan.Seed, naming(r.Environment))
	targets := map[string]bench.Target{}
	for _, a := range arms {
		targets[a.Name] = a.Target
	}
	for i, c := range all {
		if emulated(r.Environment, targets[c.A]) != emulated(r.Environment, targets[c.B]) {
			all[i].Warning = nothingOfAWS
		}
	}
	return all
}

func taxes(r bench.Report) []bench.Tax {
	all := stat.Taxes(r.Plan.Arms(), r.Trials, r.Plan.Seed, naming(r.Environment))
	for i, t := range all {
		all[i].Emulated = slices.ContainsFunc(r.Arms, func(a bench.ArmResult) bool {
			return a.Emulated && a.Cluster == t.Cluster && a.Target.String() == t.Target
		})
	}
	return all
}

// balancerWarnings are what a reader must know of an Application Load Balancer
// before believing its figures.
func balancerWarnings(r bench.Report) []string {
	if len(r.Plan.ALBs()) == 0 {
		return nil
	}
	if r.Environment.Kind == "local" {
		return []string{nothingOfAWS}
	}
	return []string{"The load balancer was made for this run, and an ALB gains capacity only as traffic comes: these are figures of a new, cold one, in the first block most of all."}
}

// metricOrder is the order of a tax's columns.
var metricOrder = []string{"mean", "p50", "p99"}

// taxRow is what one balancer costs one cluster.
type taxRow struct {
	Cluster, Target string
	Emulated        bool
	Blocks          int
	By              map[string]bench.Tax // by metric
}

func taxRows(all []bench.Tax) []taxRow {
	var rows []taxRow
	for _, t := range all {
		i := slices.IndexFunc(rows, func(r taxRow) bool { return r.Cluster == t.Cluster && r.Target == t.Target })
		if i < 0 {
			rows = append(rows, taxRow{Cluster: t.Cluster, Target: t.Target, Emulated: t.Emulated, Blocks: t.Blocks, By: map[string]bench.Tax{}})
			i = len(rows) - 1
		}
		rows[i].By[t.Metric] = t
	}
	return rows
}

// Name is the balancer's, with its mark.
func (r taxRow) Name() string {
	if r.Emulated {
		return r.Target + emulatedMark
	}
	return r.Target
}

// unsureTax is why a tax is not sure.
func unsureTax() string {
	return fmt.Sprintf("fewer than %d blocks, an interval that holds 0, or unlike shares of failed requests.", stat.MinBlocks)
}

// taxFigure is a tax in a table's cell: "+0.82 ms"; with ~ where it is not sure.
func taxFigure(t bench.Tax) string {
	if t.Blocks == 0 {
		return "–"
	}
	if !t.Sure {
		return "~ " + signed(t.Ms)
	}
	return signed(t.Ms)
}

// taxInterval is its 95 % interval, in milliseconds: "0.61 to 1.10". One block
// has none.
func taxInterval(t bench.Tax) string {
	if t.Blocks < 2 {
		return ""
	}
	return stat.Milliseconds(t.Low) + " to " + stat.Milliseconds(t.High)
}

func signed(ms float64) string {
	switch {
	case ms < 0:
		return "−" + millis(-ms)
	case ms == 0:
		return "0 ms"
	}
	return "+" + millis(ms)
}
