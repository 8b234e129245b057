package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// sweepTime is for one run: enough to ask and, locally and often on
// AWS, to see it gone. What is not is left to the next sweep.
const sweepTime = 100 * time.Second

// Executions tells of the state machine's executions.
type Executions interface {
	// Status is RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED. Errors:
	// ErrNotFound if there is no such execution, or no longer.
	Status(ctx context.Context, executionARN string) (string, error)
	// Stopped lists those that failed, were aborted or timed out since then.
	Stopped(ctx context.Context, since time.Time) (executionARNs []string, err error)
}

// Sweeper ends what no state machine will end any more: instances and load
// balancers of executions that do not run, and those past their expiry.
type Sweeper struct {
	Store      Store
	Fleet      Ender
	Balancers  BalancerFinder
	Executions Executions
	Metrics    Metrics
	Stack      string
}

// BalancerFinder ends load balancers, and finds those that no record names.
type BalancerFinder interface {
	BalancerEnder
	TagReader
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
	planned, err := s.planned(ctx, execution)
	if err != nil {
		return SweepOut{}, err
	}
	if !planned {
		return SweepOut{Swept: []Swept{}}, nil // nothing is launched without a plan
	}
	return told(s.sweep(ctx, bench.RunID(execution), howEnded(status), found{}))
}

// planned tells whether an execution has a plan. Its run's name may be another
// execution's, perhaps a live one: then this one was refused it.
func (s *Sweeper) planned(ctx context.Context, execution string) (bool, error) {
	run := bench.RunID(execution)
	there, err := exists(ctx, s.Store, bench.RunKeys{Run: run}.Plan())
	if err != nil || !there {
		return false, err
	}
	r, err := record(ctx, s.Store, run)
	return err == nil && r.Execution == execution, err
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

// sweep marks the run as cancelled, so that a Launch or Balance which outlived
// its execution starts nothing more, then ends all of it. An earlier receipt
// keeps all that it says; what this sweep ended besides is added.
func (s *Sweeper) sweep(ctx context.Context, run, reason string, f found) ([]Swept, error) {
	keys := bench.RunKeys{Run: run}
	if err := s.Store.Put(ctx, keys.Cancelled(), []byte(reason+"\n")); err != nil {
		return nil, fmt.Errorf("write %s: %w", keys.Cancelled(), err)
	}
	k, err := recall(ctx, s.Store, s.Stack, run)
	if err != nil {
		return nil, err
	}
	k.recorded, k.orphans = append(k.recorded, f.instances...), f.orphans
	end := newFinish(s.Fleet, s.Balancers, k)
	waiting, cancel := within(ctx, sweepTime)
	left, err := end.end(waiting)
	cancel()
	if errors.Is(err, errUnknown) {
		return nil, err
	}
	receipt := end.receipt("sweep", left)
	if failed := s.keep(ctx, keys.Receipt(), receipt); failed != nil {
		return nil, errors.Join(err, failed)
	}
	if err == nil && len(left) == 0 && k.record != nil {
		err = releaseLock(ctx, s.Store, *k.record)
	}
	return []Swept{{Run: run, Reason: reason, Ended: len(receipt.Ended), Left: receipt.Left}}, err
}

// keep writes the receipt if there is none. One that is there, Teardown's or an
// earlier sweep's, loses nothing that it says; it is written again only if it
// says that something is left which is not, or lacks what has ended since.
func (s *Sweeper) keep(ctx context.Context, key string, receipt bench.Receipt) error {
	body, err := encode(receipt)
	if err != nil {
		return err
	}
	holder, err := claim(ctx, s.Store, key, body)
	if err != nil {
		return err
	}
	var earlier bench.Receipt
	if err := json.Unmarshal(holder, &earlier); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if len(earlier.Left) == 0 && !news(earlier, receipt) {
		return nil
	}
	return putJSON(ctx, s.Store, key, merge(earlier, receipt))
}

// told fails if anything is left, so that the event is tried again and the
// function's error metric shows it.
func told(swept []Swept, err error) (SweepOut, error) {
	out := SweepOut{Swept: append([]Swept{}, swept...)}
	if err != nil {
		return out, err
	}
	var left []string
	for _, s := range swept {
		left = append(left, s.Left...)
	}
	if len(left) > 0 {
		return out, &StillRunning{Left: left}
	}
	return out, nil
}
