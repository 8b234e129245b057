package steps

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

func teardown(t *testing.T, m *memory, c *cloud) (TeardownOut, error) {
	t.Helper()
	return (&Teardown{Store: m, Fleet: c, Stack: "fl"}).Run(t.Context(), RunIn{Run: "r"})
}

// inACloud runs a test in virtual time with a run r whose fleet has started.
func inACloud(t *testing.T, test func(t *testing.T, m *memory, c *cloud)) {
	synctest.Test(t, func(t *testing.T) {
		m, c := planned(t, `{}`), newCloud()
		launched(t, m, c)
		test(t, m, c)
	})
}

func TestTeardown(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*testing.T, *memory, *cloud)
	}{
		{"a whole fleet", func(*testing.T, *memory, *cloud) {}},
		{"no record was written: the tags tell", func(_ *testing.T, m *memory, _ *cloud) {
			for _, k := range m.keys() {
				if strings.Contains(k, "/groups/") {
					delete(m.objects, k)
				}
			}
		}},
		{"machines so young that EC2 does not know their ids", func(_ *testing.T, _ *memory, c *cloud) { c.lag = 40 * time.Second }},
		{"one recorded id that never was", func(t *testing.T, m *memory, _ *cloud) {
			list := read[[]bench.Instance](t, m, keysOfR.Group("cluster1"))
			write(t, m, keysOfR.Group("cluster1"), append(list, bench.Instance{ID: "i-ghost", Group: "cluster1", Launched: time.Now()}))
		}},
		{"a node that ended by itself", func(_ *testing.T, _ *memory, c *cloud) { c.machines["i-3"].State = stateTerminated }},
	} {
		t.Run(tc.why, func(t *testing.T) {
			inACloud(t, func(t *testing.T, m *memory, c *cloud) {
				tc.make(t, m, c)
				out, err := teardown(t, m, c)
				if err != nil {
					t.Fatal(err)
				}
				if c.alive("r") > 0 || len(out.Left) > 0 || out.Ended < 9 {
					t.Errorf("%d alive; %+v", c.alive("r"), out)
				}
				if !strings.Contains(string(m.objects[keysOfR.Receipt()]), `"left": []`) {
					t.Errorf("receipt:\n%s", m.objects[keysOfR.Receipt()])
				}
				for _, e := range read[bench.Receipt](t, m, keysOfR.Receipt()).Ended {
					if e.Kind != "instance" || e.Group == "" || e.Ended.Before(e.Launched) {
						t.Errorf("receipt line %+v", e)
					}
				}
				if raw, _ := json.Marshal(out); !strings.Contains(string(raw), `"left":[]`) {
					t.Errorf("output %s: left must be a list", raw)
				}
			})
		})
	}
}

func TestTeardownOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c := planned(t, `{}`), newCloud()
		out, err := teardown(t, m, c)
		if err != nil || out.Left == nil || len(out.Left) > 0 || out.Ended != 0 {
			t.Errorf("got %+v, %v", out, err)
		}
	})
}

func TestTeardownLeavesOtherStacksAlone(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		c.machines["i-other"] = &Machine{ID: "i-other", State: stateRunning, Tags: map[string]string{bench.TagStack: "fl2", bench.TagRun: "r"}}
		if _, err := teardown(t, m, c); err != nil {
			t.Fatal(err)
		}
		if c.machines["i-other"].State != stateRunning {
			t.Error("ended the machine of another stack")
		}
	})
}

func TestTeardownTellsWhatIsLeft(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		c.stuck["i-4"] = true
		out, err := teardown(t, m, c)
		if err != nil || !slices.Equal(out.Left, []string{"i-4"}) {
			t.Fatalf("got %+v, %v: want i-4 left", out, err)
		}
		// The state machine's next try keeps what the first saw.
		first := read[bench.Receipt](t, m, keysOfR.Receipt())
		c.stuck = map[string]bool{}
		for id := range c.machines {
			if id != "i-4" {
				delete(c.machines, id) // EC2 forgets after an hour
			}
		}
		time.Sleep(time.Hour)
		if out, err = teardown(t, m, c); err != nil || len(out.Left) > 0 || out.Ended != 9 {
			t.Errorf("second: %+v, %v", out, err)
		}
		second := read[bench.Receipt](t, m, keysOfR.Receipt())
		for _, e := range first.Ended {
			if !slices.Contains(second.Ended, e) {
				t.Errorf("the second receipt lost %+v", e)
			}
		}
	})
}

func TestTeardownFails(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*cloud)
		want bool // a receipt
	}{
		{"it may not end: the receipt names all", func(c *cloud) { c.denied = errors.New("UnauthorizedOperation") }, true},
		{"EC2 tells nothing, but the records do", func(c *cloud) { c.blind = errors.New("UnauthorizedOperation") }, true},
	} {
		t.Run(tc.why, func(t *testing.T) {
			inACloud(t, func(t *testing.T, m *memory, c *cloud) {
				tc.make(c)
				began := time.Now()
				if _, err := teardown(t, m, c); err == nil {
					t.Fatal("no error")
				}
				if waited := time.Since(began); waited > 10*time.Second {
					t.Errorf("waited %v for what will not heal", waited)
				}
				if left := read[bench.Receipt](t, m, keysOfR.Receipt()).Left; len(left) != 9 {
					t.Errorf("the receipt says that %v are left", left)
				}
			})
		})
	}
	t.Run("EC2 tells nothing and there are no records: no receipt", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m, c := planned(t, `{}`), newCloud()
			c.blind = errors.New("UnauthorizedOperation")
			if _, err := teardown(t, m, c); err == nil {
				t.Error("no error")
			}
			if _, err := m.Get(t.Context(), keysOfR.Receipt()); !errors.Is(err, ErrNotFound) {
				t.Errorf("there is a receipt: %s", m.objects[keysOfR.Receipt()])
			}
		})
	})
}

func TestTeardownHealsAfterAHiccup(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		c.denied = errors.New("ServiceUnavailable")
		go func() {
			time.Sleep(200 * time.Millisecond)
			c.mu.Lock()
			c.denied = nil
			c.mu.Unlock()
		}()
		if out, err := teardown(t, m, c); err != nil || len(out.Left) > 0 {
			t.Errorf("got %+v, %v", out, err)
		}
	})
}

// runs maps executions to their status.
type runs map[string]string

func (r runs) Status(_ context.Context, arn string) (string, error) {
	if s, ok := r[arn]; ok {
		return s, nil
	}
	return "", ErrNotFound
}

func sweepEvent(arn, status string) SweepIn {
	var in SweepIn
	in.DetailType = "Step Functions Execution Status Change"
	in.Detail.ExecutionARN, in.Detail.Status = arn, status
	return in
}

func TestSweepOfAStoppedExecution(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		s := &Sweeper{Store: m, Fleet: c, Executions: runs{}, Stack: "fl"}
		out, err := s.Run(t.Context(), sweepEvent(execution, "ABORTED"))
		if err != nil || len(out.Swept) != 1 || out.Swept[0].Ended != 9 || c.alive("r") > 0 {
			t.Fatalf("%d alive; %+v, %v", c.alive("r"), out, err)
		}
		if first := m.puts[len(m.puts)-1]; first != keysOfR.Cancelled() {
			t.Errorf("wrote %s, want the marker", first)
		}
		if r := read[bench.Receipt](t, m, keysOfR.Receipt()); r.By != "sweep" || len(r.Ended) != 9 {
			t.Errorf("receipt %+v", r)
		}
		// A Launch that outlived its execution finds the marker.
		delete(m.objects, keysOfR.Group("cluster1"))
		if _, err := launch(t, m, c, "cluster1"); err == nil {
			t.Error("launched after the sweep")
		}
	})
}

func TestSweepKeepsAnEarlierReceipt(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		if _, err := teardown(t, m, c); err != nil {
			t.Fatal(err)
		}
		before := string(m.objects[keysOfR.Receipt()])
		s := &Sweeper{Store: m, Fleet: c, Executions: runs{}, Stack: "fl"}
		if _, err := s.Run(t.Context(), sweepEvent(execution, "FAILED")); err != nil {
			t.Fatal(err)
		}
		if after := string(m.objects[keysOfR.Receipt()]); after != before {
			t.Errorf("the receipt is now\n%s", after)
		}
	})
}

// An execution that was refused its run's name fails, and its event must not
// sweep the run of the execution that has the name.
func TestSweepSparesTheNamesakesRun(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		s := &Sweeper{Store: m, Fleet: c, Executions: runs{}, Stack: "fl"}
		out, err := s.Run(t.Context(), sweepEvent("arn:aws:states:us-east-1:000000000000:execution:other:r", "FAILED"))
		if err != nil || len(out.Swept) > 0 || c.alive("r") != 9 {
			t.Errorf("%d alive; %+v, %v", c.alive("r"), out, err)
		}
	})
}

func TestSweepOnSchedule(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*memory, *cloud)
		runs runs
		ends bool
	}{
		{"a running execution keeps its fleet", func(*memory, *cloud) {}, runs{execution: "RUNNING"}, false},
		{"its execution was aborted", func(*memory, *cloud) {}, runs{execution: "ABORTED"}, true},
		{"its execution is unknown", func(*memory, *cloud) {}, runs{}, true},
		{"it is past its expiry, whatever the execution does", func(*memory, *cloud) { time.Sleep(2 * time.Hour) }, runs{execution: "RUNNING"}, true},
		{"its expiry cannot be read", func(_ *memory, c *cloud) { c.machines["i-1"].Tags[bench.TagExpiry] = "soon" }, runs{execution: "RUNNING"}, true},
		{"its plan is gone", func(m *memory, _ *cloud) { delete(m.objects, keysOfR.Plan()) }, runs{execution: "RUNNING"}, true},
		{"it is another stack's", func(_ *memory, c *cloud) {
			for _, m := range c.machines {
				m.Tags[bench.TagStack] = "fl2"
			}
		}, runs{}, false},
	} {
		t.Run(tc.why, func(t *testing.T) {
			inACloud(t, func(t *testing.T, m *memory, c *cloud) {
				tc.make(m, c)
				s := &Sweeper{Store: m, Fleet: c, Executions: tc.runs, Stack: "fl"}
				out, err := s.Run(t.Context(), SweepIn{DetailType: "Scheduled Event"})
				if err != nil {
					t.Fatal(err)
				}
				if ended := c.alive("r") == 0; ended != tc.ends || (len(out.Swept) > 0) != tc.ends {
					t.Errorf("ended %v, want %v; %+v", ended, tc.ends, out)
				}
			})
		})
	}
}

// On AWS an instance may take longer to end than a sweep waits: the event is
// tried again, and the receipt must not go on naming what is gone.
func TestSweepTriedAgainUpdatesItsReceipt(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		s := &Sweeper{Store: m, Fleet: c, Executions: runs{}, Stack: "fl"}
		c.stuck["i-4"] = true
		if _, err := s.Run(t.Context(), sweepEvent(execution, "ABORTED")); err == nil {
			t.Fatal("no error though an instance is left")
		}
		if r := read[bench.Receipt](t, m, keysOfR.Receipt()); !slices.Equal(r.Left, []string{"i-4"}) || len(r.Ended) != 8 {
			t.Errorf("first receipt %+v", r)
		}
		delete(c.stuck, "i-4")
		if _, err := s.Run(t.Context(), sweepEvent(execution, "ABORTED")); err != nil {
			t.Fatal(err)
		}
		if r := read[bench.Receipt](t, m, keysOfR.Receipt()); len(r.Left) != 0 || len(r.Ended) != 9 {
			t.Errorf("second receipt %+v", r)
		}
	})
}

func TestSweepThatCannotEndFails(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		c.stuck["i-4"] = true
		s := &Sweeper{Store: m, Fleet: c, Executions: runs{}, Stack: "fl"}
		_, err := s.Run(t.Context(), SweepIn{})
		if left, ok := own[*StillRunning](err); !ok || !slices.Equal(left.Instances, []string{"i-4"}) {
			t.Errorf("got %T: %v", err, err)
		}
	})
}
