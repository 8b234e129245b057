package steps

import (
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
