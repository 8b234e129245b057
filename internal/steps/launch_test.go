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

func launch(t *testing.T, m *memory, c *cloud, group string) (LaunchOut, error) {
	t.Helper()
	return (&Launcher{Store: m, Fleet: c}).Run(t.Context(), LaunchIn{Run: "r", Group: group})
}

// where lists "subnet×count" of each call.
func where(c *cloud) []string {
	var out []string
	for _, o := range c.orders {
		out = append(out, fmt.Sprintf("%s×%d", strings.TrimPrefix(o.Subnet, "subnet-"), o.Count))
	}
	return out
}

func TestLaunchSpreadsAndTags(t *testing.T) {
	m, c := planned(t, `{"clusters": [{"name": "one", "instanceType": "t2.micro", "count": 5}]}`), newCloud()
	out, err := launch(t, m, c, "one")
	if err != nil {
		t.Fatal(err)
	}
	if got := where(c); !slices.Equal(got, []string{"a×3", "b×2"}) {
		t.Errorf("calls %v", got)
	}
	if len(out.Instances) != 5 || out.Instances[0].Group != "one" || out.Instances[0].Role != bench.RoleNode {
		t.Errorf("got %+v", out.Instances)
	}
	if got := read[[]bench.Instance](t, m, keysOfR.Group("one")); len(got) != 5 {
		t.Errorf("recorded %d instances", len(got))
	}
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	o := c.orders[0]
	for tag, want := range map[string]string{
		bench.TagStack: "fl", bench.TagRun: "r", bench.TagGroup: "one", bench.TagRole: "node",
		bench.TagExpiry: r.Expiry.Format(time.RFC3339),
	} {
		if o.Tags[tag] != want {
			t.Errorf("tag %s is %q, want %q", tag, o.Tags[tag], want)
		}
	}
	if o.Template != "lt-node" || o.Version != "3" || len(o.Token) != 64 || o.Token == c.orders[1].Token {
		t.Errorf("order %+v", o)
	}
	if when := r.Expiry.Format("OnCalendar=2006-01-02 15:04:05 UTC"); !strings.Contains(o.UserData, when) {
		t.Errorf("the script lacks %q:\n%s", when, o.UserData)
	}
	if _, err := launch(t, m, c, bench.ProxyGroup); err != nil {
		t.Fatal(err)
	}
	if p := c.orders[2]; p.Template != "lt-proxy" || p.Count != 1 || p.Tags[bench.TagRole] != "proxy" {
		t.Errorf("proxy order %+v", p)
	}
}

func TestLaunchRepeatedStartsNothingTwice(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*memory, *cloud)
	}{
		{"the answer of a RunInstances was lost", func(_ *memory, c *cloud) { c.lose = 1 }},
		{"both answers were lost", func(_ *memory, c *cloud) { c.lose = 2 }},
		{"the record could not be written", func(m *memory, _ *cloud) { m.fail["put "+keysOfR.Group("cluster1")] = errLost }},
		{"the first call was whole, its answer lost", func(*memory, *cloud) {}},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, c := planned(t, `{}`), newCloud()
				tc.make(m, c)
				for range 3 {
					_, _ = launch(t, m, c, "cluster1")
					time.Sleep(time.Minute) // the clock must not enter into the calls
				}
				clear(m.fail)
				out, err := launch(t, m, c, "cluster1")
				if err != nil {
					t.Fatal(err)
				}
				if len(c.machines) != 4 || len(out.Instances) != 4 {
					t.Errorf("%d machines run, %d are known: want 4", len(c.machines), len(out.Instances))
				}
			})
		})
	}
}

func TestLaunchMovesOnOnlyWhenRefused(t *testing.T) {
	for _, tc := range []struct {
		why    string
		refuse map[string]error
		want   []string
		as     string
	}{
		{"another zone takes the share", map[string]error{"subnet-a": ErrNoCapacity}, []string{"a×2", "b×2", "b×2"}, "<nil>"},
		{"the last zone's share goes to the first", map[string]error{"subnet-b": ErrNoCapacity}, []string{"a×2", "b×2", "a×2"}, "<nil>"},
		{"no zone can", map[string]error{"subnet-a": ErrNoCapacity, "subnet-b": ErrNoCapacity}, []string{"a×2", "b×2"}, "*steps.NoCapacity"},
		{"after an unclear error they may run", map[string]error{"subnet-a": errLost}, []string{"a×2"}, "*errors.errorString"},
		{"no other zone helps against a limit", map[string]error{"subnet-a": ErrQuota}, []string{"a×2"}, "*steps.QuotaExceeded"},
	} {
		m, c := planned(t, `{}`), newCloud()
		c.refuse = tc.refuse
		_, err := launch(t, m, c, "cluster1")
		if got := fmt.Sprintf("%T", err); got != tc.as {
			t.Errorf("%s: error %s (%v), want %s", tc.why, got, err, tc.as)
		}
		if got := where(c); !slices.Equal(got, tc.want) {
			t.Errorf("%s: calls %v, want %v", tc.why, got, tc.want)
		}
		if _, told := m.objects[failedKey(keysOfR, "cluster1")]; told != (err != nil) {
			t.Errorf("%s: who waits beside it was told of a failure: %v", tc.why, told)
		}
	}
}

// A zone that refuses and is asked again after a crash may say yes: the share
// would run twice, there and in the zone that took it first.
func TestLaunchRepeatedDoesNotGoBack(t *testing.T) {
	m, c := planned(t, `{}`), newCloud()
	c.refuse["subnet-a"] = ErrNoCapacity
	m.fail["put "+keysOfR.Group("cluster1")] = errLost
	if _, err := launch(t, m, c, "cluster1"); !errors.Is(err, errLost) {
		t.Fatalf("got %v", err)
	}
	clear(m.fail)
	clear(c.refuse)
	out, err := launch(t, m, c, "cluster1")
	if err != nil || len(out.Instances) != 4 || len(c.machines) != 4 {
		t.Errorf("%d known, %d machines, %v: want 4", len(out.Instances), len(c.machines), err)
	}
}

func TestLaunchStopsWhenCancelled(t *testing.T) {
	m, c := planned(t, `{}`), newCloud()
	write(t, m, keysOfR.Cancelled(), "aborted")
	_, err := launch(t, m, c, "cluster1")
	var cancelled *Cancelled
	if !errors.As(err, &cancelled) || len(c.orders) > 0 {
		t.Errorf("got %v after %d calls", err, len(c.orders))
	}
}

func TestLaunchRecordsWhatRunsDespiteAnError(t *testing.T) {
	m, c := planned(t, `{}`), newCloud()
	c.refuse["subnet-b"] = ErrQuota
	if _, err := launch(t, m, c, "cluster1"); err == nil {
		t.Fatal("no error")
	}
	list, err := recordedInstances(t.Context(), m, keysOfR)
	if err != nil || len(list) != 2 {
		t.Errorf("recorded %v, %v: want the two of subnet-a", list, err)
	}
}
