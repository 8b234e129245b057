package load

import (
	"context"
	"math"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// runShards runs every shard of an aim at once and merges what they counted.
func runShards(t *testing.T, a bench.Aim, s seams) (bench.Tally, []byte) {
	t.Helper()
	results := make([]*Result, a.Shards)
	var workers sync.WaitGroup
	for n := range results {
		workers.Go(func() {
			r, err := run(t.Context(), Spec{Aim: a, Shard: n}, s)
			if err != nil {
				t.Error(err)
				return
			}
			results[n] = r
		})
	}
	workers.Wait()
	if t.Failed() {
		t.FailNow()
	}
	var tallies []bench.ShardTally
	var logs [][]byte
	for _, r := range results {
		tallies, logs = append(tallies, r.Tally), append(logs, r.Log)
	}
	sum, log, err := Merge(a, tallies, logs)
	if err != nil {
		t.Fatal(err)
	}
	return sum, log
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance*want {
		t.Errorf("%s = %.3f, want %.3f ± %.1f %%", what, got, want, tolerance*100)
	}
}

// A server that freezes for one second of ten delays a tenth of an open loop's
// requests by 0 to 1 s, evenly: p95 = 500 ms, p99 = 900 ms. A generator that
// waits for answers before it sends (coordinated omission) sees a p99 of 0.
func TestStallOracle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t0 := time.Now().Add(3 * time.Second)
		thaw := t0.Add(5 * time.Second)
		s, stop := virtual(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if d := time.Until(thaw); d > 0 && d <= time.Second {
				time.Sleep(d)
			}
			w.Header().Set("X-Fairlead-Node", "i-1")
		}))
		defer stop()
		sum, log := runShards(t, bench.Aim{
			T0: t0, Shards: 4, Path: "/cluster1",
			Load:      bench.Load{Kind: bench.LoadRate, Rate: 1000, Arrivals: "constant", Duration: bench.Duration(10 * time.Second)},
			Endpoints: []bench.Endpoint{{Addr: "127.0.0.1:1"}},
		}, s)
		if sum.Requests != 10_000 || sum.Planned != 10_000 || sum.Errors != 0 || len(sum.Invalid) > 0 {
			t.Fatalf("counts %+v, invalid %q", sum.Counts, sum.Invalid)
		}
		near(t, "p95", latencyAt(t, log, 95), 500, 0.003)
		near(t, "p99", sum.LatencyMs.P99, 900, 0.003)
		near(t, "max", sum.LatencyMs.Max, 1000, 0.002)
		if sum.SendLag.Max > 1 { // a histogram's least value is 1 µs
			t.Errorf("in virtual time no send is late, got %+v", sum.SendLag)
		}
	})
}

func latencyAt(t *testing.T, log []byte, percentile float64) float64 {
	t.Helper()
	h := newHistogram()
	for iv, err := range ReadLog(log) {
		if err != nil {
			t.Fatal(err)
		}
		if iv.Tag == TagIntended {
			h.Merge(iv.Histogram)
		}
	}
	return float64(h.ValueAtPercentile(percentile)) / 1000
}

// One server, service time exactly D, Poisson arrivals at half of its capacity:
// M/D/1. Its mean time in the system is D·(1 + ρ/(2(1−ρ))) = 1.5 D for ρ = ½
// (Pollaczek and Khinchine). Shards draw from streams of their own, so this
// also shows that together they are one Poisson process.
func TestQueueOracle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const service = 10 * time.Millisecond
		var mu sync.Mutex
		var free time.Time // when the server has served all it has accepted
		s, stop := virtual(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			free = laterOf(free, time.Now()).Add(service)
			wait := time.Until(free)
			mu.Unlock()
			time.Sleep(wait)
		}))
		defer stop()
		sum, _ := runShards(t, bench.Aim{
			T0: time.Now().Add(3 * time.Second), Shards: 3, Path: "/", Trial: bench.Trial{Seed: 7},
			Load:      bench.Load{Kind: bench.LoadRate, Rate: 50, Arrivals: "poisson", Duration: bench.Duration(200 * time.Second)},
			Endpoints: []bench.Endpoint{{Addr: "127.0.0.1:1"}},
		}, s)
		if sum.Errors != 0 || len(sum.Invalid) > 0 {
			t.Fatalf("errors %d, invalid %q", sum.Errors, sum.Invalid)
		}
		near(t, "mean", sum.LatencyMs.Mean, 15, 0.04)
	})
}

func TestClosedLoadKeepsItsConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var inFlight, most int
		s, stop := virtual(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			inFlight++
			most = max(most, inFlight)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			inFlight--
			mu.Unlock()
		}))
		defer stop()
		sum, _ := runShards(t, bench.Aim{
			T0: time.Now().Add(3 * time.Second), Shards: 3, Path: "/",
			Load:      bench.Load{Kind: bench.LoadClosed, Concurrency: 10, Duration: bench.Duration(2 * time.Second)},
			Endpoints: []bench.Endpoint{{Addr: "127.0.0.1:1"}},
		}, s)
		if most != 10 {
			t.Errorf("at most %d in flight, want 10", most)
		}
		// Little's law without queueing: 10 users / 10 ms = 1,000 a second.
		near(t, "requests", float64(sum.Requests), 2000, 0.001)
		near(t, "rps", sum.RPS, 1000, 0.001)
		if sum.Planned != sum.Requests {
			t.Errorf("planned %d of %d: a closed load plans time", sum.Planned, sum.Requests)
		}
		near(t, "p99", sum.LatencyMs.P99, 10, 0.002)
	})
}

// Ctrl-C or a trial that is over must not hang on requests without an answer.
func TestCancelEndsAtOnceAndKeepsTheCounts(t *testing.T) {
	for _, tc := range []struct{ name, why string }{
		{"context", "the worker was stopped with 699 of 1000 requests to go"},
		{"quiesce", "the trial's time was over with 699 of 1000 requests to go"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				t0 := time.Now().Add(3 * time.Second)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				release := make(chan struct{})
				s, stop := virtual(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if time.Since(t0) > 2*time.Second {
						<-release // never answers the last hundred
					}
				}))
				defer stop()
				defer close(release)
				a := bench.Aim{
					T0: t0, Shards: 1, Path: "/",
					Load: bench.Load{Kind: bench.LoadRate, Rate: 100, Arrivals: "constant",
						Duration: bench.Duration(10 * time.Second), Timeout: bench.Duration(time.Minute)},
					Endpoints: []bench.Endpoint{{Addr: "127.0.0.1:1"}},
				}
				end := t0.Add(3*time.Second + 5*time.Millisecond)
				if tc.name == "quiesce" {
					a.QuiesceAt = end
				} else {
					time.AfterFunc(time.Until(end), cancel)
				}
				r, err := run(ctx, Spec{Aim: a}, s)
				if err != nil {
					t.Fatal(err)
				}
				if late := time.Since(end); late > 0 {
					t.Errorf("ended %v after it was stopped", late)
				}
				got := r.Tally
				if got.Planned != 1000 || got.Requests != 301 || got.Status["200"] != 201 || got.Failures[FailureCancelled] != 100 {
					t.Errorf("counts %+v", got.Counts)
				}
				if len(got.Invalid) != 1 || got.Invalid[0] != tc.why {
					t.Errorf("invalid %q, want %q", got.Invalid, tc.why)
				}
			})
		})
	}
}

// Nothing is queued behind the cap in silence: such a trial is no evidence.
func TestCapOfSocketsInvalidates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := virtual(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { time.Sleep(2 * time.Second) }))
		defer stop()
		r, err := run(t.Context(), Spec{Aim: bench.Aim{
			T0: time.Now().Add(3 * time.Second), Shards: 1, Path: "/",
			Load:      bench.Load{Kind: bench.LoadRate, Rate: 1000, Arrivals: "constant", Duration: bench.Duration(time.Second)},
			Endpoints: []bench.Endpoint{{Addr: "127.0.0.1:1"}},
		}}, s)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"100 requests found all 900 sockets in use: use more shards", "100 of 1000 planned requests were not sent"}
		if len(r.Tally.Invalid) != 2 || r.Tally.Invalid[0] != want[0] || r.Tally.Invalid[1] != want[1] {
			t.Errorf("invalid %q, want %q", r.Tally.Invalid, want)
		}
	})
}

func TestTimeoutIsAFailureAndNoLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, stop := virtual(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(time.Hour):
			}
		}))
		defer stop()
		sum, _ := runShards(t, bench.Aim{
			T0: time.Now().Add(3 * time.Second), Shards: 2, Path: "/",
			Load:      bench.Load{Kind: bench.LoadBurst, Requests: 9, Timeout: bench.Duration(500 * time.Millisecond)},
			Endpoints: []bench.Endpoint{{Node: "i-a", Addr: "127.0.0.1:1"}, {Node: "i-b", Addr: "127.0.0.1:2"}},
		}, s)
		if sum.Failures[FailureTimeout] != 9 || sum.Errors != 9 || sum.LatencyMs != (bench.Latency{}) || sum.RPS != 0 {
			t.Errorf("tally %+v", sum)
		}
		if sum.Nodes["i-a"] != (bench.NodeCount{Requests: 5, Errors: 5}) || sum.Nodes["i-b"] != (bench.NodeCount{Requests: 4, Errors: 4}) {
			t.Errorf("a direct endpoint that does not answer is charged to its node, in turn over all shards: %v", sum.Nodes)
		}
		near(t, "seconds", sum.Seconds, 0.5, 0.001)
	})
}
