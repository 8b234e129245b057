package strategy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func prequalOf(seed uint64, p PrequalSettings) *prequal {
	o := options(seed)
	o.Prequal = p
	return newPrequal(o)
}

// many gives n idle nodes.
func many(n int) []Node {
	ns := make([]Node, n)
	for i := range ns {
		ns[i] = Node{ID: fmt.Sprint("n", i), Weight: 1}
	}
	return ns
}

// Each case is worked out by hand: Q = 0.6, and θ is the 0.6-quantile of the
// loads told, which is the third of five.
func TestPrequalHotAndCold(t *testing.T) {
	ms := time.Millisecond
	five := func(ps ...Probe) []Probe {
		for i := range ps {
			ps[i].Node = string(rune('a' + i))
		}
		return ps
	}
	heavy := nodes(0, 0, 0, 0, 0)
	heavy[0].Weight = 4
	failing := []Outcome{{Node: "b", Result: Failure}, {Node: "b", Result: Failure}, {Node: "b", Result: Failure}}
	tests := []struct {
		why    string
		nodes  []Node
		told   []Probe
		ended  []Outcome
		want   string
		reason string // part of what Explain says
	}{
		{"θ = 2: a, b, c are cold, c is the fastest of them; d is faster and hot", nodes(0, 0, 0, 0, 0),
			five(Probe{InFlight: 0, Latency: 9 * ms}, Probe{InFlight: 1, Latency: 8 * ms}, Probe{InFlight: 2, Latency: 7 * ms}, Probe{InFlight: 3, Latency: 1 * ms}, Probe{InFlight: 4, Latency: 1 * ms}),
			nil, "c", "cold: lowest latency in ns; hot is above 2, pool of 5"},
		{"equally fast: the one with fewer in flight", nodes(0, 0, 0, 0, 0),
			five(Probe{InFlight: 2, Latency: 5 * ms}, Probe{InFlight: 1, Latency: 5 * ms}, Probe{InFlight: 2, Latency: 5 * ms}, Probe{InFlight: 3, Latency: 1 * ms}, Probe{InFlight: 4, Latency: 1 * ms}),
			nil, "b", "cold"},
		{"the cold ones may not be chosen: all hot, the fewest in flight, however slow", nodes(0, 0, 0, 0, 0)[3:],
			five(Probe{InFlight: 0}, Probe{InFlight: 1}, Probe{InFlight: 2}, Probe{InFlight: 3, Latency: 90 * ms}, Probe{InFlight: 4, Latency: 1 * ms}),
			nil, "d", "all hot: fewest in flight per weight; hot is above 2, pool of 2"},
		{"8 on weight 4 are 2, not above θ = 3, and a is the fastest", heavy,
			five(Probe{InFlight: 8, Latency: 1 * ms}, Probe{InFlight: 3, Latency: 2 * ms}, Probe{InFlight: 3, Latency: 3 * ms}, Probe{InFlight: 5, Latency: 1 * ms}, Probe{InFlight: 6, Latency: 1 * ms}),
			nil, "a", "cold"},
		{"b is idle and fast because it fails", nodes(0, 0, 0, 0, 0),
			five(Probe{InFlight: 4, Latency: 9 * ms}, Probe{InFlight: 0, Latency: ms}, Probe{InFlight: 4, Latency: 8 * ms}, Probe{InFlight: 4, Latency: 7 * ms}, Probe{InFlight: 4, Latency: 9 * ms}),
			failing, "d", "cold"},
		{"one that fails is better than none", nodes(0, 0)[1:],
			five(Probe{InFlight: 4, Latency: 9 * ms}, Probe{InFlight: 0, Latency: ms}),
			failing, "b", "random: 1 of the 2 probes needed"},
		{"what comes with an answer renews the report", nodes(0, 0),
			five(Probe{InFlight: 0, Latency: 2 * ms}, Probe{InFlight: 0, Latency: 1 * ms}),
			[]Outcome{{Node: "b", Load: Load{0, 3 * ms}}}, "a", "cold"},
		{"and makes none", nodes(0, 0), five(Probe{InFlight: 0, Latency: 2 * ms}),
			[]Outcome{{Node: "b", Load: Load{0, ms}}}, "ab", "random: 1 of the 2 probes needed"},
		{"nothing known", nodes(0, 0), nil, nil, "ab", "random: 0 of the 2 probes needed"},
	}
	for _, tt := range tests {
		t.Run(tt.why, func(t *testing.T) {
			seen := map[string]bool{}
			for seed := range uint64(50) {
				s := prequalOf(seed, PrequalSettings{})
				// The node's weight is known from when it was asked.
				for range 20 {
					s.Probe(epoch, tt.nodes)
				}
				for _, p := range tt.told {
					s.Probed(epoch, p)
				}
				for _, o := range tt.ended {
					s.Done(epoch, o)
				}
				scores, why := s.Explain(epoch, tt.nodes, nil)
				if !strings.Contains(why, tt.reason) || len(scores) != len(tt.nodes) {
					t.Fatalf("explained as %q with %v, want %q", why, scores, tt.reason)
				}
				k := s.Pick(epoch, tt.nodes)
				if c := scores[k]; len(tt.want) == 1 && !math.IsInf(c, 1) && c > slices.Min(scores) {
					t.Errorf("took a node with score %v of %v", c, scores)
				}
				id := tt.nodes[k].ID
				if !strings.Contains(tt.want, id) {
					t.Fatalf("took %s, want one of %s", id, tt.want)
				}
				seen[id] = true
			}
			if len(seen) != len(tt.want) {
				t.Errorf("saw %v with 50 seeds, want each of %s", seen, tt.want)
			}
		})
	}
}

// Each request sent counts on the report that it was sent by, until that is
// renewed: a becomes hot after two.
func TestPrequalCountsItsOwn(t *testing.T) {
	s, ns := prequalOf(1, PrequalSettings{}), nodes(0, 0)
	s.Probed(epoch, Probe{"a", 0, time.Millisecond})
	s.Probed(epoch, Probe{"b", 1, 2 * time.Millisecond}) // θ = 1
	var got []int
	for range 5 {
		got = append(got, s.Pick(epoch, ns))
	}
	// a is at 0, 1, then 2: hot. b is at 1, then 2: hot. Then a, at 2, latency aside.
	if want := []int{0, 0, 1, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("picks %v, want %v", got, want)
	}
}

func TestPrequalAge(t *testing.T) {
	s, ns := prequalOf(1, PrequalSettings{}), nodes(0, 0, 0)
	for i, id := range []string{"a", "b", "c"} {
		s.Probed(epoch.Add(time.Duration(i)*100*time.Millisecond), Probe{id, 0, time.Duration(i+1) * time.Millisecond})
	}
	at := func(ms int) int { return len(s.poolAt(epoch.Add(time.Duration(ms)*time.Millisecond), ns)) }
	if got := []int{at(1000), at(1001), at(1100), at(1201)}; !slices.Equal(got, []int{3, 2, 2, 0}) {
		t.Errorf("reports in the pool: %v, want 3 at 1 s, 2 after it, none 1 s after the last", got)
	}
}

// poolAt picks once and gives the pool.
func (s *prequal) poolAt(now time.Time, ns []Node) []report {
	s.Pick(now, ns)
	return s.pool.reports
}

// b = (1 + 1) ÷ ((1 − 16/100)·3 − 1) = 1.316: of 1,000 answers 316 may be used
// twice, the others once. If all nodes fit, without limit.
func TestPrequalReuse(t *testing.T) {
	s := prequalOf(1, PrequalSettings{})
	sum, most := 0, 0
	for range 10_000 {
		u := s.uses(100)
		sum, most = sum+u, max(most, u)
	}
	if b := float64(sum) / 10_000; math.Abs(b-2/1.52) > .02 || most != 2 {
		t.Errorf("answers are used %.3f times, %d at most; want %.3f, 2", b, most, 2/1.52)
	}
	for n, want := range map[int]int{1: 0, 4: 0, 16: 0, 1_000_000: 1} {
		if got := s.uses(n); got != want {
			t.Errorf("%d nodes: used %d times, want %d", n, got, want)
		}
	}
	if got := prequalOf(1, PrequalSettings{Probes: .5}).uses(100); got != 0 {
		t.Errorf("with fewer probes than removals: used %d times, want no limit", got)
	}

	// In the pool: with a limit of one, each pick uses up its report.
	s, ns := prequalOf(1, PrequalSettings{Remove: -1, Surplus: 1e-9}), many(100)
	for i := range 3 {
		s.Probed(epoch, Probe{ns[i].ID, 0, time.Duration(i+1) * time.Millisecond})
	}
	if k := s.Pick(epoch, ns); k != 0 || len(s.pool.reports) != 2 {
		t.Errorf("took %d and left %d reports, want 0 and 2", k, len(s.pool.reports))
	}
	if k := s.Pick(epoch, ns); k != 1 || len(s.pool.reports) != 1 {
		t.Errorf("took %d and left %d reports, want 1 and 1", k, len(s.pool.reports))
	}
}

// One report goes with each request: the worst, the oldest, and so on. θ = 3.
func TestPrequalRemovesWorstAndOldest(t *testing.T) {
	s, ns := prequalOf(1, PrequalSettings{}), many(100)
	for i, p := range []Probe{{"n0", 1, 50}, {"n1", 2, 40}, {"n2", 3, 10}, {"n3", 9, 1}, {"n4", 8, 1}} {
		p.Latency *= time.Millisecond
		s.Probed(epoch.Add(time.Duration(i)), p)
	}
	left := func() (ids string) {
		for _, r := range s.pool.reports {
			ids += r.node
		}
		return ids
	}
	for _, step := range []struct{ why, want string }{
		{"n3 has the most of the hot ones", "n0n1n2n4"},
		{"n0 is the oldest", "n1n2n4"},
		{"n4 is the last hot one", "n1n2"},
		{"n1 is the oldest", "n2"},
		{"the last one", ""},
		{"nothing left", ""},
	} {
		s.clean(ns)
		if got := left(); got != step.want {
			t.Errorf("%s: left %s, want %s", step.why, got, step.want)
		}
	}
	s.worst = false
	for i, p := range []Probe{{"n0", 1, 40}, {"n1", 1, 50}, {"n2", 1, 10}} {
		s.Probed(epoch.Add(time.Second+time.Duration(i)), p)
	}
	if s.clean(ns); left() != "n0n2" {
		t.Errorf("all cold: left %s, want the slowest gone", left())
	}
}

func TestPrequalPoolIsBounded(t *testing.T) {
	s, ns := prequalOf(1, PrequalSettings{}), many(100)
	for i := range ns {
		s.Probed(epoch, Probe{ns[i].ID, i, time.Millisecond})
		s.Probed(epoch, Probe{ns[i].ID, i, time.Millisecond})
	}
	if k := len(s.pool.reports); k != 16 || s.pool.reports[0].node != "n84" {
		t.Errorf("%d reports, the oldest of %s; want 16, one for each of the last nodes", k, s.pool.reports[0].node)
	}
	// Twelve nodes have left: so much for their reports.
	if k := len(s.poolAt(epoch, ns[96:])); k > 4 {
		t.Errorf("%d reports for 4 nodes", k)
	}
}

// Three probes a request to many nodes, one to few, fractions as they add up;
// no node twice, and each as often as any other.
func TestPrequalProbes(t *testing.T) {
	tests := []struct {
		nodes    int
		settings PrequalSettings
		each     float64
	}{
		{100, PrequalSettings{}, 3},
		{17, PrequalSettings{}, 3},
		{16, PrequalSettings{}, 1},
		{1, PrequalSettings{}, 1},
		{100, PrequalSettings{Probes: .5}, .5},
		{100, PrequalSettings{Probes: 1.75}, 1.75},
		{2, PrequalSettings{Probes: 5}, 2},
	}
	for _, tt := range tests {
		const requests = 10_000
		s, ns, sum := prequalOf(1, tt.settings), many(tt.nodes), 0
		count := make([]float64, tt.nodes)
		for range requests {
			asked := s.Probe(epoch, ns)
			sum += len(asked)
			for i, k := range asked {
				count[k]++
				if slices.Contains(asked[:i], k) {
					t.Fatalf("asks %v", asked)
				}
			}
		}
		if got := float64(sum) / requests; got != tt.each {
			t.Errorf("%d nodes, %+v: %v probes a request, want %v", tt.nodes, tt.settings, got, tt.each)
		}
		fair := tt.each * requests / float64(tt.nodes)
		for i, c := range count {
			if math.Abs(c-fair) > 5*math.Sqrt(fair)+1 {
				t.Errorf("%d nodes: node %d was asked %v times, want about %v", tt.nodes, i, c, fair)
			}
		}
	}
	// In slow start a node is asked in proportion.
	s, ns, warm := prequalOf(1, PrequalSettings{}), many(4), 0
	ns[0].Ramp, ns[0].Weight = .1, .1
	for range 10_000 {
		if slices.Contains(s.Probe(epoch, ns), 0) {
			warm++
		}
	}
	if warm < 200 || warm > 300 {
		t.Errorf("the node in slow start was asked %d times of 10,000, want 250", warm)
	}
}

func TestQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var q quantile
	var all []float64
	if q.value(.6) != -1 {
		t.Errorf("of nothing: %v", q.value(.6))
	}
	for range 1000 {
		v := float64(r.IntN(20))
		q.add(v)
		all = append(all, v)
		last := slices.Clone(all[max(0, len(all)-remembered):])
		slices.Sort(last)
		for _, p := range []float64{0, .1, .6, .99, 1} {
			want := -1.0
			if i := int(math.Ceil(p * float64(len(last)))); i > 0 {
				want = last[i-1]
			}
			if got := q.value(p); got != want {
				t.Fatalf("quantile %v of %d values is %v, want %v", p, len(last), got, want)
			}
		}
	}
}

// weights 5, 1, 1 give aabacaa.
func TestSmoothWeightedRoundRobin(t *testing.T) {
	s, ns := make1(t, "weighted-round-robin", 1), nodes(9, 0, 0)
	ns[0].Weight = 5
	got := ""
	for range 14 {
		got += ns[s.Pick(epoch, ns)].ID
	}
	if want := "aabacaaaabacaa"; got != want {
		t.Errorf("took %s, want %s", got, want)
	}
}

// Everything a request costs, on every rule: no allocation once the nodes are known.
func TestPickAllocatesNothing(t *testing.T) {
	for _, name := range Names() {
		for _, n := range []int{4, 16} {
			s, ns, now := make1(t, name, 1), many(n), epoch
			probing, _ := s.(Probing)
			one := func() {
				now = now.Add(50 * time.Microsecond)
				if probing != nil {
					for _, i := range probing.Probe(now, ns) {
						probing.Probed(now, Probe{ns[i].ID, i, time.Millisecond})
					}
				}
				k := s.Pick(now, ns)
				s.Done(now, Outcome{Node: ns[k].ID, Latency: time.Millisecond, Load: Load{1, time.Millisecond}})
			}
			for range 1000 {
				one()
			}
			if a := testing.AllocsPerRun(2000, one); a != 0 {
				t.Errorf("%s with %d nodes: %v allocations a request", name, n, a)
			}
		}
	}
}
