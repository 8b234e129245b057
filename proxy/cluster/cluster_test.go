package cluster

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newCluster(t *testing.T, rule string, ids ...string) *Cluster {
	t.Helper()
	c, err := New("cluster1", rule, strategy.Options{Rand: rand.New(rand.NewPCG(1, 2)), Penalty: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c.Sync(members(ids...))
	for _, m := range members(ids...) {
		c.SetHealth(m, true)
	}
	return c
}

func members(ids ...string) []Member {
	ms := make([]Member, len(ids))
	for i, id := range ids {
		ms[i] = Member{id, id + ":8000"}
	}
	return ms
}

// take acquires k nodes and gives their ids.
func take(t *testing.T, c *Cluster, k int, tried ...*Node) (ids []string, nodes []*Node) {
	t.Helper()
	for range k {
		n, err := c.Acquire(now, tried...)
		if err != nil {
			t.Fatal(err)
		}
		ids, nodes = append(ids, n.ID), append(nodes, n)
	}
	return ids, nodes
}

func TestAcquireCountsWhatIsInFlight(t *testing.T) {
	c := newCluster(t, "least-outstanding", "a", "b")
	_, nodes := take(t, c, 4)
	for _, n := range c.Nodes() {
		if n.InFlight != 2 {
			t.Errorf("%s has %d in flight, want 2: each choice sees the ones before it", n.ID, n.InFlight)
		}
	}
	c.Release(now, nodes[0], time.Millisecond, strategy.Success)
	if ids, _ := take(t, c, 1); ids[0] != nodes[0].ID {
		t.Errorf("chose %s, want %s, which has just become free", ids[0], nodes[0].ID)
	}
}

func TestAcquireOnlyWhatMayBeUsed(t *testing.T) {
	c := newCluster(t, "round-robin")
	expect := func(why string, want string, tried ...*Node) {
		t.Helper()
		n, err := c.Acquire(now, tried...)
		var none *NoNodeError
		switch {
		case err != nil && (!errors.As(err, &none) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want %q", why, err, want)
		case err == nil && n.ID != want:
			t.Errorf("%s: chose %s, want %q", why, n.ID, want)
		}
		if err == nil {
			c.Release(now, n, time.Millisecond, strategy.Success)
		}
	}
	all := members("a", "b")
	expect("nothing found", "has no running nodes")
	c.Sync(all)
	expect("nothing healthy", "none of the 2 nodes of cluster1 has been healthy yet")
	c.SetHealth(all[0], true)
	expect("one healthy", "a")
	expect("one healthy", "a")
	_, a := take(t, c, 1)
	expect("it was tried", "no other node to try after 1", a[0])
	c.SetHealth(all[1], true)
	expect("the other one", "b", a[0])
	c.SetHealth(all[0], false)
	expect("unhealthy ones are left out", "b")
	c.SetHealth(all[1], false)
	if ids, _ := take(t, c, 2); ids[0] == ids[1] {
		t.Errorf("with all unhealthy it chose %v, want both: fail open", ids)
	}
	c.Sync(all[1:])
	expect("one has left", "b")
	c.SetHealth(all[0], true)
	expect("news of a node that has left", "b")
	c.SetProbed(all[0], time.Millisecond)
}

func TestStrategyChangesAtOnce(t *testing.T) {
	c := newCluster(t, "lowest-latency-probe", "a", "b", "c")
	c.SetProbed(members("b")[0], time.Millisecond)
	if ids, _ := take(t, c, 3); !slices.Equal(ids, []string{"b", "b", "b"}) {
		t.Errorf("the fastest probe gave %v, want b alone", ids)
	}
	if err := c.SetStrategy("round-robin"); err != nil || c.Strategy() != "round-robin" {
		t.Fatalf("set %s, %v", c.Strategy(), err)
	}
	if ids, _ := take(t, c, 3); !slices.Equal(ids, []string{"a", "b", "c"}) {
		t.Errorf("round-robin gave %v", ids)
	}
	var unknown *strategy.UnknownError
	if err := c.SetStrategy("best"); !errors.As(err, &unknown) || c.Strategy() != "round-robin" {
		t.Errorf("a bad name: %v, strategy now %s", err, c.Strategy())
	}
}

// What a node that left has in flight goes on, and its figures stay until they
// are reset: the requests that it answered are part of the trial.
func TestGoneNodesKeepTheirFigures(t *testing.T) {
	c := newCluster(t, "round-robin", "a", "b")
	_, nodes := take(t, c, 2)
	c.Sync(members("b"))
	c.Release(now, nodes[0], 7*time.Millisecond, strategy.Failure)
	got := c.Nodes()
	if len(got) != 2 || !got[0].Gone || got[0].Healthy || got[0].Requests != 1 || got[0].Errors != 1 || got[0].InFlight != 0 {
		t.Errorf("figures %+v, want a gone with one error", got)
	}
	if healthy, present := c.Healthy(); healthy != 1 || present != 1 {
		t.Errorf("%d of %d healthy, want 1 of 1", healthy, present)
	}
	c.Sync(members("a", "b"))
	if ids, _ := take(t, c, 2); !slices.Equal(ids, []string{"b", "b"}) {
		t.Errorf("chose %v, want b only: a must prove itself again", ids)
	}
	c.SetHealth(members("a")[0], true)
	if n := c.Nodes()[0]; n.Gone || n.Requests != 1 {
		t.Errorf("back again: %+v, want its figures", n)
	}
	c.Sync(members("b"))
	c.Reset()
	if got := c.Nodes(); len(got) != 1 || got[0].ID != "b" {
		t.Errorf("after Reset %+v, want b alone", got)
	}
}

func TestGoneNodesDoNotFillTheMemory(t *testing.T) {
	c := newCluster(t, "round-robin")
	for i := range 500 {
		c.Sync([]Member{{string(rune('0' + i)), "x"}})
	}
	if n := len(c.Nodes()); n != keepGone+1 {
		t.Errorf("%d nodes known, want %d", n, keepGone+1)
	}
}

func TestFigures(t *testing.T) {
	c := newCluster(t, "round-robin", "a")
	for i := range 100 {
		_, n := take(t, c, 1)
		c.Release(now, n[0], time.Duration(i+1)*time.Millisecond, strategy.Success)
	}
	_, n := take(t, c, 2)
	c.Release(now, n[0], time.Hour, strategy.Abandoned) // tells nothing of the latency
	c.Release(now, n[1], time.Hour, strategy.Failure)   // beyond what can be told apart
	s := c.Nodes()[0]
	near := func(got, want float64) bool { return got > want*.998 && got < want*1.002 }
	l := s.LatencyMs
	if s.Requests != 102 || s.Errors != 1 || !near(l.P50, 51) || !near(l.P90, 91) || !near(l.P99, 100) || !near(l.Max, 600_000) {
		t.Errorf("figures %+v", s)
	}
	c.Reset()
	s = c.Nodes()[0]
	if s.Requests != 0 || s.Errors != 0 || s.LatencyMs != (Latencies{}) || s.EverRequests != 102 || s.EverErrors != 1 {
		t.Errorf("after Reset %+v, want zeros, and what counts for ever unchanged", s)
	}
}

func TestServed(t *testing.T) {
	c := newCluster(t, "round-robin")
	for _, d := range []time.Duration{0, time.Millisecond, 3 * time.Millisecond, time.Minute} {
		c.Served(d, d == time.Minute)
	}
	total := c.Totals()
	if total.Requests != 4 || total.Errors != 1 || total.AtMost[time.Millisecond] != 2 || total.AtMost[5*time.Millisecond] != 3 || total.AtMost[10*time.Second] != 3 {
		t.Errorf("totals %+v", total)
	}
	p := c.TakePeriod()
	if p.Requests != 4 || p.Errors != 1 || len(p.Latency) != 4 {
		t.Errorf("period %+v", p)
	}
	if last := p.Latency[3]; last.Requests != 1 || last.Latency < 59*time.Second || last.Latency > 61*time.Second {
		t.Errorf("the slowest is %+v, want a minute to 1 %%", last)
	}
	if p := c.TakePeriod(); p.Requests != 0 || p.Errors != 0 || p.Latency != nil {
		t.Errorf("the next period %+v, want nothing", p)
	}
	if c.Totals().Requests != 4 {
		t.Error("taking a period changed the totals")
	}
}

// Everything at once, for the race detector; in the end nothing is in flight
// and nothing was lost.
func TestConcurrentUse(t *testing.T) {
	const workers, each = 8, 500
	c := newCluster(t, "peak-ewma", "a", "b", "c")
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for range each {
				n, err := c.Acquire(now)
				if err != nil {
					t.Error(err)
					return
				}
				c.Release(now, n, time.Millisecond, strategy.Success)
				c.Served(time.Millisecond, false)
			}
		})
	}
	wait.Go(func() {
		for i := range each {
			c.SetHealth(members("a")[0], i%2 == 0)
			c.Sync(members([]string{"a", "b", "c"}[:2+i%2]...))
			c.SetProbed(members("b")[0], time.Duration(i))
			c.Nodes()
			if err := c.SetStrategy(strategy.Names()[i%len(strategy.Names())]); err != nil {
				t.Error(err)
			}
		}
	})
	wait.Wait()
	requests := int64(0)
	for _, n := range c.Nodes() {
		requests += n.EverRequests
		if n.InFlight != 0 {
			t.Errorf("%s has %d in flight", n.ID, n.InFlight)
		}
	}
	if requests != workers*each || c.Totals().Requests != workers*each {
		t.Errorf("%d counted on the nodes, %d in all, want %d", requests, c.Totals().Requests, workers*each)
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	c, err := New("c", strategy.Default, strategy.Options{Rand: rand.New(rand.NewPCG(1, 2)), Penalty: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	c.Sync(members("i-0123456789abcdef0", "i-0123456789abcdef1", "i-0123456789abcdef2", "i-0123456789abcdef3"))
	for _, n := range c.Nodes() {
		c.SetHealth(Member{n.ID, n.Addr}, true)
	}
	b.ReportAllocs()
	for b.Loop() {
		n, err := c.Acquire(now)
		if err != nil {
			b.Fatal(err)
		}
		c.Release(now, n, time.Millisecond, strategy.Success)
		c.Served(time.Millisecond, false)
	}
}
