package steps

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// ages keeps what was published, and refuses if the test wants it.
type ages struct {
	published []time.Duration
	refuse    error
	first     func() // before each call
}

func (a *ages) OldestInstance(_ context.Context, age time.Duration) error {
	if a.first != nil {
		a.first()
	}
	a.published = append(a.published, age)
	return a.refuse
}

func sweeper(m *memory, c *cloud, e *elb, r runs) *Sweeper {
	return &Sweeper{Store: m, Fleet: c, Balancers: e, Executions: r, Metrics: &ages{}, Stack: "fl"}
}

// runs maps executions to their status.
type runs map[string]string

func (r runs) Status(_ context.Context, arn string) (string, error) {
	if s, ok := r[arn]; ok {
		return s, nil
	}
	return "", ErrNotFound
}

func (r runs) Stopped(_ context.Context, since time.Time) (list []string, err error) {
	if time.Since(since) < 15*time.Minute {
		return nil, errors.New("a function may run on for 15 minutes")
	}
	for arn, status := range r {
		if status != "RUNNING" && status != "SUCCEEDED" {
			list = append(list, arn)
		}
	}
	return list, nil
}

func sweepEvent(arn, status string) SweepIn {
	var in SweepIn
	in.DetailType = "Step Functions Execution Status Change"
	in.Detail.ExecutionARN, in.Detail.Status = arn, status
	return in
}

func TestSweepOfAStoppedExecution(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		s := sweeper(m, c, newELB(), runs{})
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
		s := sweeper(m, c, newELB(), runs{})
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
		s := sweeper(m, c, newELB(), runs{})
		out, err := s.Run(t.Context(), sweepEvent("arn:aws:states:us-east-1:000000000000:execution:other:r", "FAILED"))
		if err != nil || len(out.Swept) > 0 || c.alive("r") != 9 {
			t.Errorf("%d alive; %+v, %v", c.alive("r"), out, err)
		}
	})
}

// TestSweepOfNothingYet: a stopped execution's Launch that has not begun to look
// around must find the marker, although there is nothing to end.
func TestSweepOfNothingYet(t *testing.T) {
	for _, c := range []struct {
		why   string
		make  func(*memory)
		runs  runs
		marks bool
	}{
		{"it was aborted before anything was launched", func(*memory) {}, runs{execution: "ABORTED"}, true},
		{"it timed out", func(*memory) {}, runs{execution: "TIMED_OUT"}, true},
		{"it runs", func(*memory) {}, runs{execution: "RUNNING"}, false},
		{"it is over, and a receipt says so", func(m *memory) {
			m.objects[keysOfR.Receipt()] = []byte(`{"run": "r", "by": "teardown", "ended": [], "left": []}`)
		}, runs{execution: "FAILED"}, false},
		{"it never had a plan", func(m *memory) { delete(m.objects, keysOfR.Plan()) }, runs{execution: "ABORTED"}, false},
		{"the plan is a namesake's", func(*memory) {}, runs{"arn:aws:states:us-east-1:000000000000:execution:other:r": "FAILED", execution: "RUNNING"}, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			m, cl := planned(t, `{}`), newCloud()
			c.make(m)
			for range 2 { // the second has nothing more to do
				out, err := sweeper(m, cl, newELB(), c.runs).Run(t.Context(), SweepIn{})
				if err != nil {
					t.Errorf("%s: %+v, %v", c.why, out, err)
				}
			}
			_, marked := m.objects[keysOfR.Cancelled()]
			if marked != c.marks {
				t.Errorf("%s: marked %v", c.why, marked)
			}
			if !c.marks {
				return
			}
			if r := read[bench.Receipt](t, m, keysOfR.Receipt()); r.By != "sweep" || len(r.Ended) > 0 || r.Left == nil {
				t.Errorf("%s: receipt %+v", c.why, r)
			}
			if _, err := launch(t, m, cl, "cluster1"); err == nil || len(cl.machines) > 0 {
				t.Errorf("%s: launched after the sweep, %v", c.why, err)
			}
		})
	}
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
		{"nothing of it lives, and no receipt says so", func(_ *memory, c *cloud) {
			for _, m := range c.machines {
				m.State = stateTerminated
			}
		}, runs{execution: "ABORTED"}, true},
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
				s := sweeper(m, c, newELB(), tc.runs)
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
		s := sweeper(m, c, newELB(), runs{})
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

// What a torn-down run has left is nothing, and no sweep's business.
func TestScheduledSweepLeavesTornDownRunsAlone(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		if _, err := teardown(t, m, c); err != nil {
			t.Fatal(err)
		}
		puts := len(m.puts)
		out, err := sweeper(m, c, newELB(), runs{execution: "SUCCEEDED"}).Run(t.Context(), SweepIn{})
		if err != nil || len(out.Swept) > 0 || len(m.puts) > puts {
			t.Errorf("swept %+v, %v; wrote %v", out.Swept, err, m.puts[puts:])
		}
	})
}

// An instance that ends after the sweep has stopped waiting is in no list of
// what lives, and the receipt must not name it as left for ever.
func TestScheduledSweepClosesAnOpenReceipt(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		s := sweeper(m, c, newELB(), runs{execution: "ABORTED"})
		c.stuck["i-4"] = true
		if _, err := s.Run(t.Context(), SweepIn{}); err == nil {
			t.Fatal("no error though an instance is left")
		}
		delete(c.stuck, "i-4")
		if _, err := s.Run(t.Context(), SweepIn{}); err != nil {
			t.Fatal(err)
		}
		if r := read[bench.Receipt](t, m, keysOfR.Receipt()); len(r.Left) > 0 || len(r.Ended) != 9 {
			t.Errorf("receipt %+v", r)
		}
	})
}

func TestSweepThatCannotEndFails(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		c.stuck["i-4"] = true
		s := sweeper(m, c, newELB(), runs{})
		_, err := s.Run(t.Context(), SweepIn{})
		if left, ok := own[*StillRunning](err); !ok || !slices.Equal(left.Left, []string{"i-4"}) {
			t.Errorf("got %T: %v", err, err)
		}
	})
}
