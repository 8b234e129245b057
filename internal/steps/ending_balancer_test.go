package steps

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

func end(t *testing.T, m *memory, c *cloud, e *elb) (TeardownOut, error) {
	t.Helper()
	return (&Teardown{Store: m, Fleet: c, Balancers: e, Stack: "fl"}).Run(t.Context(), RunIn{Run: "r"})
}

// kinds counts what a receipt says has ended.
func kinds(r bench.Receipt) map[string]int {
	n := map[string]int{}
	for _, e := range r.Ended {
		n[e.Kind]++
	}
	return n
}

var kindsOfBalanced = map[string]int{bench.KindInstance: 4, bench.KindLoadBalancer: 1, bench.KindListener: 2, bench.KindTargetGroup: 4}

func TestTeardownDeletesTheLoadBalancer(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*testing.T, *memory, *elb)
	}{
		{"as recorded", func(*testing.T, *memory, *elb) {}},
		{"no record was written: the names tell", func(_ *testing.T, m *memory, _ *elb) { delete(m.objects, keysOfR.Balancer()) }},
		{"only the load balancer is recorded: its creation was stopped half way", func(t *testing.T, m *memory, _ *elb) {
			made := read[bench.Balancer](t, m, keysOfR.Balancer())
			made.Listeners = nil
			write(t, m, keysOfR.Balancer(), made)
		}},
		{"one so young that ELB does not list it", func(_ *testing.T, _ *memory, e *elb) { e.lag = 40 * time.Second }},
		{"its deletion takes a while", func(_ *testing.T, _ *memory, e *elb) { e.deletion = time.Minute }},
		{"somebody deleted it", func(_ *testing.T, _ *memory, e *elb) {
			for _, b := range e.balancers {
				b.deleted = time.Now().Add(-time.Hour)
			}
		}},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c, e := balanced(t)
				tc.make(t, m, e)
				out, err := end(t, m, c, e)
				if err != nil || len(out.Left) > 0 || c.alive("r") > 0 || e.size() > 0 {
					t.Fatalf("%d alive, %d parts; %+v, %v", c.alive("r"), e.size(), out, err)
				}
				r := read[bench.Receipt](t, m, keysOfR.Receipt())
				for kind, n := range kindsOfBalanced {
					if got := kinds(r)[kind]; got != n && (tc.why != "somebody deleted it" || kind != bench.KindLoadBalancer) {
						t.Errorf("%d × %s in the receipt, want %d", got, kind, n)
					}
				}
				for _, g := range r.Ended {
					if g.Group == "" || g.Launched.IsZero() || g.Ended.Before(g.Launched) {
						t.Errorf("receipt line %+v", g)
					}
				}
				if len(r.Kept) != 1 || r.Kept[0].ID != "sg-alb" || r.Kept[0].Kind != "security-group" {
					t.Errorf("kept %+v", r.Kept)
				}
				first, last := slices.IndexFunc(e.calls, isCall("delete target-group")), -1
				for k, c := range e.calls {
					if strings.HasPrefix(c, "delete load-balancer") {
						last = k
					}
				}
				if first < last {
					t.Errorf("asked for the target groups before the load balancer: %v", e.calls)
				}
			})
		})
	}
}

func isCall(prefix string) func(string) bool {
	return func(c string) bool { return strings.HasPrefix(c, prefix) }
}

// Instances take a minute and a load balancer seconds: neither waits for the other.
func TestTeardownEndsBothAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := balanced(t)
		c.end, e.deletion = time.Minute, 50*time.Second
		began := time.Now()
		if _, err := end(t, m, c, e); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 70*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestTeardownOfAPlanWithoutALBAsksELBNothing(t *testing.T) {
	inACloud(t, func(t *testing.T, m *memory, c *cloud) {
		e := newELB()
		for _, what := range []string{"list load-balancers", "list target-groups"} {
			e.fail[what] = errors.New("not to be asked")
		}
		if out, err := end(t, m, c, e); err != nil || len(out.Left) > 0 {
			t.Errorf("got %+v, %v", out, err)
		}
		if r := read[bench.Receipt](t, m, keysOfR.Receipt()); len(r.Kept) > 0 {
			t.Errorf("kept %+v", r.Kept)
		}
	})
}

func TestTeardownLeavesOtherRunsLoadBalancers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := balanced(t)
		others := 0
		for _, name := range []string{balancerName("fl", "r2"), balancerName("fl2", "r"), "fl-website"} {
			if _, err := e.CreateBalancer(t.Context(), BalancerOrder{Name: name}); err != nil {
				t.Fatal(err)
			}
			if _, err := e.CreateTargetGroup(t.Context(), TargetGroupOrder{Name: name}); err != nil {
				t.Fatal(err)
			}
			others += 2
		}
		if _, err := end(t, m, c, e); err != nil || e.size() != others {
			t.Errorf("%d parts of others are left of %d; %v", e.size(), others, err)
		}
	})
}

func TestTeardownTellsWhatIsLeftOfTheLoadBalancer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := balanced(t)
		e.deletion = 24 * time.Hour
		lb := read[bench.Balancer](t, m, keysOfR.Balancer()).ARN
		out, err := end(t, m, c, e)
		if err != nil || len(out.Left) != partsOfBalanced || !slices.Contains(out.Left, lb) {
			t.Fatalf("got %+v, %v", out, err)
		}
		if r := read[bench.Receipt](t, m, keysOfR.Receipt()); kinds(r)[bench.KindListener] > 0 || kinds(r)[bench.KindInstance] != 4 {
			t.Errorf("ended %+v", r.Ended)
		}
		// The next try keeps what the first saw, and does not wait for it.
		clear(c.machines)
		e.deletion = 0
		out, err = end(t, m, c, e)
		if err != nil || len(out.Left) > 0 {
			t.Fatalf("second: %+v, %v", out, err)
		}
		r := read[bench.Receipt](t, m, keysOfR.Receipt())
		for kind, n := range kindsOfBalanced {
			if kinds(r)[kind] != n {
				t.Errorf("%d × %s in the second receipt, want %d", kinds(r)[kind], kind, n)
			}
		}
		began := time.Now()
		if out, err = end(t, m, c, e); err != nil || len(out.Left) > 0 || time.Since(began) > 5*time.Second {
			t.Errorf("third, after %v: %+v, %v", time.Since(began), out, err)
		}
		if third := read[bench.Receipt](t, m, keysOfR.Receipt()); len(third.Ended) != len(r.Ended) || len(third.Kept) != 1 {
			t.Errorf("third receipt %+v", third)
		}
	})
}

func TestTeardownOfTheLoadBalancerFails(t *testing.T) {
	for _, tc := range []struct {
		why     string
		make    func(*memory, *elb)
		receipt bool
		left    int
	}{
		{"it may not delete: the receipt names all", func(_ *memory, e *elb) { e.fail["delete load-balancer"] = errors.New("AccessDenied") }, true, partsOfBalanced},
		{"ELB tells nothing, but the record does", func(_ *memory, e *elb) { e.fail["list load-balancers"] = errors.New("AccessDenied") }, true, partsOfBalanced},
		{"ELB tells nothing and there is no record: its name is left", func(m *memory, e *elb) {
			e.fail["list load-balancers"] = errors.New("AccessDenied")
			delete(m.objects, keysOfR.Balancer())
		}, true, 1},
		{"target groups may not be deleted", func(_ *memory, e *elb) { e.fail["delete target-group"] = errors.New("AccessDenied") }, true, 4},
		{"a target group is in another's use", func(_ *memory, e *elb) { e.fail["delete target-group"] = ErrInUse }, true, 4},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c, e := balanced(t)
				tc.make(m, e)
				out, err := end(t, m, c, e)
				inUse := errors.Is(e.fail["delete target-group"], ErrInUse)
				if (err == nil) != inUse {
					t.Errorf("got %+v, %v", out, err)
				}
				r := read[bench.Receipt](t, m, keysOfR.Receipt())
				if len(r.Left) != tc.left || kinds(r)[bench.KindInstance] != 4 || c.alive("r") > 0 {
					t.Errorf("left %v, ended %v", r.Left, kinds(r))
				}
			})
		})
	}
}

func TestTeardownOfALoadBalancerHealsAfterAHiccup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := balanced(t)
		n := 0
		e.before = func(string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			if n++; n <= 2 {
				e.fail["delete load-balancer"] = errors.New("ServiceUnavailable")
			} else {
				delete(e.fail, "delete load-balancer")
			}
		}
		if out, err := end(t, m, c, e); err != nil || len(out.Left) > 0 || e.size() > 0 {
			t.Errorf("got %+v, %v", out, err)
		}
	})
}
