package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// known is what Teardown or a sweep knows of a run before it looks.
type known struct {
	stack    string
	run      string
	record   *bench.RunRecord // nil if the run has no plan
	recorded []bench.Instance // by Launch, or found by a sweep
	balancer *bench.Balancer  // by Balance
	orphans  []orphan         // of load balancing, found by a sweep
	earlier  *bench.Receipt
}

// recall reads what the run's steps have written.
func recall(ctx context.Context, s Store, stack, run string) (known, error) {
	k := known{stack: stack, run: run}
	keys := bench.RunKeys{Run: run}
	planned, err := exists(ctx, s, keys.Plan())
	if err != nil {
		return k, err
	}
	if planned {
		r, err := record(ctx, s, run)
		if err != nil {
			return k, err
		}
		k.record = &r
	}
	if k.recorded, err = recordedInstances(ctx, s, keys); err != nil {
		return k, err
	}
	if k.balanced() {
		if k.balancer, err = balancerRecord(ctx, s, run); err != nil {
			return k, err
		}
	}
	k.earlier, err = receiptOf(ctx, s, keys)
	return k, err
}

// balanced tells whether the run may have a load balancer. Without its plan
// nobody knows.
func (k known) balanced() bool { return k.record == nil || len(k.record.Plan.ALBs()) > 0 }

// recordedInstances reads what Launch wrote of all groups, of those that were
// only partly started too.
func recordedInstances(ctx context.Context, s Store, keys bench.RunKeys) ([]bench.Instance, error) {
	prefix := keys.Prefix() + "groups/"
	list, err := s.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", prefix, err)
	}
	var all []bench.Instance
	for _, key := range list {
		if strings.HasSuffix(key, ".refused.json") || strings.HasSuffix(key, ".failed.txt") {
			continue
		}
		group, err := getJSON[[]bench.Instance](ctx, s, key)
		if err != nil {
			return nil, err
		}
		all = append(all, group...)
	}
	return all, nil
}

// finish ends all that a run started: its machines, and beside them its load
// balancer.
type finish struct {
	known
	machines *ending
	balancer *balancerEnding // nil if the run has none
}

func newFinish(fleet Ender, balancers BalancerEnder, k known) *finish {
	f := &finish{known: k, machines: newEnding(fleet, k.stack, k.run, k.recorded)}
	if k.balanced() || len(k.orphans) > 0 {
		f.balancer = newBalancerEnding(balancers, k)
	}
	return f
}

// errUnknown is the state of which no receipt may be written: it would say that
// nothing is left, which nobody knows.
var errUnknown = errors.New("nobody can tell what is left")

// end gives what is left. With an error, left is what is known: it is errUnknown
// too if that is nothing.
func (f *finish) end(ctx context.Context) (left []string, err error) {
	var parts sync.WaitGroup
	var lefts [2][]string
	var errs [2]error
	parts.Go(func() { lefts[0], errs[0] = f.machines.end(ctx) })
	if f.balancer != nil {
		parts.Go(func() { lefts[1], errs[1] = f.balancer.end(ctx) })
	}
	parts.Wait()
	for k, err := range errs {
		if err != nil && len(lefts[k]) == 0 {
			errs[k] = fmt.Errorf("%w: %w", errUnknown, err)
		}
	}
	return slices.Concat(lefts[:]...), errors.Join(errs[:]...)
}

// receipt says what is gone, what is left and what is kept.
func (f *finish) receipt(by string, left []string) bench.Receipt {
	r := bench.Receipt{Run: f.run, By: by, At: time.Now().UTC(), Ended: append([]bench.Ended{}, f.machines.ended()...), Left: append([]string{}, left...)}
	if f.balancer != nil {
		r.Ended = append(r.Ended, f.balancer.ended()...)
		if f.record != nil && f.record.BalancerGroup != "" && len(f.balancer.parts) > 0 {
			r.Kept = []bench.Kept{{
				ID: f.record.BalancerGroup, Kind: "security-group",
				Reason: "the load balancer's security group belongs to the stack, and goes with it",
			}}
		}
	}
	sortEnded(r.Ended)
	return r
}
