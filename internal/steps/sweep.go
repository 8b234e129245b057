package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// sweepTime is for one run's fleet: enough to ask and, locally and often on
// AWS, to see it gone. What is not is left to the next sweep.
const sweepTime = 100 * time.Second

// Executions tells of the state machine's executions.
type Executions interface {
	// Status is RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED. Errors:
	// ErrNotFound if there is no such execution, or no longer.
	Status(ctx context.Context, executionARN string) (string, error)
}

// Sweeper ends what no state machine will end any more: fleets of executions
// that were aborted or timed out, and fleets past their expiry.
type Sweeper struct {
	Store      Store
	Fleet      Ender
	Executions Executions
	Stack      string
}

// SweepIn is an EventBridge event: a status change of an execution, or the schedule.
type SweepIn struct {
	DetailType string `json:"detail-type"`
	Detail     struct {
		ExecutionARN string `json:"executionArn"`
		Status       string `json:"status"`
	} `json:"detail"`
}

// SweepOut lists the runs that were swept.
type SweepOut struct {
	Swept []Swept `json:"swept"`
}

// Swept is one run's end.
type Swept struct {
	Run    string   `json:"run"`
	Reason string   `json:"reason"`
	Ended  int      `json:"ended"`
	Left   []string `json:"left"`
}

// Run sweeps one run, or on schedule whatever should not be there.
// Errors: *StillRunning.
func (s *Sweeper) Run(ctx context.Context, in SweepIn) (SweepOut, error) {
	if in.Detail.ExecutionARN != "" {
		return s.stopped(ctx, in.Detail.ExecutionARN, in.Detail.Status)
	}
	return s.scheduled(ctx)
}

// stopped sweeps the run of an execution that has ended.
func (s *Sweeper) stopped(ctx context.Context, execution, status string) (SweepOut, error) {
	run := bench.RunID(execution)
	planned, err := exists(ctx, s.Store, bench.RunKeys{Run: run}.Plan())
	if err != nil {
		return SweepOut{}, err
	}
	if !planned {
		return SweepOut{Swept: []Swept{}}, nil // nothing is launched without a plan
	}
	r, err := record(ctx, s.Store, run)
	if err != nil {
		return SweepOut{}, err
	}
	if r.Execution != execution {
		// The run's name is another execution's, perhaps a live one: this one
		// was refused it.
		return SweepOut{Swept: []Swept{}}, nil
	}
	return told(s.sweep(ctx, run, howEnded(status), nil))
}

// scheduled looks at all machines of the stack.
func (s *Sweeper) scheduled(ctx context.Context) (SweepOut, error) {
	found, err := s.Fleet.Instances(ctx, map[string][]string{
		"tag:" + bench.TagStack: {s.Stack},
		"instance-state-name":   {"pending", "running", "shutting-down", "stopping", "stopped"},
	})
	if err != nil {
		return SweepOut{}, err
	}
	runs := map[string][]bench.Instance{}
	expired := map[string]bool{}
	for _, m := range found {
		run := m.Tags[bench.TagRun]
		if run == "" {
			continue // Launch tags the run in the same call: this one is somebody else's
		}
		runs[run] = append(runs[run], instance(m))
		if end, err := time.Parse(time.RFC3339, m.Tags[bench.TagExpiry]); err != nil || time.Now().After(end) {
			expired[run] = true // also if the tag says nothing: what has no end must get one
		}
	}
	var swept []Swept
	var failures []error
	for _, run := range slices.Sorted(maps.Keys(runs)) {
		reason := "its time is over"
		if !expired[run] {
			if reason, err = s.abandoned(ctx, run); err != nil {
				failures = append(failures, err)
				continue
			}
		}
		if reason == "" {
			continue
		}
		one, err := s.sweep(ctx, run, reason, runs[run])
		if err != nil {
			failures = append(failures, fmt.Errorf("sweep %s: %w", run, err))
			continue
		}
		swept = append(swept, one...)
	}
	return told(swept, errors.Join(failures...))
}

// abandoned gives the reason why nobody will end the run, "" if somebody will.
func (s *Sweeper) abandoned(ctx context.Context, run string) (string, error) {
	planned, err := exists(ctx, s.Store, bench.RunKeys{Run: run}.Plan())
	if err != nil {
		return "", err
	}
	if !planned {
		return "it has no plan", nil // Launch reads the plan, so somebody removed it
	}
	r, err := record(ctx, s.Store, run)
	if err != nil {
		return "", err
	}
	status, err := s.Executions.Status(ctx, r.Execution)
	switch {
	case errors.Is(err, ErrNotFound):
		return "its execution is unknown", nil
	case err != nil:
		return "", err
	case status == "RUNNING":
		return "", nil
	}
	return howEnded(status), nil
}

// howEnded puts an execution's status into words, which the report repeats.
func howEnded(status string) string {
	switch status {
	case "ABORTED":
		return "its execution was aborted"
	case "TIMED_OUT":
		return "its execution timed out"
	case "FAILED":
		return "its execution failed"
	}
	return "its execution is " + status
}

// sweep marks the run as cancelled, so that a Launch which outlived its
// execution starts nothing more, then ends its fleet. Teardown's receipt stands;
// a sweep's own that left something is brought up to date.
func (s *Sweeper) sweep(ctx context.Context, run, reason string, seen []bench.Instance) ([]Swept, error) {
	keys := bench.RunKeys{Run: run}
	if err := s.Store.Put(ctx, keys.Cancelled(), []byte(reason+"\n")); err != nil {
		return nil, fmt.Errorf("write %s: %w", keys.Cancelled(), err)
	}
	recorded, err := recordedInstances(ctx, s.Store, keys)
	if err != nil {
		return nil, err
	}
	ending := newEnding(s.Fleet, s.Stack, run, append(recorded, seen...))
	waiting, cancel := within(ctx, sweepTime)
	left, err := ending.end(waiting)
	cancel()
	if err != nil {
		return nil, err
	}
	receipt := ending.receipt("sweep", left)
	body, err := encode(receipt)
	if err != nil {
		return nil, err
	}
	holder, err := claim(ctx, s.Store, keys.Receipt(), body)
	if err != nil {
		return nil, err
	}
	var earlier bench.Receipt
	if err := json.Unmarshal(holder, &earlier); err != nil {
		return nil, fmt.Errorf("read %s: %w", keys.Receipt(), err)
	}
	if earlier.By == receipt.By && len(earlier.Left) > 0 {
		// A sweep's own, from before its event was tried again.
		if err := putJSON(ctx, s.Store, keys.Receipt(), merge(earlier, receipt)); err != nil {
			return nil, err
		}
	}
	return []Swept{{Run: run, Reason: reason, Ended: len(receipt.Ended), Left: receipt.Left}}, nil
}

// told fails if anything is left, so that the event is tried again and the
// function's error metric shows it.
func told(swept []Swept, err error) (SweepOut, error) {
	if err != nil {
		return SweepOut{}, err
	}
	out := SweepOut{Swept: append([]Swept{}, swept...)}
	var left []string
	for _, s := range swept {
		left = append(left, s.Left...)
	}
	if len(left) > 0 {
		return out, &StillRunning{Instances: left}
	}
	return out, nil
}
