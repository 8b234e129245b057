package steps

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// An execution may be stopped between any two creations; what exists by then is
// found by its name, recorded or not.
func TestSweepAfterEachCreation(t *testing.T) {
	const creations = 1 + 2 + 4 + 4
	for k := 1; k <= creations; k++ {
		for _, event := range []SweepIn{sweepEvent(execution, "ABORTED"), sweepEvent(execution, "TIMED_OUT"), {DetailType: "Scheduled Event"}} {
			t.Run(fmt.Sprintf("%d %s%s", k, event.DetailType, event.Detail.Status), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m, c, e := planned(t, balancedPlan), newCloud(), newELB()
					n := 0
					e.before = func(call string) {
						if strings.HasPrefix(call, "create ") {
							if n++; n > k {
								e.fail[call] = errors.New("the process is killed")
							}
						}
					}
					_, _ = (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r")
					if k == 1 {
						delete(m.objects, keysOfR.Balancer()) // killed before it could write
					}
					parts, listeners := e.size(), len(e.listeners)
					out, err := sweeper(m, c, e, runs{execution: "ABORTED"}).Run(t.Context(), event)
					if err != nil || len(out.Swept) != 1 || e.size() > 0 {
						t.Fatalf("%d parts left; %+v, %v", e.size(), out, err)
					}
					r := read[bench.Receipt](t, m, keysOfR.Receipt())
					if r.By != "sweep" || len(r.Ended) != parts+listeners || kinds(r)[bench.KindListener] != listeners || len(r.Kept) != 1 {
						t.Errorf("%d parts and %d listeners, receipt %+v", parts, listeners, r)
					}
				})
			})
		}
	}
}

// Step Functions stops no function: a creation that was under way when the sweep
// of the aborted execution looked takes effect after it. It creates nothing more,
// and the next scheduled sweep ends what it made.
func TestScheduledSweepEndsWhatOutlivedTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := planned(t, balancedPlan), newCloud(), newELB()
		e.flight = 30 * time.Second // longer than the whole first sweep
		created := make(chan error, 1)
		go func() {
			_, err := (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r")
			created <- err
		}()
		synctest.Wait() // the first call is under way
		s := sweeper(m, c, e, runs{execution: "ABORTED"})
		if _, err := s.Run(t.Context(), sweepEvent(execution, "ABORTED")); err != nil {
			t.Fatal(err)
		}
		if r := read[bench.Receipt](t, m, keysOfR.Receipt()); e.size() > 0 || len(r.Ended) > 0 {
			t.Fatalf("the first sweep saw it: %+v", r)
		}
		if err := <-created; !isOwn[*Cancelled](err) || e.made("create ") != 1 || e.size() != 1 {
			t.Fatalf("%v after %v", err, e.calls)
		}
		out, err := s.Run(t.Context(), SweepIn{DetailType: "Scheduled Event"})
		if err != nil || len(out.Swept) != 1 || e.size() > 0 {
			t.Fatalf("%d parts left; %+v, %v", e.size(), out, err)
		}
		if r := read[bench.Receipt](t, m, keysOfR.Receipt()); kinds(r)[bench.KindLoadBalancer] != 1 || len(r.Left) > 0 {
			t.Errorf("the receipt does not say what was swept: %+v", r)
		}
	})
}

// Also when no instance of the run exists any more.
func TestScheduledSweepOfLoadBalancers(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*memory, *elb)
		runs runs
		ends bool
	}{
		{"a running execution keeps it", func(*memory, *elb) {}, runs{execution: "RUNNING"}, false},
		{"its execution was aborted", func(*memory, *elb) {}, runs{execution: "ABORTED"}, true},
		{"its execution ended well, and left it", func(*memory, *elb) {}, runs{execution: "SUCCEEDED"}, true},
		{"its execution is unknown", func(*memory, *elb) {}, runs{}, true},
		{"it is past its expiry, whatever the execution does", func(*memory, *elb) { time.Sleep(2 * time.Hour) }, runs{execution: "RUNNING"}, true},
		{"everything of the run was removed from the bucket", func(m *memory, _ *elb) { clear(m.objects) }, runs{execution: "RUNNING"}, true},
		{"only target groups are left", func(_ *memory, e *elb) {
			time.Sleep(unseenTime)
			clear(e.balancers)
			clear(e.listeners)
		}, runs{}, true},
		{"its tags name another stack", func(_ *memory, e *elb) {
			for _, b := range e.balancers {
				b.order.Tags[bench.TagStack] = "fl2"
			}
			for _, g := range e.groups {
				g.order.Tags[bench.TagStack] = "fl2"
			}
		}, runs{}, false},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c, e := planned(t, balancedPlan), newCloud(), newELB()
				if _, err := (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r"); err != nil {
					t.Fatal(err)
				}
				tc.make(m, e)
				out, err := sweeper(m, c, e, tc.runs).Run(t.Context(), SweepIn{DetailType: "Scheduled Event"})
				if err != nil || (e.size() == 0) != tc.ends || (len(out.Swept) > 0) != tc.ends {
					t.Errorf("%d parts left; %+v, %v", e.size(), out, err)
				}
				if tc.ends && kinds(read[bench.Receipt](t, m, keysOfR.Receipt()))[bench.KindTargetGroup] != 4 {
					t.Errorf("receipt %s", m.objects[keysOfR.Receipt()])
				}
			})
		})
	}
}

func TestSweepNamesWhatIsLeftOfTheLoadBalancer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := balanced(t)
		e.deletion = time.Hour
		s := sweeper(m, c, e, runs{execution: "ABORTED"})
		_, err := s.Run(t.Context(), SweepIn{})
		lb := read[bench.Balancer](t, m, keysOfR.Balancer()).ARN
		if left, ok := own[*StillRunning](err); !ok || len(left.Left) != partsOfBalanced || !slices.Contains(left.Left, lb) {
			t.Fatalf("got %T: %v", err, err)
		}
		time.Sleep(time.Hour)
		if _, err := s.Run(t.Context(), SweepIn{}); err != nil {
			t.Fatal(err)
		}
		r := read[bench.Receipt](t, m, keysOfR.Receipt())
		for kind, n := range kindsOfBalanced {
			if kinds(r)[kind] != n || len(r.Left) > 0 {
				t.Errorf("%d × %s, want %d; left %v", kinds(r)[kind], kind, n, r.Left)
			}
		}
	})
}

// One service that refuses does not keep the other's things alive.
func TestSweepEndsWhatItCan(t *testing.T) {
	for why, refuse := range map[string]func(*cloud, *elb){
		"ELB tells nothing": func(_ *cloud, e *elb) { e.fail["list load-balancers"] = errors.New("AccessDenied") },
		"EC2 tells nothing": func(c *cloud, _ *elb) { c.blind = errors.New("UnauthorizedOperation") },
		"no tags":           func(_ *cloud, e *elb) { e.fail["tags"] = errors.New("AccessDenied") },
	} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c, e := balanced(t)
				refuse(c, e)
				if _, err := sweeper(m, c, e, runs{execution: "ABORTED"}).Run(t.Context(), SweepIn{}); err == nil {
					t.Error("no error")
				}
				if c.alive("r") > 0 && e.size() > 0 {
					t.Errorf("%d instances and %d parts are left", c.alive("r"), e.size())
				}
			})
		})
	}
}

func TestSweepPublishesTheOldestAge(t *testing.T) {
	at := func(test func(t *testing.T, m *memory, c *cloud, a *ages, s *Sweeper)) func(*testing.T) {
		return func(t *testing.T) {
			inACloud(t, func(t *testing.T, m *memory, c *cloud) {
				a := &ages{}
				s := sweeper(m, c, newELB(), runs{execution: "ABORTED"})
				s.Metrics = a
				test(t, m, c, a, s)
			})
		}
	}
	t.Run("before it ends any", at(func(t *testing.T, _ *memory, c *cloud, a *ages, s *Sweeper) {
		time.Sleep(time.Minute)
		c.machines["i-5"].Launched = time.Now().Add(-10 * time.Minute)
		c.machines["i-6"].Launched = time.Now().Add(-time.Hour)
		c.machines["i-6"].State = stateTerminated
		a.first = func() {
			if len(c.ends) > 0 {
				t.Error("ended before it published")
			}
		}
		if _, err := s.Run(t.Context(), SweepIn{}); err != nil || !slices.Equal(a.published, []time.Duration{10 * time.Minute}) {
			t.Errorf("published %v, %v", a.published, err)
		}
	}))
	t.Run("nothing when nothing lives", at(func(t *testing.T, _ *memory, c *cloud, a *ages, s *Sweeper) {
		clear(c.machines)
		s.Executions = runs{execution: "SUCCEEDED"}
		if _, err := s.Run(t.Context(), SweepIn{}); err != nil || len(a.published) > 0 {
			t.Errorf("published %v, %v", a.published, err)
		}
	}))
	t.Run("a refusal fails the function when the sweep is done", at(func(t *testing.T, _ *memory, c *cloud, a *ages, s *Sweeper) {
		time.Sleep(time.Minute)
		a.refuse = errors.New("AccessDenied")
		if _, err := s.Run(t.Context(), SweepIn{}); !errors.Is(err, a.refuse) || c.alive("r") > 0 {
			t.Errorf("%d alive, %v", c.alive("r"), err)
		}
	}))
}
