package cluster

import (
	"math"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

func TestTrace(t *testing.T) {
	c := newCluster(t, "least-outstanding", "a", "b")
	take(t, c, 1)
	if picks, running := c.Traced(); picks != nil || running {
		t.Errorf("recorded %v without being asked", picks)
	}
	c.StartTrace(Trace{Picks: 2, Every: 2})
	_, first := take(t, c, 1)
	_, second := take(t, c, 1)
	if picks, running := c.Traced(); len(picks) != 1 || !running {
		t.Errorf("after two requests %d picks, running %v, want one of the two, and more to come", len(picks), running)
	}
	_, third := take(t, c, 1, second[0])
	take(t, c, 5)
	picks, running := c.Traced()
	if len(picks) != 2 || running {
		t.Fatalf("%d picks, running %v, want the two asked for", len(picks), running)
	}
	p := picks[0]
	if p.Strategy != "least-outstanding" || p.Chosen != first[0].ID || p.Why == "" || p.Tries != 0 || p.Panic || len(p.Nodes) != 2 || !p.At.Equal(now) {
		t.Errorf("first pick %+v", p)
	}
	for _, n := range p.Nodes {
		if n.Score == nil || *n.Score != float64(n.InFlight) || n.Weight != 1 || (n.ID == p.Chosen) != (n.InFlight == 0) {
			t.Errorf("candidate %+v of %s", n, p.Chosen)
		}
	}
	if p := picks[1]; p.Tries != 1 || p.Chosen != third[0].ID || len(p.Nodes) != 1 {
		t.Errorf("second pick %+v, want a retry with one node left", p)
	}
	c.StartTrace(Trace{})
	if picks, running := c.Traced(); picks != nil || running {
		t.Errorf("after the end of the trace: %v", picks)
	}
}

// Every strategy can be traced, and a trace changes no choice.
func TestTraceChangesNothing(t *testing.T) {
	for _, rule := range strategy.Names() {
		run := func(traced bool) (ids []string) {
			c := newCluster(t, rule, "a", "b", "c")
			if traced {
				c.StartTrace(Trace{Picks: MostTraced})
			}
			var asked []Member
			c.OnProbe(func(m Member) { asked = append(asked, m) })
			for i := range 500 {
				when := at(time.Duration(i) * time.Millisecond)
				for j, m := range asked {
					c.Told(when, m, strategy.Load{InFlight: i % 3, Latency: time.Duration(j+i%5) * time.Millisecond})
				}
				asked = asked[:0]
				n, err := c.Acquire(when)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, n.ID)
				if i%3 > 0 {
					c.Release(when, n, time.Duration(i)*time.Microsecond, strategy.Success)
				}
			}
			if picks, _ := c.Traced(); traced && len(picks) != 500 {
				t.Errorf("%s: %d picks", rule, len(picks))
			}
			return ids
		}
		with, without := run(true), run(false)
		for i := range with {
			if with[i] != without[i] {
				t.Errorf("%s: choice %d is %s while traced and %s otherwise", rule, i, with[i], without[i])
				break
			}
		}
	}
}

func TestHerding(t *testing.T) {
	tests := []struct {
		rule string
		mean float64
		why  string
	}{
		{"round-robin", .25, "each gets the same"},
		{"lowest-latency-probe", 1, "one gets all"},
	}
	for _, tt := range tests {
		c := newCluster(t, tt.rule, "a", "b", "c", "d")
		for i, m := range members("a", "b", "c", "d") {
			c.SetProbed(m, time.Duration(i+1)*time.Millisecond)
		}
		// 1,000 requests a second for a second, then 10.
		for i := range 1000 {
			herdOne(t, c, at(time.Duration(i)*time.Millisecond))
		}
		for i := range 10 {
			herdOne(t, c, at(time.Second+time.Duration(i)*100*time.Millisecond))
		}
		h := c.Herding()
		if h.Windows != 10 || math.Abs(h.Mean-tt.mean) > 1e-9 || math.Abs(h.Worst-tt.mean) > 1e-9 || h.Even != .25 {
			t.Errorf("%s: %+v, want 10 windows with a largest share of %v: %s; a window with one request tells nothing", tt.rule, h, tt.mean, tt.why)
		}
		if n, sum := c.HerdingTotals(); n != 10 || math.Abs(sum-10*tt.mean) > 1e-9 {
			t.Errorf("%s: totals %d, %v", tt.rule, n, sum)
		}
		c.Reset()
		if h := c.Herding(); h != (Herding{}) {
			t.Errorf("after Reset %+v", h)
		}
		if n, _ := c.HerdingTotals(); n != 10 {
			t.Errorf("after Reset the totals say %d windows", n)
		}
	}
}

func herdOne(t *testing.T, c *Cluster, when time.Time) {
	t.Helper()
	n, err := c.Acquire(when)
	if err != nil {
		t.Fatal(err)
	}
	c.Release(when, n, time.Millisecond, strategy.Success)
}

func TestParseLoad(t *testing.T) {
	tests := []struct {
		text string
		want strategy.Load
		ok   bool
	}{
		{"3;1250", strategy.Load{InFlight: 3, Latency: 1250 * time.Microsecond}, true},
		{"0;0", strategy.Load{}, true},
		{"", strategy.Load{}, false},
		{"3", strategy.Load{}, false},
		{";", strategy.Load{}, false},
		{"-1;5", strategy.Load{}, false},
		{"1;5 ", strategy.Load{}, false},
		{"1;5;7", strategy.Load{}, false},
		{"1234567890;1", strategy.Load{}, false},
	}
	for _, tt := range tests {
		got, ok := ParseLoad([]byte(tt.text))
		if got != tt.want || ok != tt.ok {
			t.Errorf("%q: %+v, %v, want %+v, %v", tt.text, got, ok, tt.want, tt.ok)
		}
		if ok && string(AppendLoad(nil, got)) != tt.text {
			t.Errorf("%q comes back as %q", tt.text, AppendLoad(nil, got))
		}
	}
}
