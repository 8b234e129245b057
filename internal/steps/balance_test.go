package steps

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// balanced is a planned run whose fleet has started and whose load balancer has
// been created.
func balanced(t *testing.T) (*memory, *cloud, *elb) {
	t.Helper()
	m, c, e := planned(t, balancedPlan), newCloud(), newELB()
	launched(t, m, c)
	if _, err := (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	return m, c, e
}

func TestBalanceCreatesOneListenerForEachAlgorithm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _, e := balanced(t)
		made := read[bench.Balancer](t, m, keysOfR.Balancer())
		if made.Name != balancerName("fl", "r") || made.DNSName != "alb.test" || made.Created.IsZero() || len(made.Listeners) != 2 {
			t.Fatalf("recorded %+v", made)
		}
		for i, algorithm := range []string{"least_outstanding_requests", "weighted_random"} {
			l := made.Listeners[i]
			if l.Algorithm != algorithm || l.Port != 8000+i {
				t.Errorf("listener %d is %+v", i, l)
			}
			rules := e.listeners[l.ARN].rules
			for k, cluster := range []string{"one", "two"} {
				g := e.groups[l.TargetGroups[cluster]]
				want := map[string]string{"deregistration_delay.timeout_seconds": "0", "load_balancing.algorithm.type": algorithm}
				if algorithm == "weighted_random" {
					want["load_balancing.algorithm.anomaly_mitigation"] = "on"
				}
				if !maps.Equal(g.attributes, want) {
					t.Errorf("%s for %s has the attributes %v", cluster, algorithm, g.attributes)
				}
				if o := g.order; o.VPC != "vpc-1" || o.Port != 8000 || o.HealthPath != "/health" || o.Interval != 5*time.Second || o.Timeout != 2*time.Second {
					t.Errorf("target group %+v", o)
				}
				if r := rules[k]; r.Priority != 10*(k+1) || r.TargetGroup != g.ARN || !slices.Equal(r.Paths, []string{"/" + cluster, "/" + cluster + "/*"}) {
					t.Errorf("rule %+v", r)
				}
				for what, tags := range map[string]map[string]string{"target group": g.order.Tags, "rule": rules[k].Tags} {
					tagged(t, what, tags, cluster)
				}
			}
			tagged(t, "listener", e.listeners[l.ARN].Tags, "alb")
		}
		b := e.balancers[made.ARN].order
		tagged(t, "load balancer", b.Tags, "alb")
		if b.SecurityGroup != "sg-alb" || !slices.Equal(b.Subnets, []string{"subnet-a", "subnet-b"}) {
			t.Errorf("load balancer %+v", b)
		}
		calls := len(e.calls)
		out, err := (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r")
		if err != nil || !out.Created || len(e.calls) != calls {
			t.Errorf("repeated after all was done: %+v, %v, %d calls more", out, err, len(e.calls)-calls)
		}
	})
}

func tagged(t *testing.T, what string, tags map[string]string, group string) {
	t.Helper()
	end, err := time.Parse(time.RFC3339, tags[bench.TagExpiry])
	if tags[bench.TagStack] != "fl" || tags[bench.TagRun] != "r" || tags[bench.TagGroup] != group || err != nil || end.Before(time.Now()) {
		t.Errorf("%s has the tags %v, want group %s", what, tags, group)
	}
}

// A cloud's limit of a name is 32 letters, digits and hyphens; two runs, stacks,
// clusters or algorithms must not share one.
func TestBalancerNames(t *testing.T) {
	seen := map[string]bool{}
	for _, stack := range []string{"fl", "Fairlead-with-a-very-long-name-of-a-stack"} {
		for _, run := range []string{"r", strings.Repeat("x", 80)} {
			names := []string{balancerName(stack, run)}
			for _, algorithm := range []string{"round_robin", "weighted_random"} {
				names = append(names, targetGroupName(stack, run, "one", algorithm), targetGroupName(stack, run, "two", algorithm))
			}
			for _, n := range names {
				if len(n) > 32 || seen[n] || !strings.HasPrefix(n, balancerPrefix(stack)) || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
					t.Errorf("name %q", n)
				}
				seen[n] = true
			}
		}
	}
}

// Whatever answer is lost, the next try finds what exists.
func TestBalanceCreateAfterALostAnswer(t *testing.T) {
	for _, what := range []string{"create load-balancer", "create target-group", "create listener", "create rule"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, e := planned(t, balancedPlan), newELB()
				e.lose[what] = true
				b := &Balance{Store: m, Balancers: e}
				if _, err := b.Create(t.Context(), "r"); !errors.Is(err, errLost) {
					t.Fatalf("first: %v", err)
				}
				if out, err := b.Create(t.Context(), "r"); err != nil || !out.Created {
					t.Fatalf("second: %+v, %v", out, err)
				}
				if e.size() != partsOfBalanced || len(e.listeners) != 2 || !complete(read[bench.Balancer](t, m, keysOfR.Balancer()), read[bench.RunRecord](t, m, keysOfR.Plan()).Plan) {
					t.Errorf("%d parts, %d listeners", e.size(), len(e.listeners))
				}
				for arn, l := range e.listeners {
					if len(l.rules) != 2 {
						t.Errorf("%s has the rules %v", arn, l.rules)
					}
				}
			})
		})
	}
}

func TestBalanceCreateMeetsAPriorityInUse(t *testing.T) {
	for why, foreign := range map[string]bool{"its own rule, from a call that the client repeated": false, "another's rule": true} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, e := planned(t, balancedPlan), newELB()
				e.before = func(call string) { // between the look and the call
					if call != "create rule" {
						return
					}
					e.mu.Lock()
					defer e.mu.Unlock()
					for arn, l := range e.listeners {
						if len(l.rules) == 0 {
							r := Rule{Listener: arn, Priority: 10, Paths: []string{"/one/*", "/one"}, TargetGroup: "arn:tg/" + targetGroupName("fl", "r", "one", "least_outstanding_requests")}
							if foreign {
								r.Paths = []string{"/two"}
							}
							l.rules = append(l.rules, r)
						}
					}
					e.before = nil
				}
				_, err := (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r")
				if foreign != errors.Is(err, ErrPriorityInUse) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

// The sweep writes its marker first, and nothing is created after it: at each
// call in turn.
func TestBalanceCreatesNothingAfterTheMarker(t *testing.T) {
	const creations = 1 + 2 + 4 + 4
	for k := range creations {
		t.Run(fmt.Sprint(k), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, e := planned(t, balancedPlan), newELB()
				n := 0
				e.before = func(call string) {
					if strings.HasPrefix(call, "create ") {
						if n++; n == k {
							write(t, m, keysOfR.Cancelled(), "aborted")
						}
					}
				}
				if k == 0 {
					write(t, m, keysOfR.Cancelled(), "aborted")
				}
				_, err := (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r")
				if _, ok := own[*Cancelled](err); !ok || e.made("create ") != k {
					t.Errorf("%d creations, %T: %v; want %d", e.made("create "), err, err, k)
				}
				if _, there := m.objects[keysOfR.Balancer()]; there != (k > 0) {
					t.Errorf("recorded %v after %d creations", there, k)
				}
			})
		})
	}
}

func TestBalanceCreateFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, e := planned(t, balancedPlan), newELB()
		e.fail["create target-group"] = fmt.Errorf("%w: TooManyTargetGroups", ErrBalancerQuota)
		_, err := (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r")
		if quota, ok := own[*BalancerQuotaExceeded](err); !ok || !strings.Contains(quota.Error(), "TooManyTargetGroups") {
			t.Errorf("got %T: %v", err, err)
		}
		if made := read[bench.Balancer](t, m, keysOfR.Balancer()); made.ARN == "" {
			t.Error("the load balancer that exists is not recorded")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m, e := planned(t, trialPlan), newELB()
		if _, err := (&Balance{Store: m, Balancers: e}).Create(t.Context(), "r"); err == nil || len(e.calls) > 0 {
			t.Errorf("a plan without alb target: %v, calls %v", err, e.calls)
		}
	})
}

func TestBalanceWait(t *testing.T) {
	for _, tc := range []struct {
		why   string
		make  func(*elb)
		waits time.Duration // at least
		check func(error) bool
		want  string
	}{
		{"it becomes active", func(*elb) {}, 2 * time.Minute, func(err error) bool { return err == nil }, ""},
		{"it is not listed at first", func(e *elb) { e.lag = 10 * time.Second }, 2 * time.Minute, func(err error) bool { return err == nil }, ""},
		{"it takes longer than one wait", func(e *elb) { e.provision = time.Hour }, 4 * time.Minute, isOwn[*BalancerNotActive], "but provisioning"},
		{"it fails", func(e *elb) { e.state = "failed" }, 0, isOwn[*BalancerFailed], "for the test"},
		{"a group could not be launched", nil, 0, isOwn[*LaunchFailed], "two could not be launched"},
		{"somebody deletes it", func(e *elb) { clear(e.balancers) }, appearTime, isOwn[*BalancerFailed], "gone"},
		{"it is short of resources", func(e *elb) { e.state = "active_impaired" }, 4 * time.Minute, isOwn[*BalancerNotActive], "active_impaired: for the test"},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, e := balanced(t)
				if tc.make != nil {
					tc.make(e)
				} else {
					m.objects[failedKey(keysOfR, "two")] = []byte("no zone has it\n")
				}
				began := time.Now()
				out, err := (&Balance{Store: m, Balancers: e}).Wait(t.Context(), "r")
				if !tc.check(err) || out.Active != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %+v, %T: %v", out, err, err)
				}
				if waited := time.Since(began); waited < tc.waits || waited > max(tc.waits+10*time.Second, activeTime) {
					t.Errorf("waited %v", waited)
				}
			})
		})
	}
}

func isOwn[T error](err error) bool {
	_, ok := own[T](err)
	return ok
}

func TestBalanceRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := planned(t, balancedPlan), newCloud(), newELB()
		launched(t, m, c)
		b := &Balance{Store: m, Balancers: e}
		done := make(chan error, 1)
		go func() { // the group is set up before the load balancer is created
			out, err := b.Register(t.Context(), "r", "one")
			if err == nil && out.Registered != 2 {
				err = fmt.Errorf("registered %d", out.Registered)
			}
			done <- err
		}()
		time.Sleep(5 * time.Second)
		if _, err := b.Create(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for _, l := range read[bench.Balancer](t, m, keysOfR.Balancer()).Listeners {
			if got := slices.Sorted(maps.Keys(e.groups[l.TargetGroups["one"]].targets)); !slices.Equal(got, []string{"i-1", "i-2"}) {
				t.Errorf("%s has the targets %v", l.Algorithm, got)
			}
			if n := len(e.groups[l.TargetGroups["two"]].targets); n > 0 {
				t.Errorf("%d targets of another cluster", n)
			}
		}
		if _, err := b.Register(t.Context(), "r", "proxy"); err == nil || !strings.Contains(err.Error(), "no cluster") {
			t.Errorf("the proxy was registered: %v", err)
		}
	})
}

func TestBalanceRegisterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, c, e := planned(t, balancedPlan), newCloud(), newELB()
		launched(t, m, c)
		began := time.Now()
		_, err := (&Balance{Store: m, Balancers: e}).Register(t.Context(), "r", "one")
		if !isOwn[*BalancerIncomplete](err) || time.Since(began) > partsTime+time.Second {
			t.Errorf("after %v: %T: %v", time.Since(began), err, err)
		}
	})
}

// What was created before a failure is recorded, and nobody waits for the rest.
func TestBalanceRegisterHearsOfAFailedCreation(t *testing.T) {
	for _, call := range []string{"create load-balancer", "create target-group"} {
		synctest.Test(t, func(t *testing.T) {
			m, c, e := planned(t, balancedPlan), newCloud(), newELB()
			launched(t, m, c)
			e.fail[call] = errors.New("refused")
			b := &Balance{Store: m, Balancers: e}
			if _, err := b.Create(t.Context(), "r"); err == nil {
				t.Fatalf("%s was not refused; calls %v", call, e.calls)
			}
			made := read[bench.Balancer](t, m, keysOfR.Balancer())
			if !strings.Contains(made.Failed, "refused") || (made.ARN == "") != (call == "create load-balancer") {
				t.Errorf("%s failed, and the record is %+v", call, made)
			}
			began := time.Now()
			if _, err := b.Register(t.Context(), "r", "one"); !isOwn[*BalancerIncomplete](err) || time.Since(began) > time.Second {
				t.Errorf("after %v: %v", time.Since(began), err)
			}
		})
	}
}

func TestReadyWaitsForTargetHealth(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*memory, *elb)
		want string // in the error
	}{
		{"healthy after a check", func(_ *memory, e *elb) { e.healthWait = 6 * time.Second }, ""},
		{"its checks fail", func(_ *memory, e *elb) {
			e.health[targetGroupName("fl", "r", "one", "weighted_random")] = []TargetHealth{
				{ID: "i-1", State: "healthy"}, {ID: "i-2", State: "unhealthy", Reason: "Target.Timeout", Description: "Request timed out"},
			}
		}, "healthy: i-2 of one for weighted_random: unhealthy (Target.Timeout: Request timed out)"},
		{"one was never registered", func(_ *memory, e *elb) {
			delete(e.groups["arn:tg/"+targetGroupName("fl", "r", "two", "weighted_random")].targets, "i-3")
		}, "i-3 of two for weighted_random: not registered"},
		{"ELB refuses to tell", func(_ *memory, e *elb) { e.fail["health"] = errors.New("AccessDenied") }, "AccessDenied"},
		{"nobody recorded the load balancer", func(m *memory, _ *elb) { delete(m.objects, keysOfR.Balancer()) }, "balancer.json: no such object"},
		{"the load balancer lacks parts", func(m *memory, _ *elb) { m.objects[keysOfR.Balancer()] = []byte(`{}`) }, "lacks target groups"},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c, e := balanced(t)
				for _, group := range []string{"one", "two"} {
					if _, err := (&Balance{Store: m, Balancers: e}).Register(t.Context(), "r", group); err != nil {
						t.Fatal(err)
					}
				}
				tc.make(m, e)
				out, err := (&Ready{Store: m, Fleet: c, Targets: e}).Run(t.Context(), RunIn{Run: "r"})
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %+v, %T: %v", out, err, err)
				}
				if strings.HasPrefix(tc.want, "i-") && !isOwn[*TargetsUnhealthy](err) {
					t.Errorf("got %T", err)
				}
			})
		})
	}
}
