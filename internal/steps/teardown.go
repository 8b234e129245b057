package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// teardownTime bounds Teardown where the function's own time does not. On AWS
// an instance takes about a minute from running to terminated.
const teardownTime = 4 * time.Minute

// Teardown ends the run's fleet.
type Teardown struct {
	Store Store
	Fleet Ender
	Stack string
}

// TeardownOut is the receipt in short.
type TeardownOut struct {
	Left    []string `json:"left"` // never null
	Ended   int      `json:"ended"`
	Receipt string   `json:"receipt"` // key
}

// Run ends what Launch recorded and what carries the run's tags, waits until it
// is gone, and writes the receipt. What is left is in the result and no error:
// the machine then ends as Leaked. Repeated, it keeps what its earlier receipt says.
func (t *Teardown) Run(ctx context.Context, in RunIn) (TeardownOut, error) {
	keys := bench.RunKeys{Run: in.Run}
	recorded, err := recordedInstances(ctx, t.Store, keys)
	if err != nil {
		return TeardownOut{}, err
	}
	earlier, err := receiptOf(ctx, t.Store, keys)
	if err != nil {
		return TeardownOut{}, err
	}
	ending := newEnding(t.Fleet, t.Stack, in.Run, recorded)
	waiting, cancel := within(ctx, teardownTime)
	left, err := ending.end(waiting)
	cancel()
	if err != nil && len(left) == 0 {
		return TeardownOut{}, err // a receipt would say that nothing is left, which nobody knows
	}
	receipt := ending.receipt("teardown", left)
	if earlier != nil {
		receipt = merge(*earlier, receipt)
	}
	if failed := putJSON(ctx, t.Store, keys.Receipt(), receipt); failed != nil {
		return TeardownOut{}, failed
	}
	if err != nil {
		return TeardownOut{}, err // another try may do better
	}
	return TeardownOut{Left: receipt.Left, Ended: len(receipt.Ended), Receipt: keys.Receipt()}, nil
}

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
		if strings.HasSuffix(key, ".refused.json") {
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

// receiptOf reads the run's receipt, nil if there is none yet.
func receiptOf(ctx context.Context, s Store, keys bench.RunKeys) (*bench.Receipt, error) {
	there, err := exists(ctx, s, keys.Receipt())
	if err != nil || !there {
		return nil, err
	}
	r, err := getJSON[bench.Receipt](ctx, s, keys.Receipt())
	if err != nil {
		return nil, err
	}
	return &r, nil
}
