package steps

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/report"
)

// Judge makes the report of what a run left in the store, whole or partial.
type Judge struct{ Store Store }

// JudgeIn is what the state machine knows and the store does not. Only Run is
// needed: the command calls Judge so for a run that was aborted.
type JudgeIn struct {
	Run       string          `json:"run"`
	Execution string          `json:"execution"`
	Failure   *report.Failure `json:"failure"`
	Notes     []TrialNote     `json:"notes"`
	Leaked    bool            `json:"leaked"`
}

// TrialNote is a trial that is not ok, as the Map over trials ends it. One that
// names no trial is of the whole run: a function that could not be warmed.
type TrialNote struct {
	Trial   string          `json:"trial"`
	Status  string          `json:"status"` // "invalid", "failed" or "skipped"
	Reason  string          `json:"reason"`
	Failure *report.Failure `json:"failure"`

	State string `json:"state"` // without a trial: the step, and why it failed
	Error string `json:"error"`
	Cause string `json:"cause"`
}

// Outcome ends the execution. It is far below 32 KB.
type Outcome struct {
	Status   bench.Status `json:"status"`
	Error    string       `json:"error,omitempty"`  // the Fail state's, unless done
	Reason   string       `json:"reason,omitempty"` // its cause: one line, with the report's key
	Headline string       `json:"headline"`
	Report   string       `json:"report"` // keys
	HTML     string       `json:"html"`
	Verdicts []string     `json:"verdicts"`
	Broken   []string     `json:"broken"` // thresholds that do not hold, with what was measured
	CostUSD  float64      `json:"costUSD"`
}

// Bounds of an Outcome: Fail's Cause may have 32,768 characters, a line few.
const (
	mostVerdicts = 12
	mostReason   = 2000
)

// Run writes report.json, report.html, trials.csv and nodes.csv. Called for a
// run that has its report, and without an execution's own knowledge, it leaves
// that report as it is and tells its outcome.
func (j *Judge) Run(ctx context.Context, in JudgeIn) (Outcome, error) {
	keys := bench.RunKeys{Run: in.Run}
	if in.Execution == "" {
		if judged, err := exists(ctx, j.Store, keys.Report()); err != nil {
			return Outcome{}, err
		} else if judged {
			r, err := getJSON[bench.Report](ctx, j.Store, keys.Report())
			return outcome(keys, r, in.Failure), err
		}
	}
	evidence, err := j.gather(ctx, in)
	if err != nil {
		return Outcome{}, err
	}
	r := report.Build(evidence)
	page, err := report.HTML(r)
	if err != nil {
		return Outcome{}, err
	}
	body, err := encode(r)
	if err != nil {
		return Outcome{}, fmt.Errorf("write %s: %w", keys.Report(), err)
	}
	for _, file := range []struct {
		key  string
		body []byte
	}{
		{keys.TrialsCSV(), report.TrialsCSV(r)},
		{keys.NodesCSV(), report.NodesCSV(r)},
		{keys.ReportHTML(), page},
		{keys.Report(), body}, // last: who sees it may read the others
	} {
		if err := j.Store.Put(ctx, file.key, file.body); err != nil {
			return Outcome{}, fmt.Errorf("write %s: %w", file.key, err)
		}
	}
	return outcome(keys, r, in.Failure), nil
}

// gather reads the run's evidence. A trial whose files cannot be read counts as
// failed, with the reason; the others still stand.
func (j *Judge) gather(ctx context.Context, in JudgeIn) (report.Input, error) {
	keys := bench.RunKeys{Run: in.Run}
	r, err := record(ctx, j.Store, in.Run)
	if err != nil {
		return report.Input{}, err
	}
	present, err := j.Store.List(ctx, keys.Prefix())
	if err != nil {
		return report.Input{}, fmt.Errorf("list %s: %w", keys.Prefix(), err)
	}
	evidence := report.Input{
		Record: r, Leaked: in.Leaked, Ended: in.Execution != "", EndedAt: time.Now().UTC(), Transitions: r.Plan.Transitions(),
		Tallies: map[string]bench.Tally{}, Logs: map[string][]byte{}, Samples: map[string][]bench.NodeSamples{},
	}
	if in.Failure != nil {
		evidence.Failure = in.Failure.Line()
	}
	for _, n := range in.Notes {
		if n.Status == "invalid" {
			continue // its tally says so, and why
		}
		if n.Trial == "" {
			step := report.Failure{State: n.State, Error: n.Error, Cause: n.Cause}
			if n.Failure != nil {
				step = *n.Failure
			}
			if line := step.Line(); line != "" {
				evidence.Warnings = append(evidence.Warnings, strings.TrimSuffix(line, ".")+"; the run went on.")
			}
			continue
		}
		note := report.Note{Trial: n.Trial, Status: n.Status, Reason: n.Reason}
		if n.Failure != nil {
			note.Reason = n.Failure.Line()
		}
		evidence.Notes = append(evidence.Notes, note)
	}
	if slices.Contains(present, keys.Receipt()) {
		receipt, err := getJSON[bench.Receipt](ctx, j.Store, keys.Receipt())
		if err != nil {
			return report.Input{}, err
		}
		evidence.Receipt, evidence.EndedAt = &receipt, receipt.At
	}
	if slices.Contains(present, keys.Balancer()) {
		balancer, err := getJSON[bench.Balancer](ctx, j.Store, keys.Balancer())
		if err != nil {
			return report.Input{}, err
		}
		if balancer.ARN != "" { // else there was none to pay for
			evidence.Balancer = &balancer
		}
	}
	if slices.Contains(present, keys.Cancelled()) {
		why, err := j.Store.Get(ctx, keys.Cancelled())
		if err != nil {
			return report.Input{}, fmt.Errorf("read %s: %w", keys.Cancelled(), err)
		}
		evidence.Stopped = strings.TrimSpace(string(why))
	}
	return evidence, j.trials(ctx, present, &evidence)
}

// trials reads every trial's tally, log and samples, as far as they are there.
func (j *Judge) trials(ctx context.Context, present []string, evidence *report.Input) error {
	there := map[string]bool{}
	for _, key := range present {
		there[key] = true
	}
	var mu sync.Mutex
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(32)
	for _, trial := range evidence.Record.Trials {
		all.Go(func() error {
			keys := bench.RunKeys{Run: evidence.Record.Run}.Trial(trial.Key)
			tally, log, samples, err := j.trial(ctx, keys, there)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				evidence.Notes = append(evidence.Notes, report.Note{Trial: trial.Key, Status: "failed", Reason: err.Error()})
			}
			if tally != nil {
				evidence.Tallies[trial.Key], evidence.Logs[trial.Key] = *tally, log
			}
			if samples != nil {
				evidence.Samples[trial.Key] = samples
			}
			return ctx.Err()
		})
	}
	return all.Wait()
}

func (j *Judge) trial(ctx context.Context, keys bench.TrialKeys, there map[string]bool) (tally *bench.Tally, log []byte, samples []bench.NodeSamples, err error) {
	if there[keys.Nodes()] {
		if samples, err = getJSON[[]bench.NodeSamples](ctx, j.Store, keys.Nodes()); err != nil {
			return nil, nil, nil, err
		}
	}
	if !there[keys.Tally()] {
		return nil, nil, samples, nil
	}
	t, err := getJSON[bench.Tally](ctx, j.Store, keys.Tally())
	if err != nil {
		return nil, nil, samples, err
	}
	if log, err = j.Store.Get(ctx, keys.TallyLog()); err != nil {
		return nil, nil, samples, fmt.Errorf("read %s: %w", keys.TallyLog(), err)
	}
	return &t, log, samples, nil
}

// outcome is the report in short. A failed run keeps the name of what failed it.
func outcome(keys bench.RunKeys, r bench.Report, failure *report.Failure) Outcome {
	out := Outcome{
		Status: r.Status, Headline: r.Headline, Report: keys.Report(), HTML: keys.ReportHTML(),
		Verdicts: []string{}, Broken: []string{}, CostUSD: r.Cost.USD,
	}
	for _, t := range r.Thresholds {
		if !t.Passed && len(out.Broken) < mostVerdicts {
			out.Broken = append(out.Broken, fmt.Sprintf("%s (%s)", t.Expression, report.Measured(t)))
		}
	}
	for _, c := range r.Comparisons {
		if len(out.Verdicts) == mostVerdicts {
			break
		}
		out.Verdicts = append(out.Verdicts, c.Sentence)
	}
	if r.Status == bench.StatusDone {
		return out
	}
	if failure != nil {
		out.Error = failure.Error
	}
	out.Error = cmp.Or(out.Error, map[bench.Status]string{
		bench.StatusFailed: "RunFailed", bench.StatusPartial: "RunIncomplete", bench.StatusLeaked: "Leaked",
	}[r.Status])
	reason := []rune(r.Reason)
	out.Reason = fmt.Sprintf("%s (report: %s)", string(reason[:min(len(reason), mostReason)]), keys.Report())
	return out
}
