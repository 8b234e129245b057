package steps

import (
	"cmp"
	"context"
	"slices"

	"github.com/fairlead/fairlead/internal/bench"
)

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

func sortEnded(list []bench.Ended) {
	slices.SortFunc(list, func(a, b bench.Ended) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
	})
}

// merge keeps what an earlier receipt saw: when something ended, and what the
// cloud has forgotten since.
func merge(earlier, now bench.Receipt) bench.Receipt {
	at := map[string]int{}
	for k, e := range now.Ended {
		at[e.ID] = k
	}
	for _, e := range earlier.Ended {
		if k, known := at[e.ID]; known {
			if e.Ended.Before(now.Ended[k].Ended) {
				now.Ended[k] = e
			}
		} else if !slices.Contains(now.Left, e.ID) {
			now.Ended = append(now.Ended, e)
		}
	}
	for _, k := range earlier.Kept {
		if !slices.Contains(now.Kept, k) {
			now.Kept = append(now.Kept, k)
		}
	}
	sortEnded(now.Ended)
	return now
}

// news tells whether a receipt says more than an earlier one: something ended
// that was not known to have.
func news(earlier, now bench.Receipt) bool {
	return slices.ContainsFunc(now.Ended, func(e bench.Ended) bool {
		return !slices.ContainsFunc(earlier.Ended, func(had bench.Ended) bool { return had.ID == e.ID })
	})
}
