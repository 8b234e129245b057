package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/report"
)

// run is `fairlead run`: the whole job, in an account or on a local AWS that
// lives as long as it.
func (e engine) run(ctx context.Context, o command.Run) (int, error) {
	if cost := o.Plan.EstimateCost().USD; cost > o.Plan.MaxUSD {
		return command.ExitBadInput, fmt.Errorf("the run would cost $%.4g on AWS, above maxUSD %.4g: use fewer blocks or smaller clusters, or raise maxUSD", cost, o.Plan.MaxUSD)
	}
	paint := &painter{w: e.Err, width: func() int { return columns(os.Stderr) }, on: e.terminal(os.Stderr) && !o.JSON}
	defer paint.clear()
	if o.AWS != nil {
		return e.runInAccount(ctx, o, paint)
	}
	return e.runHere(ctx, o, paint)
}

func (e engine) runHere(ctx context.Context, o command.Run, paint *painter) (code int, err error) {
	paint.show(func(int) string { return "starting the local AWS" })
	st, err := e.stand(ctx, standing{out: o.Out, scale: scaleFor(o.Plan), delays: o.Delays, verbose: o.Verbose})
	if err != nil && interrupted(ctx) {
		paint.clear()
		fmt.Fprintln(e.Err, "fairlead: interrupted before the run began; nothing is left running")
		return command.ExitInterrupted, nil
	}
	if errors.Is(err, errResults) {
		return command.ExitBadInput, err
	}
	if err != nil {
		return command.ExitFailed, err
	}
	defer func() {
		paint.show(func(int) string { return "taking the local AWS down" })
		st.keep = st.keep || code == command.ExitFailed || code == command.ExitLeaked
		if cerr := st.close(); cerr != nil {
			err = errors.Join(err, cerr)
			code = max(code, command.ExitFailed)
		}
		paint.clear()
		if st.keep && !o.JSON {
			fmt.Fprintf(e.Err, "fairlead: logs of the functions and instances are in %s\n", st.data)
		}
	}()

	return e.execute(ctx, &st.deployment, o, paint)
}

// execute starts an execution, follows it to its end and tells how it ended.
func (e engine) execute(ctx context.Context, d *deployment, o command.Run, paint *painter) (int, error) {
	name := fmt.Sprintf("%s-%s", o.Plan.Preset, e.now().UTC().Format("20060102-150405"))
	started, err := d.sfn.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &d.machine, Name: &name, Input: aws.String(string(o.PlanJSON)),
	})
	if err != nil && interrupted(ctx) {
		paint.clear()
		fmt.Fprintln(e.Err, "fairlead: interrupted before the run began")
		return command.ExitInterrupted, nil // what did start all the same is swept
	}
	if err != nil {
		return command.ExitFailed, fmt.Errorf("starting the execution: %w", err)
	}
	arn := aws.ToString(started.ExecutionArn)
	keys := bench.RunKeys{Run: bench.RunID(arn)}
	if o.AWS != nil && !o.JSON {
		announce(e.Err, arn)
	}

	p := newProgress(o.Plan, e.now)
	end, err := follow(ctx, d.sfn, arn, d.every, func(ev types.HistoryEvent) {
		p.see(ev)
		paint.show(p.line)
	})
	stopped := errors.Is(err, interrupt.Err)
	if stopped {
		paint.show(func(int) string { return "interrupted: ending the fleet; what was measured is kept" })
		end, err = d.abort(arn, keys)
	}
	if ferr := d.fetch(context.WithoutCancel(ctx), keys); err == nil {
		err = ferr
	}
	paint.clear()
	if err != nil {
		return command.ExitFailed, err
	}
	if o.Plan.DryRun && end.status == types.ExecutionStatusSucceeded {
		return command.ExitDone, e.tellDry(o, end)
	}
	return e.tell(o, d.results, keys, end, stopped)
}

// tellDry prints what a dry run found: the plan, which the execution has
// accepted, or as JSON the execution's own output.
func (e engine) tellDry(o command.Run, end outcome) error {
	if o.JSON {
		_, err := fmt.Fprintln(e.Out, end.output)
		return err
	}
	var said struct {
		Summary struct {
			Checks     []bench.Check   `json:"checks"`
			Suggestion json.RawMessage `json:"suggestion"`
		} `json:"summary"`
	}
	if err := json.Unmarshal([]byte(end.output), &said); err != nil {
		return fmt.Errorf("the dry run's output: %w", err)
	}
	if err := command.PrintPlan(e.Out, o.Plan); err != nil {
		return err
	}
	fmt.Fprintln(e.Out)
	if err := command.PrintChecks(e.Out, said.Summary.Checks); err != nil {
		return err
	}
	verdict := "dry run: the execution accepted the plan; nothing was launched"
	if slices.ContainsFunc(said.Summary.Checks, func(c bench.Check) bool { return c.Status == bench.CheckShort }) {
		verdict = "dry run: the account does not allow this plan; nothing was launched"
		if len(said.Summary.Suggestion) > 0 {
			verdict += "\nThis would fit, over the plan's fields:\n  " + string(said.Summary.Suggestion)
		}
	}
	_, err := fmt.Fprintln(e.Out, "\n"+verdict)
	return err
}

// interrupted tells whether the user wants the command to end.
func interrupted(ctx context.Context) bool { return errors.Is(context.Cause(ctx), interrupt.Err) }

// summary is what --json prints.
type summary struct {
	Run         string             `json:"run"`
	Status      bench.Status       `json:"status"`
	Reason      string             `json:"reason,omitempty"`
	Headline    string             `json:"headline,omitempty"`
	ExitCode    int                `json:"exitCode"`
	Environment *bench.Environment `json:"environment,omitempty"`
	Arms        []bench.ArmResult  `json:"arms,omitempty"`
	Comparisons []bench.Comparison `json:"comparisons,omitempty"`
	Taxes       []bench.Tax        `json:"taxes,omitempty"`
	Thresholds  []bench.Threshold  `json:"thresholds,omitempty"`
	Warnings    []string           `json:"warnings,omitempty"`
	Cost        *bench.Cost        `json:"cost,omitempty"`
	Folder      string             `json:"folder"`
	Report      string             `json:"report,omitempty"`
}

// tell prints how the run ended and gives the exit code.
func (e engine) tell(o command.Run, results string, keys bench.RunKeys, end outcome, interrupted bool) (int, error) {
	folder := filepath.Join(results, filepath.FromSlash(keys.Prefix()))
	sum := summary{Run: keys.Run, Folder: folder, Status: bench.StatusFailed, Reason: firstLine(end.cause)}
	r, err := readReport(filepath.Join(results, filepath.FromSlash(keys.Report())))
	if err == nil {
		sum.Status, sum.Headline, sum.Environment = r.Status, r.Headline, &r.Environment
		if r.Reason != "" && end.err != "Leaked" { // whose cause tells why as well
			sum.Reason = r.Reason
		}
		for i := range r.Arms {
			r.Arms[i].Histogram = nil // long, and in report.json
		}
		sum.Arms, sum.Comparisons, sum.Thresholds, sum.Cost = r.Arms, r.Comparisons, r.Thresholds, &r.Cost
		sum.Taxes, sum.Warnings = r.Taxes, r.Warnings
		sum.Report = filepath.Join(results, filepath.FromSlash(keys.ReportHTML()))
	} else if !errors.Is(err, os.ErrNotExist) {
		return command.ExitFailed, err
	}
	sum.ExitCode = exitCode(end, sum, interrupted)
	if o.JSON {
		enc := json.NewEncoder(e.Out)
		enc.SetIndent("", "  ")
		return sum.ExitCode, enc.Encode(sum)
	}
	if err == nil {
		color := e.terminal(os.Stdout) && os.Getenv("NO_COLOR") == ""
		if _, err := io.WriteString(e.Out, report.Text(r, columns(os.Stdout), color)); err != nil {
			return sum.ExitCode, err
		}
		fmt.Fprintf(e.Out, "Report: %s\n", relative(sum.Report))
	}
	switch {
	case interrupted:
		fmt.Fprintf(e.Err, "fairlead: interrupted; the fleet is ended, what was measured is in %s\n", relative(folder))
	case sum.ExitCode == command.ExitLeaked:
		fmt.Fprintf(e.Err, "fairlead: leaked: %s\n", sum.Reason)
	case end.status != types.ExecutionStatusSucceeded && err == nil && e.terminal(os.Stdout) && e.terminal(os.Stderr):
		fmt.Fprintln(e.Err, "fairlead: the run failed; the reason is above")
	case end.status != types.ExecutionStatusSucceeded:
		fmt.Fprintf(e.Err, "fairlead: the run failed: %s\n", sum.Reason)
	case sum.ExitCode != command.ExitDone:
		fmt.Fprintln(e.Err, "fairlead: a threshold was not met")
	}
	return sum.ExitCode, nil
}

func exitCode(end outcome, sum summary, interrupted bool) int {
	switch {
	case end.err == "Leaked" || sum.Status == bench.StatusLeaked:
		return command.ExitLeaked
	case interrupted:
		return command.ExitInterrupted
	case end.status != types.ExecutionStatusSucceeded || sum.Status != bench.StatusDone:
		return command.ExitFailed
	}
	for _, t := range sum.Thresholds {
		if !t.Passed {
			return command.ExitFailed
		}
	}
	return command.ExitDone
}

func readReport(path string) (bench.Report, error) {
	var r bench.Report
	b, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s is not a report.json: %w", path, err)
	}
	if r.Version != bench.ReportVersion {
		return r, fmt.Errorf("%s is a report of version %d, and this fairlead reads version %d", path, r.Version, bench.ReportVersion)
	}
	return r, nil
}

// relative is a path as the user would type it from here.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}

func firstLine(s string) string {
	for i, c := range s {
		if c == '\n' {
			return s[:i]
		}
	}
	return s
}
