package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// at is a moment of the tests.
func at(d time.Duration) time.Time { return now.Add(d) }

// ends acquires nodes until it gets the one named, and ends its request in the
// way asked for. The others' succeed.
func ends(t *testing.T, c *Cluster, when time.Time, id string, r strategy.Result) {
	t.Helper()
	for range 10_000 {
		n, err := c.Acquire(when)
		if err != nil {
			t.Fatal(err)
		}
		if n.ID == id {
			c.Release(when, n, time.Millisecond, r)
			return
		}
		c.Release(when, n, time.Millisecond, strategy.Success)
	}
	t.Fatalf("%s is never chosen", id)
}

// chosen gives the ids that 400 requests go to.
func chosen(t *testing.T, c *Cluster, when time.Time) []string {
	t.Helper()
	var ids []string
	for range 400 {
		n, err := c.Acquire(when)
		if err != nil {
			t.Fatal(err)
		}
		c.Release(when, n, time.Millisecond, strategy.Abandoned) // says nothing
		if !slices.Contains(ids, n.ID) {
			ids = append(ids, n.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func expect(t *testing.T, c *Cluster, when time.Time, why string, ids ...string) {
	t.Helper()
	if got := chosen(t, c, when); !slices.Equal(got, ids) {
		t.Errorf("%s: chose %v, want %v", why, got, ids)
	}
}

func TestFiveFailuresInARowEject(t *testing.T) {
	c := newCluster(t, "random", "a", "b", "c", "d")
	for range 4 {
		ends(t, c, now, "a", strategy.Failure)
	}
	ends(t, c, now, "a", strategy.Success)
	for range 4 {
		ends(t, c, now, "a", strategy.Failure)
	}
	ends(t, c, now, "a", strategy.Abandoned)
	expect(t, c, now, "never five in a row", "a", "b", "c", "d")
	ends(t, c, now, "a", strategy.Failure)
	expect(t, c, now, "the fifth in a row; one that the client gave up says nothing", "b", "c", "d")
	if n := c.Nodes()[0]; !n.Ejected || n.Ejections != 1 || !n.Healthy {
		t.Errorf("its figures say %+v, want ejected and healthy", n)
	}
	expect(t, c, at(10*time.Second-1), "for ten seconds", "b", "c", "d")
	expect(t, c, at(10*time.Second), "then it is used again", "a", "b", "c", "d")
	if n := c.Nodes()[0]; n.Ejected {
		t.Errorf("its figures say %+v, want not ejected", n)
	}
}

// 10, 20, 40 … s, up to 300; a minute of service takes one step back.
func TestEjectionsGrow(t *testing.T) {
	c := newCluster(t, "random", "a", "b", "c", "d")
	when := now
	for _, want := range []time.Duration{10, 20, 40, 80, 160, 300, 300} {
		for range failuresToEject {
			ends(t, c, when, "a", strategy.Failure)
		}
		if got := c.nodes[0].outlier.until.Sub(when); got != want*time.Second {
			t.Fatalf("ejected for %s, want %ds", got, want)
		}
		when = c.nodes[0].outlier.until
	}
	// Seven times out, three minutes in service: as after four.
	when = when.Add(3 * time.Minute)
	for range failuresToEject {
		ends(t, c, when, "a", strategy.Failure)
	}
	if got := c.nodes[0].outlier.until.Sub(when); got != 160*time.Second {
		t.Errorf("after three minutes in service ejected for %s, want 160s", got)
	}
}

// However many fail, half of the nodes stay, and the only one does.
func TestEjectionLeavesHalf(t *testing.T) {
	for n, out := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 5: 2, 8: 4} {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprint("n", i)
		}
		c := newCluster(t, "random", ids...)
		for range 1000 {
			k, err := c.Acquire(now)
			if err != nil {
				t.Fatal(err)
			}
			c.Release(now, k, time.Millisecond, strategy.Failure)
		}
		ejected := 0
		for _, s := range c.Nodes() {
			if s.Ejected {
				ejected++
			}
		}
		if ejected != out {
			t.Errorf("of %d nodes that all fail %d were ejected, want %d", n, ejected, out)
		}
		if used := chosen(t, c, now); len(used) != n-out {
			t.Errorf("of %d nodes %v are used, want %d", n, used, n-out)
		}
	}
}

// Under half of the nodes healthy: all that were ever healthy are used, also
// those that are ejected, and the one that was never ready is not.
func TestPanic(t *testing.T) {
	c := newCluster(t, "random", "a", "b", "c", "d")
	c.Sync(members("a", "b", "c", "d", "e"))
	all := members("a", "b", "c", "d")
	for range failuresToEject {
		ends(t, c, now, "a", strategy.Failure)
	}
	c.SetHealth(all[1], false)
	expect(t, c, now, "two of four: just enough", "c", "d")
	c.SetHealth(all[2], false)
	expect(t, c, now, "one of four: panic", "a", "b", "c", "d")
	c.SetHealth(all[1], true)
	expect(t, c, now, "over", "b", "d")
}

// A node that joins a cluster at work gets a tenth of its share at first, and
// all of it after 30 s.
func TestSlowStart(t *testing.T) {
	for _, rule := range []string{"round-robin", "random", "weighted-round-robin"} {
		c := newCluster(t, rule, "a", "b", "c")
		ends(t, c, now, "a", strategy.Success)
		c.Sync(members("a", "b", "c", "d"))
		c.SetHealth(members("d")[0], true)
		share := func(when time.Time) float64 {
			d := 0
			const requests = 20_000
			for range requests {
				n, err := c.Acquire(when)
				if err != nil {
					t.Fatal(err)
				}
				c.Release(when, n, time.Millisecond, strategy.Success)
				if n.ID == "d" {
					d++
				}
			}
			return float64(d) / requests
		}
		for _, tt := range []struct {
			after time.Duration
			ramp  float64
		}{{0, .1}, {10 * time.Second, .4}, {20 * time.Second, .7}, {30 * time.Second, 1}, {time.Hour, 1}} {
			want := tt.ramp / (3 + tt.ramp)
			if got := share(at(tt.after)); got < want*.9 || got > want*1.1 {
				t.Errorf("%s: after %s the new node gets %.3f, want %.3f", rule, tt.after, got, want)
			}
		}
	}
}

// Rules that compare load see a node in slow start as a small one.
func TestSlowStartIsAWeight(t *testing.T) {
	c := newCluster(t, "least-outstanding", "a", "b")
	c.SetWeight(members("b")[0], 4)
	ends(t, c, now, "a", strategy.Success)
	c.Sync(members("a", "b", "c"))
	c.SetHealth(members("c")[0], true)
	_, nodes := take(t, c, 51)
	count := map[string]int{}
	for _, n := range nodes {
		count[n.ID]++
	}
	if count["a"] < 9 || count["b"] < 38 || count["c"] != 1 {
		t.Errorf("51 requests at once went to %v, want 1 : 4 : 0.1", count)
	}
	if n := c.Nodes()[2]; n.Ramp != slowStartFrom {
		t.Errorf("figures say %+v, want a ramp of %v", n, slowStartFrom)
	}
}

// Nodes that are healthy before the first request begin in full.
func TestNoSlowStartTogether(t *testing.T) {
	c := newCluster(t, "round-robin", "a", "b", "c")
	if ids, _ := take(t, c, 3); !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Errorf("chose %v, want each once", ids)
	}
}

// One of four nodes answers each request at once with a failure, and its
// health probes well and fastest. Whatever the rule, from the first second on
// less than one request of 100 fails.
func TestSinkhole(t *testing.T) {
	for _, rule := range strategy.Names() {
		c := newCluster(t, rule, "a", "b", "c", "d")
		for i, m := range members("a", "b", "c", "d") {
			c.SetProbed(m, time.Duration(i+1)*time.Millisecond)
		}
		type flight struct {
			node *Node
			ends time.Time
		}
		var flying []flight
		failed, requests := 0, 0
		for i := range 60_000 {
			when := at(time.Duration(i) * time.Millisecond)
			for len(flying) > 0 && !when.Before(flying[0].ends) {
				c.Release(when, flying[0].node, 10*time.Millisecond, strategy.Success)
				flying = flying[1:]
			}
			n, err := c.Acquire(when)
			if err != nil {
				t.Fatal(err)
			}
			if i >= 1000 {
				requests++
			}
			if n.ID != "a" {
				flying = append(flying, flight{n, when.Add(10 * time.Millisecond)})
				continue
			}
			c.Release(when.Add(100*time.Microsecond), n, 100*time.Microsecond, strategy.Failure)
			if i >= 1000 {
				failed++
			}
		}
		if failed*100 > requests {
			t.Errorf("%s: %d of %d requests failed", rule, failed, requests)
		}
	}
}

// Whatever happens, in whatever order: a choice is a node that is there, was
// healthy once, was not tried, and is not ejected or unhealthy unless fewer
// than half are left; and the same seed gives the same choices.
func TestAnyHistory(t *testing.T) {
	for _, rule := range strategy.Names() {
		for seed := range uint64(6) {
			first := history(t, rule, seed)
			if second := history(t, rule, seed); !slices.Equal(first, second) {
				t.Fatalf("%s, seed %d: two runs differ", rule, seed)
			}
		}
	}
}

func history(t *testing.T, rule string, seed uint64) (picks []string) {
	r := rand.New(rand.NewPCG(seed, 9))
	c, err := New("c", rule, strategy.Options{Rand: rand.New(rand.NewPCG(seed, 10)), Penalty: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var asked []Member
	c.OnProbe(func(m Member) { asked = append(asked, m) })
	all := make([]Member, 20)
	for i := range all {
		all[i] = Member{fmt.Sprint("n", i), "x"}
	}
	present := all
	c.Sync(present)
	var flying []*Node
	when := now
	for range 400 {
		when = when.Add(time.Duration(r.IntN(2000)) * time.Millisecond)
		switch r.IntN(12) {
		case 0:
			k := 1 + r.IntN(len(all))
			present = all[:k]
			c.Sync(present)
		case 1, 2, 3:
			c.SetHealth(all[r.IntN(len(all))], r.IntN(3) > 0)
		case 4:
			c.SetProbed(all[r.IntN(len(all))], time.Duration(r.IntN(1000)))
			c.SetWeight(all[r.IntN(len(all))], 1+float64(r.IntN(4)))
		}
		for _, m := range asked {
			c.Told(when, m, strategy.Load{InFlight: r.IntN(9), Latency: time.Duration(r.IntN(9)) * time.Millisecond})
		}
		asked = asked[:0]
		for range r.IntN(6) {
			var tried []*Node
			if len(flying) > 0 && r.IntN(3) == 0 {
				tried = flying[:1]
			}
			n, err := c.Acquire(when, tried...)
			if err != nil {
				if len(c.usable) > len(tried) {
					t.Fatalf("%s: %v, though %d nodes may be used", rule, err, len(c.usable))
				}
				continue
			}
			switch {
			case !slices.Contains(present, n.Member), n.gone:
				t.Fatalf("%s chose %s, which has left", rule, n.ID)
			case slices.Contains(tried, n):
				t.Fatalf("%s chose %s again", rule, n.ID)
			case n.health == unknown:
				t.Fatalf("%s chose %s, which was never healthy", rule, n.ID)
			case !n.good() && !c.panics:
				t.Fatalf("%s chose %s, which is ejected or unhealthy", rule, n.ID)
			}
			picks = append(picks, n.ID)
			flying = append(flying, n)
		}
		for len(flying) > r.IntN(30) {
			// Nodes with even numbers fail more often than not.
			result := strategy.Success
			if n := flying[0].ID; (n[len(n)-1]-'0')%2 == 0 && r.IntN(4) > 0 {
				result = strategy.Failure
			}
			c.ReleaseTold(when, flying[0], time.Duration(r.IntN(100))*time.Millisecond, result, strategy.Load{InFlight: r.IntN(5), Latency: time.Millisecond})
			flying = flying[1:]
		}
	}
	return picks
}
