package strategy

import (
	"container/heap"
	"math"
	"strings"
	"testing"
	"time"
)

// play sends requests at a fixed interval to nodes that answer each request
// after a time of their own, in virtual time, and gives each node's count.
// Probes are answered at once, with the latency of the node's last answer.
func play(s Strategy, requests int, every time.Duration, ns []Node, answer func(node int, at time.Duration) (time.Duration, Result)) []int {
	count := make([]int, len(ns))
	last := make([]time.Duration, len(ns))
	probing, _ := s.(Probing)
	var ends ending
	for i := range requests {
		at := time.Duration(i) * every
		for len(ends) > 0 && ends[0].at <= at {
			e := heap.Pop(&ends).(end)
			ns[e.node].InFlight--
			last[e.node] = e.latency
			s.Done(epoch.Add(e.at), Outcome{Node: ns[e.node].ID, Latency: e.latency, Result: e.result,
				Load: Load{InFlight: ns[e.node].InFlight, Latency: e.latency}})
		}
		if probing != nil {
			for _, k := range probing.Probe(epoch.Add(at), ns) {
				probing.Probed(epoch.Add(at), Probe{Node: ns[k].ID, InFlight: ns[k].InFlight, Latency: last[k]})
			}
		}
		k := s.Pick(epoch.Add(at), ns)
		count[k]++
		ns[k].InFlight++
		latency, result := answer(k, at)
		heap.Push(&ends, end{at + latency, k, latency, result})
	}
	return count
}

type end struct {
	at      time.Duration
	node    int
	latency time.Duration
	result  Result
}

type ending []end

func (h ending) Len() int           { return len(h) }
func (h ending) Less(i, j int) bool { return h[i].at < h[j].at }
func (h ending) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ending) Push(x any)        { *h = append(*h, x.(end)) }
func (h *ending) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

// A node that fails in 100 µs while the others need 10 ms looks like the best
// one to a rule that learns from successes only, or counts requests in flight.
func TestFailingFastAttractsNothing(t *testing.T) {
	const requests = 20_000
	sink := func(node int, _ time.Duration) (time.Duration, Result) {
		if node == 0 {
			return 100 * time.Microsecond, Failure
		}
		return 10 * time.Millisecond, Success
	}
	tests := []struct {
		rule        string
		least, most float64 // share of the failing node
		why         string
	}{
		{"peak-ewma", 0, .001, "asked once, then it costs 5 s"},
		{"c3", 0, .001, "asked once, then its R is 5 s"},
		{"prequal", 0, .001, "three in a row, then it is worse than any other"},
		{"least-outstanding", .5, 1, "idle in most moments, so it wins: the trap"},
		{"round-robin", .25, .25, "blind"},
	}
	for _, tt := range tests {
		count := play(make1(t, tt.rule, 1), requests, time.Millisecond, nodes(0, 0, 0, 0), sink)
		if share := float64(count[0]) / requests; share < tt.least || share > tt.most {
			t.Errorf("%s sent %.1f %% to the failing node, want %.1f to %.1f: %s", tt.rule, 100*share, 100*tt.least, 100*tt.most, tt.why)
		}
	}
}

// One node of four is five times slower. In proportion to speed it would get
// 1/16 of the requests.
func TestASlowNodeIsUsedLess(t *testing.T) {
	const requests = 20_000
	for rule, most := range map[string]float64{"peak-ewma": .1, "least-outstanding": .1, "c3": .1, "prequal": .1, "p2c": .15} {
		count := play(make1(t, rule, 1), requests, time.Millisecond, nodes(0, 0, 0, 0), func(node int, _ time.Duration) (time.Duration, Result) {
			if node == 0 {
				return 50 * time.Millisecond, Success
			}
			return 10 * time.Millisecond, Success
		})
		if share := float64(count[0]) / requests; share > most || share == 0 {
			t.Errorf("%s: the slow node got %.1f %%, want some and at most %.0f", rule, 100*share, 100*most)
		}
	}
}

// A node that stalled or failed for a while gets work again once its past has
// faded.
func TestForgives(t *testing.T) {
	const rate = 2 * time.Millisecond
	for _, rule := range []string{"peak-ewma", "c3", "prequal"} {
		for _, during := range []Result{Success, Failure} {
			lately := 0
			play(make1(t, rule, 1), 60_000, rate, nodes(0, 0), func(node int, at time.Duration) (time.Duration, Result) {
				if node == 0 && at < 10*time.Second {
					return 2 * time.Second, during
				}
				if node == 0 && at > 110*time.Second {
					lately++
				}
				return 5 * time.Millisecond, Success
			})
			if lately < 1_500 {
				t.Errorf("%s: 100 s after it was bad (%d) the node got %d of the last 5,000 requests, want about half", rule, during, lately)
			}
		}
	}
}

// Between two health probes, one a second, lowest-latency-probe sends all to
// one node, which by then is as slow as a queue of a second's requests makes
// it. The others spread each 100 ms over all nodes.
func TestHerding(t *testing.T) {
	for _, rule := range Names() {
		ns := nodes(0, 0, 0, 0)
		s, window := make1(t, rule, 3), make([]int, len(ns))
		worst, picks := 0, 0
		start := 0
		play(s, 10_000, time.Millisecond, ns, func(node int, at time.Duration) (time.Duration, Result) {
			if at%time.Second == 0 { // the probes
				for i := range ns {
					ns[i].Probed = time.Duration(1+ns[i].InFlight) * time.Millisecond
				}
			}
			if at > time.Second { // before, nothing is known
				window[node]++
				worst = max(worst, window[node])
				if picks++; picks-start == 100 {
					clear(window)
					start = picks
				}
			}
			return time.Duration(1+ns[node].InFlight) * 3 * time.Millisecond, Success
		})
		switch {
		case rule == "lowest-latency-probe" && worst < 100:
			t.Errorf("%s: at most %d of 100 requests went to one node, want all", rule, worst)
		case rule != "lowest-latency-probe" && worst > 55:
			t.Errorf("%s: %d of 100 requests went to one node of four, want no herd", rule, worst)
		}
	}
}

func TestPeakEWMACost(t *testing.T) {
	s := newPeakEWMA(options(1))
	at := func(d time.Duration) time.Time { return epoch.Add(d) }
	want := func(why string, now, cost time.Duration) {
		t.Helper()
		if got := s.costs.of("a").now(at(now)); math.Abs(got-float64(cost)) > 1 {
			t.Errorf("%s: cost %v, want %v", why, time.Duration(got), cost)
		}
	}
	ms, sec := time.Millisecond, time.Second
	s.Done(at(0), Outcome{Node: "a", Latency: 100 * ms, Result: Success})
	want("first answer", 0, 100*ms)
	want("decays by e over τ while nothing is heard", 10*sec, time.Duration(100*float64(ms)/math.E))
	s.Done(at(10*sec), Outcome{Node: "a", Latency: 20 * ms, Result: Success})
	mixed := 100*float64(ms)/math.E + 20*float64(ms)*(1-1/math.E)
	want("comes down by the time that has passed", 10*sec, time.Duration(mixed))
	s.Done(at(10*sec), Outcome{Node: "a", Latency: 300 * ms, Result: Success})
	want("jumps to a peak", 10*sec, 300*ms)
	s.Done(at(10*sec), Outcome{Node: "a", Latency: 9 * sec, Result: Failure})
	want("a failure slower than the penalty costs its time", 10*sec, 9*sec)
}

// Nodes that come and go do not fill the memory.
func TestPeakEWMAForgetsTheGone(t *testing.T) {
	s := newPeakEWMA(options(1))
	for i := range 10_000 {
		s.Done(epoch.Add(time.Duration(i)*time.Second), Outcome{Node: strings.Repeat("x", i%5_000), Latency: time.Millisecond, Result: Success})
	}
	// 100 s of memory, swept every 100 s, at one node a second.
	if len(s.costs.pages) > 201 {
		t.Errorf("%d nodes remembered, want at most the last 200", len(s.costs.pages))
	}
}

// More nodes than are scanned: two draws, the cheaper one.
func TestPeakEWMADrawsTwoOfMany(t *testing.T) {
	s, ns := make1(t, "peak-ewma", 1), nodes(make([]int, scanAtMost+4)...)
	for i := range ns {
		s.Done(epoch, Outcome{Node: ns[i].ID, Latency: time.Duration(i+1) * time.Millisecond, Result: Success})
	}
	count := make([]int, len(ns))
	for range 20_000 {
		count[s.Pick(epoch, ns)]++
	}
	if count[len(ns)-1] != 0 {
		t.Errorf("the costliest node was picked %d times, though it loses each comparison", count[len(ns)-1])
	}
	if best := float64(count[0]) / 20_000; best < .08 || best > .12 {
		t.Errorf("the cheapest node got %.3f, want 2/20: every time that it is drawn, and no more", best)
	}
}
