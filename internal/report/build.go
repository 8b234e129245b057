// Package report turns what a run left behind into report.json, and report.json
// into a page, two tables and a terminal's text. Everything is a pure function
// of its input.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/load"
	"github.com/fairlead/fairlead/internal/stat"
)

// Input is what a run left behind. Any part of it may be missing.
type Input struct {
	Record      bench.RunRecord
	Tallies     map[string]bench.Tally         // by Trial.Key
	Logs        map[string][]byte              // merged logs, by Trial.Key
	Samples     map[string][]bench.NodeSamples // by Trial.Key
	Notes       []Note
	Warnings    []string // of steps that failed and that the run can do without
	Failure     string   // why the run failed outside of its trials; Failure.Line makes one
	Stopped     string   // why it was ended before its last trial, if somebody did that
	Receipt     *bench.Receipt
	Balancer    *bench.Balancer // the record of the load balancer, if one was created
	Leaked      bool
	Ended       bool // the execution itself came to its end, past its last trial or a Failure
	EndedAt     time.Time
	Transitions int // of the state machine; 0 means that nobody counted
}

// Note is what the state machine says of a trial that left no tally.
type Note struct {
	Trial  string
	Status string // "failed" or "skipped"
	Reason string
}

// Build judges a run.
func Build(in Input) bench.Report {
	rec := in.Record
	r := bench.Report{
		Version: bench.ReportVersion, Run: rec.Run, Execution: rec.Execution, Stack: rec.Stack,
		StartedAt: rec.StartedAt.UTC(), EndedAt: in.EndedAt.UTC(), Plan: rec.Plan, Receipt: in.Receipt,
		Warnings: []string{}, CPU: cpuSeries(in),
	}
	r.Environment = environment(in)
	r.Trials = trialRows(in)
	var warnings []string
	r.Arms, warnings = arms(in, r.Trials, r.Environment)
	r.Warnings = append(r.Warnings, warnings...)
	r.Comparisons = comparisons(r)
	r.Taxes = taxes(r)
	r.Thresholds = rec.Plan.JudgeThresholds(r.Arms)
	r.Cost = cost(in, r.Environment)
	for _, c := range rec.Checks {
		if c.Status != bench.CheckOK {
			r.Checks = append(r.Checks, c)
		}
	}
	r.Status, r.Reason = status(in, r)
	r.Warnings = append(r.Warnings, in.Warnings...)
	r.Warnings = append(r.Warnings, runWarnings(in, r)...)
	r.Headline = headline(r)
	return r
}

// trialRows has a row for every trial of the plan, in the order they ran.
func trialRows(in Input) []bench.TrialRow {
	notes := map[string]Note{}
	for _, n := range in.Notes {
		notes[n.Trial] = n
	}
	// Trials of which nothing is known from here to the end did not begin.
	tail := len(in.Record.Trials)
	for ; tail > 0; tail-- {
		key := in.Record.Trials[tail-1].Key
		if _, measured := in.Tallies[key]; measured || notes[key].Status == "failed" {
			break
		}
	}
	rows := []bench.TrialRow{}
	for i, t := range in.Record.Trials {
		row := bench.TrialRow{Trial: t}
		tally, measured := in.Tallies[t.Key]
		note, noted := notes[t.Key]
		if measured {
			row.Requests, row.Errors, row.Seconds, row.RPS = tally.Requests, tally.Errors, tally.Seconds, tally.RPS
			row.LatencyMs, row.SendLag, row.WorkerCPU, row.T0 = tally.LatencyMs, tally.SendLag, tally.WorkerCPU, tally.T0.UTC()
			row.SendSpan = tally.LastSend.Sub(tally.FirstSend).Seconds()
			row.Status, row.Reasons = "ok", slices.Clone(tally.Invalid)
			if len(tally.Invalid) > 0 {
				row.Status = "invalid"
			}
		}
		switch {
		case noted && note.Status == "failed":
			row.Status, row.Reasons = "failed", []string{oneLine(cmp.Or(note.Reason, "no reason was given"))}
		case measured:
			if err := readable(in.Logs[t.Key]); err != nil {
				row.Status, row.Reasons = "invalid", append(row.Reasons, "its latency log is damaged: "+err.Error())
			}
		case noted:
			row.Status, row.Reasons = "skipped", []string{oneLine(cmp.Or(note.Reason, "no reason was given"))}
		case !in.Record.Deadline.IsZero() && in.EndedAt.After(in.Record.Deadline) && i >= tail:
			row.Status, row.Reasons = "skipped", []string{"the run's deadline had passed"}
		case in.Stopped == "" && in.Failure == "" && in.Ended:
			// The state machine went through all trials, and its notes have a limit.
			row.Status, row.Reasons = "failed", []string{"it left no tally; see the execution's history for the reason"}
		default:
			row.Status, row.Reasons = "skipped", []string{cmp.Or(oneLine(in.Stopped), "the run ended before it")}
		}
		rows = append(rows, row)
	}
	return rows
}

func readable(log []byte) error {
	for _, err := range load.ReadLog(log) {
		if err != nil {
			return err
		}
	}
	return nil
}

// arms sums every arm over its valid trials.
func arms(in Input, trials []bench.TrialRow, env bench.Environment) (results []bench.ArmResult, warnings []string) {
	plan := in.Record.Plan
	results = []bench.ArmResult{}
	for _, arm := range plan.Arms() {
		a := bench.ArmResult{Arm: arm, Emulated: emulated(env, arm.Target), PerNode: []bench.NodeShare{}, Histogram: []bench.Bucket{}}
		for _, c := range plan.Clusters {
			if c.Name == arm.Cluster {
				a.InstanceType, a.Nodes = c.InstanceType, c.Count
			}
		}
		nodes := clusterNodes(in, arm.Cluster)
		counts := map[string]bench.NodeCount{}
		var logs [][]byte
		var rates []float64
		var bytes int64
		for _, t := range trials {
			if t.Arm != arm.Name {
				continue
			}
			a.TrialsTotal++
			if t.Status != "ok" {
				continue
			}
			a.TrialsValid++
			a.Requests += t.Requests
			a.Errors += t.Errors
			bytes += in.Tallies[t.Key].Bytes
			rates = append(rates, t.RPS)
			logs = append(logs, in.Logs[t.Key])
			for id, n := range in.Tallies[t.Key].Nodes {
				sum := counts[id]
				counts[id] = bench.NodeCount{Requests: sum.Requests + n.Requests, Errors: sum.Errors + n.Errors}
			}
		}
		a.RPS = stat.Median(rates)
		// trialRows has refused logs that cannot be read.
		a.LatencyMs, a.Histogram, _ = load.Distribution(logs...)
		if a.Histogram == nil {
			a.Histogram = []bench.Bucket{}
		}
		var strangers []string
		a.PerNode, strangers = nodeShares(counts, nodes)
		if len(strangers) > 0 {
			warnings = append(warnings, fmt.Sprintf("%s: %s answered, which the cluster does not have", armName(a), list(strangers)))
		}
		var load []float64
		for _, n := range a.PerNode {
			load = append(load, float64(n.Requests))
		}
		a.Fairness = stat.Jain(load)
		a.USDPerMillion = usdPerMillion(plan, a, bytes, env)
		results = append(results, a)
	}
	return results, warnings
}

// clusterNodes are the ids of a cluster's instances, as far as anybody saw them.
func clusterNodes(in Input, cluster string) []string {
	var ids []string
	for _, samples := range in.Samples {
		for _, s := range samples {
			if s.Group == cluster {
				ids = append(ids, s.ID)
			}
		}
	}
	if in.Receipt != nil {
		for _, e := range in.Receipt.Ended {
			if e.Kind == bench.KindInstance && e.Group == cluster { // target groups are of a cluster too
				ids = append(ids, e.ID)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// nodeShares lists every node of the cluster, the idle ones too: a node that
// never got a request is the finding. Strangers are nodes that answered though
// they are not of the cluster.
func nodeShares(counts map[string]bench.NodeCount, nodes []string) (shares []bench.NodeShare, strangers []string) {
	total := 0
	ids := slices.Clone(nodes)
	for id, n := range counts {
		total += n.Requests
		if !slices.Contains(nodes, id) {
			ids = append(ids, id)
			if len(nodes) > 0 {
				strangers = append(strangers, id)
			}
		}
	}
	slices.Sort(ids)
	slices.Sort(strangers)
	shares = []bench.NodeShare{}
	for _, id := range ids {
		n := bench.NodeShare{ID: id, Requests: counts[id].Requests, Errors: counts[id].Errors}
		if total > 0 {
			n.Share = float64(n.Requests) / float64(total)
		}
		shares = append(shares, n)
	}
	return shares, strangers
}
