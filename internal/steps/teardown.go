package steps

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// teardownTime bounds Teardown where the function's own time does not. On AWS
// an instance takes about a minute from running to terminated.
const teardownTime = 4 * time.Minute

// Teardown ends the run's fleet and load balancer.
type Teardown struct {
	Store     Store
	Fleet     Ender
	Balancers BalancerEnder
	Stack     string
}

// TeardownOut is the receipt in short.
type TeardownOut struct {
	Left    []string `json:"left"` // never null
	Ended   int      `json:"ended"`
	Receipt string   `json:"receipt"` // key
}

// Run ends what Launch and Balance recorded and what carries the run's tags or
// names, waits until it is gone, and writes the receipt. What is left is in the
// result and no error: the machine then ends as Leaked. Repeated, it keeps what
// its earlier receipt says. The run's lock is freed when nothing is left: where
// accounts are small, the next run needs the room.
func (t *Teardown) Run(ctx context.Context, in RunIn) (TeardownOut, error) {
	k, err := recall(ctx, t.Store, t.Stack, in.Run)
	if err != nil {
		return TeardownOut{}, err
	}
	f := newFinish(t.Fleet, t.Balancers, k)
	waiting, cancel := within(ctx, teardownTime)
	left, err := f.end(waiting)
	cancel()
	if errors.Is(err, errUnknown) {
		return TeardownOut{}, err
	}
	receipt := f.receipt("teardown", left)
	if k.earlier != nil {
		receipt = merge(*k.earlier, receipt)
	}
	key := bench.RunKeys{Run: in.Run}.Receipt()
	if failed := putJSON(ctx, t.Store, key, receipt); failed != nil {
		return TeardownOut{}, failed
	}
	if err != nil {
		return TeardownOut{}, err // another try may do better
	}
	if len(left) == 0 && k.record != nil {
		if err := releaseLock(ctx, t.Store, *k.record); err != nil {
			return TeardownOut{}, err
		}
	}
	return TeardownOut{Left: receipt.Left, Ended: len(receipt.Ended), Receipt: key}, nil
}
