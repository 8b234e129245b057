package load

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

func TestShardRules(t *testing.T) {
	rate := bench.Load{Kind: bench.LoadRate, Rate: 100, Duration: bench.Duration(10 * time.Second)}
	fine := bench.ShardTally{Counts: bench.Counts{Planned: 1000, Requests: 1000}}
	for _, tc := range []struct {
		why    string
		load   bench.Load
		change func(*bench.ShardTally, *ruleFacts)
		want   string
	}{
		{"a good slice", rate, func(*bench.ShardTally, *ruleFacts) {}, "[]"},
		{"a few late ones are judged with the other shards'", rate, func(t *bench.ShardTally, _ *ruleFacts) { t.SendLag.Late = 0.03 }, "[]"},
		{"an ill worker", rate, func(t *bench.ShardTally, _ *ruleFacts) { t.SendLag.Late = 0.2 },
			"[20 % of a worker's sends were more than 1 ms late, the bound is 10 %]"},
		{"a burst has no schedule to be late for", bench.Load{Kind: bench.LoadBurst, Requests: 1000},
			func(t *bench.ShardTally, _ *ruleFacts) { t.SendLag.Late = 1 }, "[]"},
		{"clock behind", rate, func(t *bench.ShardTally, _ *ruleFacts) { t.ClockOff = bench.Duration(-7 * time.Millisecond) },
			"[the worker's clock is 7.0 ms off, the bound is 5ms]"},
		{"a half-dead worker", rate, func(t *bench.ShardTally, _ *ruleFacts) { t.Requests = 500 }, "[500 of 1000 planned requests were not sent]"},
		{"a saturated worker", rate, func(t *bench.ShardTally, _ *ruleFacts) { t.CPU = 0.9 }, "[the worker used 90 % of its CPU, the bound is 85 %: use more shards]"},
		{"out of ports", rate, func(t *bench.ShardTally, _ *ruleFacts) { t.Failures = map[string]int{FailureSockets: 3} },
			"[the worker ran out of descriptors or ports for 3 requests]"},
		{"a late start shortens a closed load", bench.Load{Kind: bench.LoadClosed, Duration: bench.Duration(time.Second)},
			func(_ *bench.ShardTally, f *ruleFacts) { f.late = 60 * time.Millisecond }, "[the worker was ready 60 ms after T0]"},
	} {
		tally, facts := fine, ruleFacts{}
		tc.change(&tally, &facts)
		if got := fmt.Sprint(shardRules(bench.Aim{Load: tc.load}, tally, facts)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.why, got, tc.want)
		}
	}
}

// One shard's two late sends of a hundred are one in two hundred of the trial's.
func TestLatenessIsTheTrials(t *testing.T) {
	a := bench.Aim{Shards: 2, Load: bench.Load{Kind: bench.LoadRate}}
	for _, tc := range []struct {
		late [2]float64
		want string
	}{
		{[2]float64{0.02, 0}, "[]"},
		{[2]float64{0.02, 0.01}, "[1.5 % of the sends were more than 1 ms late, the bound is 1 %: use more shards, or a less busy machine]"},
	} {
		tally := bench.Tally{Shards: 2, ShardsDone: 2, Counts: bench.Counts{Status: map[string]int{}, Failures: map[string]int{}, Nodes: map[string]bench.NodeCount{}}}
		for n, late := range tc.late {
			addShard(&tally, bench.ShardTally{Shard: n, Counts: bench.Counts{Planned: 100, Requests: 100}, SendLag: bench.SendLag{Late: late, P99: 2000}})
		}
		if got := fmt.Sprint(trialRules(a, tally)); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.late, got, tc.want)
		}
	}
}

// A burst that takes as long to send as to answer measured the workers.
func TestTrialRules(t *testing.T) {
	t0 := time.Unix(1_800_000_000, 0)
	a := bench.Aim{Shards: 1, Load: bench.Load{Kind: bench.LoadBurst, Requests: 10}}
	for _, tc := range []struct {
		span time.Duration
		want string
	}{
		{100 * time.Millisecond, "[]"},
		{700 * time.Millisecond, "[sending the burst took 700 ms of its 1000 ms]"},
	} {
		tally := bench.Tally{Shards: 1, ShardsDone: 1, Counts: bench.Counts{Planned: 10, Requests: 10}, Seconds: 1, FirstSend: t0, LastSend: t0.Add(tc.span)}
		if got := fmt.Sprint(trialRules(a, tally)); got != tc.want {
			t.Errorf("%v: %s, want %s", tc.span, got, tc.want)
		}
	}
}

// Forty shards that were late say so once, with the worst one's figure.
func TestReasonsOfManyShardsAreOne(t *testing.T) {
	late := func(n int, share string) bench.ShardTally {
		return bench.ShardTally{Shard: n, Invalid: []string{share + " % of the sends were more than 1 ms late, the bound is 1 %"}}
	}
	for _, tc := range []struct {
		why     string
		shards  int
		tallies []bench.ShardTally
		want    string
	}{
		{"none", 2, []bench.ShardTally{{}, {Shard: 1}}, "[]"},
		{"the only shard", 1, []bench.ShardTally{late(0, "51")}, "[51 % of the sends were more than 1 ms late, the bound is 1 %]"},
		{"one of several is named", 4, []bench.ShardTally{{}, late(1, "2")}, "[shard 1: 2 % of the sends were more than 1 ms late, the bound is 1 %]"},
		{"several are counted", 4, []bench.ShardTally{late(0, "9.5"), late(1, "51"), late(3, "2")},
			"[3 of 4 shards: up to 51 % of the sends were more than 1 ms late, the bound is 1 %]"},
		{"two kinds stay two", 2, []bench.ShardTally{late(0, "5"), {Shard: 1, Invalid: []string{"the worker used 90 % of its CPU"}}},
			"[shard 0: 5 % of the sends were more than 1 ms late, the bound is 1 % shard 1: the worker used 90 % of its CPU]"},
		{"a figure further on", 2, []bench.ShardTally{{Invalid: []string{"it used 90 %"}}, {Shard: 1, Invalid: []string{"it used 99 %"}}}, "[2 of 2 shards, at the worst: it used 99 %]"},
		{"without figures", 2, []bench.ShardTally{{Invalid: []string{"stopped"}}, {Shard: 1, Invalid: []string{"stopped"}}}, "[2 of 2 shards: stopped]"},
	} {
		if got := fmt.Sprint(condense(tc.shards, tc.tallies)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.why, got, tc.want)
		}
	}
}

func TestATrialWithoutGoodAnswersSaysWhatCame(t *testing.T) {
	tally := bench.Tally{Counts: bench.Counts{Requests: 6, Errors: 6, Status: map[string]int{"503": 1}, Failures: map[string]int{FailureTimeout: 5}}}
	const want = "[none of 6 requests was answered well (timeout: 5, status 503: 1)]"
	if got := fmt.Sprint(trialRules(bench.Aim{Load: bench.Load{Kind: bench.LoadRate}}, tally)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A rate so low that its few seconds hold no arrival has measured nothing.
func TestATrialWithoutRequestsIsNoEvidence(t *testing.T) {
	a := bench.Aim{Shards: 1, Load: bench.Load{Kind: bench.LoadRate, Rate: 0.01, Duration: bench.Duration(time.Second)}}
	tally, _, err := Merge(a, []bench.ShardTally{{}}, [][]byte{nil})
	if err != nil || fmt.Sprint(tally.Invalid) != "[no request was sent: use a higher rate, a longer duration or fewer shards]" {
		t.Errorf("invalid %q, %v", tally.Invalid, err)
	}
}

// A target whose clock is 7 ms ahead, seen through a Date header that tells
// whole seconds only, and through answers that take a millisecond.
func TestClockFromDateHeaders(t *testing.T) {
	for _, ahead := range []time.Duration{-2300 * time.Millisecond, -7 * time.Millisecond, 0, 7 * time.Millisecond, time.Hour + 999*time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			probes := 0
			s, stop := virtual(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				probes++
				time.Sleep(500 * time.Microsecond)
				w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
				time.Sleep(500 * time.Microsecond)
			}))
			defer stop()
			p := newPool(bench.Aim{Path: "/", Endpoints: []bench.Endpoint{{Addr: "10.0.0.1:8000"}}}, s.dial)
			defer p.abort()
			got := measureClock(t.Context(), p, s, time.Now().Add(10*time.Second))
			if got.Method != "date header" || got.Error > 2*time.Millisecond || (got.Offset+ahead).Abs() > got.Error {
				t.Errorf("%v ahead: %+v", ahead, got)
			}
			if probes > 60 {
				t.Errorf("%d probes: too many for a target that is about to be measured", probes)
			}
		})
	}
}

func TestClockIsNotGuessed(t *testing.T) {
	for addr, want := range map[string]string{"127.0.5.1:8000": "same host", "10.0.0.1:8000": "not measured"} {
		p := newPool(bench.Aim{Path: "/", Endpoints: []bench.Endpoint{{Addr: addr}}}, nil)
		// One second is too little for two passes and dialling.
		if got := measureClock(t.Context(), p, seams{}, time.Now().Add(time.Second)); got.Method != want || got.Offset != 0 {
			t.Errorf("%s: %+v, want %q", addr, got, want)
		}
	}
}

var _ net.Listener = (*pipeListener)(nil)
