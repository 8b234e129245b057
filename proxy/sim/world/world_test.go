package world

import (
	"math"
	"slices"
	"testing"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// one is a world of one node with one core and without network.
func one(d Discipline, load float64, c Cost, lasts float64) Setup {
	return Setup{
		Nodes:   []Spec{{Discipline: d, Weight: 1, Profile: Steady(1, 1)}},
		Proxies: 1, Cost: c, Seed: 1,
		Stages: []Stage{{Load: load, Rate: load / .01, Warm: 50, Lasts: lasts}},
	}
}

func run1(t *testing.T, s Setup, rule string) []Result {
	t.Helper()
	r, err := Run(s, rule)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// What queueing theory says in closed form.
func TestTheory(t *testing.T) {
	const work, load = .01, .7
	tests := []struct {
		why        string
		discipline Discipline
		cost       Cost
		want       float64 // mean time in s
	}{
		{"M/M/1, mean 1/(μ − λ)", Queueing, Exponential(work), work / (1 - load)},
		{"M/D/1, Pollaczek and Khinchin", Queueing, Constant(work), work * (1 + load/(2*(1-load)))},
		{"M/M/1-PS, as M/M/1", Sharing, Exponential(work), work / (1 - load)},
		{"M/D/1-PS, insensitive to the distribution", Sharing, Constant(work), work / (1 - load)},
		{"M/G/1-PS", Sharing, Lognormal(work, 1), work / (1 - load)},
		{"M/G/1-PS", Sharing, TruncatedNormal(work), work / (1 - load)},
	}
	for _, tt := range tests {
		r := run1(t, one(tt.discipline, load, tt.cost, 2000), "random")[0]
		if got := mean(r.Latencies); math.Abs(got/tt.want-1) > .03 {
			t.Errorf("%s: mean %.3f ms, want %.3f to 3 %%", tt.why, 1e3*got, 1e3*tt.want)
		}
		if want := load / work * 2000; math.Abs(float64(len(r.Latencies))/want-1) > .01 {
			t.Errorf("%s: %d requests, want %.0f to 1 %%", tt.why, len(r.Latencies), want)
		}
	}
}

// The time of an M/M/1 queue is itself exponential: p99 = ln 100 × mean.
func TestTheoryOfTheTail(t *testing.T) {
	l := run1(t, one(Queueing, .7, Exponential(.01), 5000), "random")[0].Latencies
	slices.Sort(l)
	got, want := l[len(l)*99/100], math.Log(100)*.01/.3
	if math.Abs(got/want-1) > .04 {
		t.Errorf("p99 %.1f ms, want %.1f to 4 %%", 1e3*got, 1e3*want)
	}
}

// Two cores serve two requests at full speed, and the third shares.
func TestNodeShares(t *testing.T) {
	n := newNode(&Spec{Profile: Steady(2, 1)}, nil)
	for i, work := range []float64{3, 3, 6} {
		n.take(0, uint64(i), work)
	}
	// Rate 2/3 until both of 3 end at 4.5; then 3 left at full speed.
	for i, want := range []float64{4.5, 4.5, 7.5} {
		if math.Abs(n.next-want) > 1e-9 {
			t.Fatalf("end %d at %g, want %g", i, n.next, want)
		}
		if _, done := n.event(n.next); !done {
			t.Fatalf("event %d is no end", i)
		}
	}
	if n.inFlight() != 0 || n.next != never {
		t.Errorf("%d left, next at %g", n.inFlight(), n.next)
	}
}

func TestNodeQueuesAndDrops(t *testing.T) {
	n := newNode(&Spec{Discipline: Queueing, Profile: Steady(1, 1)}, nil)
	for i := range 4 {
		n.take(0, uint64(i), 2)
	}
	n.drop(1, 0) // in service: the next one begins
	n.drop(1, 2) // waiting
	var ends []float64
	for n.inFlight() > 0 {
		ends = append(ends, n.next)
		n.event(n.next)
	}
	if !slices.Equal(ends, []float64{3, 5}) {
		t.Errorf("ends at %v, want 3 and 5", ends)
	}
}

// A second at full speed, one at 30 %, and so on.
func TestNodeDegrades(t *testing.T) {
	n := newNode(&Spec{Profile: Degrading(1, .3, 1)}, nil)
	n.take(.5, 1, 1.2) // .5 by 1, .3 by 2, .4 by 2.4
	for {
		at := n.next
		if _, done := n.event(at); done {
			if math.Abs(at-2.4) > 1e-9 {
				t.Errorf("ends at %g, want 2.4", at)
			}
			return
		}
	}
}

// The oracles' forecasts come true if nothing comes after.
func TestOraclesForesee(t *testing.T) {
	for _, spec := range []Spec{
		{Profile: Steady(1, .5)}, {Profile: Steady(3, 2)}, {Profile: Steady(1.5, 1)},
		{Discipline: Queueing, Profile: Steady(1, .5)}, {Discipline: Queueing, Profile: Steady(3, 2)},
	} {
		r := stream(7, 7)
		for range 200 {
			n := newNode(&spec, nil)
			for i := range r.IntN(8) {
				n.take(float64(i)*.1, uint64(i), 10*r.Float64())
			}
			work := 10 * r.Float64()
			soon := n.finishes(.9, work)
			n.take(.9, 99, work)
			for {
				at := n.next
				if id, _ := n.event(at); id == 99 {
					if math.Abs(at-.9-soon) > 1e-9 {
						t.Fatalf("%+v: ends after %g, foreseen %g", spec, at-.9, soon)
					}
					break
				}
			}
		}
	}
}

// The delay to others and the own time are the difference of two sums of ends.
func TestOracleForeseesDelays(t *testing.T) {
	sum := func(works ...float64) float64 {
		n := newNode(&Spec{Profile: Steady(2, 1)}, nil)
		for i, w := range works {
			n.take(0, uint64(i), w)
		}
		total := 0.0
		for n.inFlight() > 0 {
			at := n.next
			n.event(at)
			total += at
		}
		return total
	}
	n := newNode(&Spec{Profile: Steady(2, 1)}, nil)
	for i, w := range []float64{5, 1, 3} {
		n.take(0, uint64(i), w)
	}
	if got, want := n.delays(0, 2), sum(5, 1, 3, 2)-sum(5, 1, 3); math.Abs(got-want) > 1e-9 {
		t.Errorf("delay %g, want %g", got, want)
	}
}

// Past the deadline a request counts as that long, its node forgets it, and
// the proxy hears of a failure.
func TestDeadline(t *testing.T) {
	s := one(Queueing, 2, Constant(.01), 100)
	s.Deadline = 1
	r := run1(t, s, "random")[0]
	// Half of what comes can be served. More than half is lost, as some are
	// given up while they are in service.
	if share := float64(r.Timeouts) / float64(len(r.Latencies)); share < .5 || share > .9 {
		t.Errorf("%.3f timed out, want more than .5", share)
	}
	if most := slices.Max(r.Latencies); math.Abs(most-1) > 1e-9 {
		t.Errorf("the longest took %g s, want 1", most)
	}
}

// The same seed gives the same figures, whatever runs before; another one
// gives others. Every request is accounted for.
func TestSeed(t *testing.T) {
	s := Setup{
		Nodes: []Spec{
			{Weight: 1, Profile: Antagonised(1, 10)}, {Weight: 1, Profile: Degrading(1, .3, 2)},
			{Weight: 2, Profile: Steady(2, 1)}, {Weight: 1, Discipline: Queueing, Profile: Steady(1, 1)},
		},
		Proxies: 3, Cost: Exponential(.01), Delay: .001, Deadline: 2, Health: 1, HealthCost: .0001, Seed: 1,
		Stages: []Stage{{Rate: 100, Warm: 1, Lasts: 10}, {Rate: 450, Warm: 1, Lasts: 10}},
	}
	arrivals := -1
	for _, rule := range append(Oracles(), strategy.Names()...) {
		a, b := run1(t, s, rule), run1(t, s, rule)
		s2 := s
		s2.Seed = 2
		other := run1(t, s2, rule)
		for i := range a {
			if !slices.Equal(a[i].Latencies, b[i].Latencies) || a[i].Timeouts != b[i].Timeouts {
				t.Errorf("%s: the same seed gave other figures", rule)
			}
		}
		if slices.Equal(a[0].Latencies, other[0].Latencies) {
			t.Errorf("%s: another seed gave the same figures", rule)
		}
		if n := len(a[1].Latencies); arrivals >= 0 && n != arrivals {
			t.Errorf("%s met %d requests, others %d", rule, n, arrivals)
		} else {
			arrivals = n
		}
	}
}

func TestUnknownRule(t *testing.T) {
	if _, err := Run(one(Sharing, .5, Constant(.01), 1), "best"); err == nil {
		t.Error("no error for a strategy that does not exist")
	}
}

func BenchmarkRun(b *testing.B) {
	s := one(Sharing, .8, Exponential(.01), 1000)
	s.Nodes = slices.Repeat(s.Nodes, 4)
	s.Stages[0].Rate *= 4
	requests := 0
	for b.Loop() {
		r, err := Run(s, strategy.Default)
		if err != nil {
			b.Fatal(err)
		}
		requests += len(r[0].Latencies)
	}
	b.ReportMetric(float64(requests)/b.Elapsed().Seconds(), "requests/s")
}
