package steps

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// locked makes the run hold the stack's lock, as Plan does in small accounts.
func locked(t *testing.T, m *memory) {
	t.Helper()
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	r.Locked = true
	write(t, m, keysOfR.Plan(), r)
	if _, err := takeLock(t.Context(), m, r, "results"); err != nil {
		t.Fatal(err)
	}
}

// The next run needs the room that this one takes, and may have it when nothing
// of this one is left.
func TestTheLockIsFreedWithTheLastInstance(t *testing.T) {
	ends := map[string]func(t *testing.T, m *memory, c *cloud, e *elb) error{
		"teardown": func(t *testing.T, m *memory, c *cloud, e *elb) error {
			_, err := end(t, m, c, e)
			return err
		},
		"sweep of an aborted execution": func(t *testing.T, m *memory, c *cloud, e *elb) error {
			_, err := sweeper(m, c, e, runs{}).Run(t.Context(), sweepEvent(execution, "ABORTED"))
			return err
		},
		"scheduled sweep": func(t *testing.T, m *memory, c *cloud, e *elb) error {
			_, err := sweeper(m, c, e, runs{execution: "ABORTED"}).Run(t.Context(), SweepIn{})
			return err
		},
	}
	for by, run := range ends {
		t.Run(by, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c, e := balanced(t)
				locked(t, m)
				c.stuck["i-1"] = true
				_ = run(t, m, c, e) // which says that i-1 is left
				if h := read[lockHolder](t, m, bench.RunLock); h.Freed {
					t.Error("freed though an instance is left")
				}
				delete(c.stuck, "i-1")
				if err := run(t, m, c, e); err != nil {
					t.Fatal(err)
				}
				if h := read[lockHolder](t, m, bench.RunLock); !h.Freed {
					t.Errorf("still held: %+v", h)
				}
			})
		})
	}
}

func TestAnothersLockIsNotFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := balanced(t)
		locked(t, m)
		write(t, m, bench.RunLock, lockHolder{Execution: "another", Expiry: time.Now().Add(time.Hour)})
		if _, err := end(t, m, c, e); err != nil {
			t.Fatal(err)
		}
		if h := read[lockHolder](t, m, bench.RunLock); h.Freed || h.Execution != "another" {
			t.Errorf("the lock is %+v", h)
		}
	})
}

// Nothing is lost of what several receipts say.
func TestMergeOfReceipts(t *testing.T) {
	at := func(m int) time.Time { return time.Date(2026, 11, 1, 12, m, 0, 0, time.UTC) }
	gone := func(id string, m int) bench.Ended { return bench.Ended{ID: id, Kind: bench.KindInstance, Ended: at(m)} }
	kept := bench.Kept{ID: "sg-1", Kind: "security-group", Reason: "the stack's"}
	earlier := bench.Receipt{By: "teardown", Ended: []bench.Ended{gone("a", 1), gone("b", 1), gone("d", 1)}, Left: []string{"c"}, Kept: []bench.Kept{kept}}
	now := bench.Receipt{By: "sweep", Ended: []bench.Ended{gone("c", 9), gone("a", 9)}, Left: []string{"d"}, Kept: []bench.Kept{kept}}
	r := merge(earlier, now)
	got := map[string]int{}
	for _, e := range r.Ended {
		got[e.ID] = e.Ended.Minute()
	}
	if len(got) != 3 || got["a"] != 1 || got["b"] != 1 || got["c"] != 9 || len(r.Kept) != 1 || len(r.Left) != 1 {
		t.Errorf("merged to %+v", r)
	}
	if !news(earlier, now) || news(r, now) {
		t.Error("only the first time c's end is news")
	}
}
