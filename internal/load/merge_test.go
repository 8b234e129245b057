package load

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// randomOutcomes are requests of all kinds over some seconds.
func randomOutcomes(rng *rand.Rand, t0 time.Time, n int) []outcome {
	out := make([]outcome, n)
	for i := range out {
		intended := t0.Add(time.Duration(rng.Int64N(int64(8 * time.Second))))
		sent := intended.Add(time.Duration(rng.Int64N(int64(3 * time.Millisecond))))
		o := outcome{intended: intended, sent: sent, node: fmt.Appendf(nil, "i-%d", rng.IntN(4)), bytes: rng.Int64N(2000),
			done: sent.Add(time.Duration(math.Exp(rng.NormFloat64()*2) * float64(time.Millisecond)))}
		switch rng.IntN(20) {
		case 0:
			o.failure = FailureTimeout
		case 1:
			o.status = 503
		default:
			o.status = 200
		}
		out[i] = o
	}
	return out
}

// Splitting a recording over any number of shards, in any way, and merging it
// again gives the same bytes and the same counts as never having split it.
func TestMergeEqualsOneRecordingBitForBit(t *testing.T) {
	t0 := time.Unix(1_800_000_000, 0).Add(300 * time.Millisecond).UTC()
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		shards := 1 + rng.IntN(20)
		if seed == 0 {
			shards = 100
		}
		all := randomOutcomes(rng, t0, 1+rng.IntN(3000))
		a := bench.Aim{T0: t0, Shards: shards, Load: bench.Load{Kind: bench.LoadRate}}

		one := newRecorder(true, time.Second)
		parts := make([]*recorder, shards)
		for i := range parts {
			parts[i] = newRecorder(true, time.Second) // short: seconds are retired and come back
		}
		for _, o := range all {
			one.add(o)
			parts[rng.IntN(shards)].add(o)
		}
		wantLog, err := one.log(t0)
		if err != nil {
			t.Fatal(err)
		}
		var tallies []bench.ShardTally
		var logs [][]byte
		for i, p := range parts {
			tally := p.tally()
			tally.Shard = i
			log, err := p.log(t0)
			if err != nil {
				t.Fatal(err)
			}
			tallies, logs = append(tallies, tally), append(logs, log)
		}
		got, gotLog, err := Merge(a, tallies, logs)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(gotLog, wantLog) {
			t.Errorf("seed %d: the merged log of %d shards is not that of one recording", seed, shards)
		}
		want, _, err := Merge(bench.Aim{T0: t0, Shards: 1, Load: a.Load}, []bench.ShardTally{one.tally()}, [][]byte{wantLog})
		if err != nil {
			t.Fatal(err)
		}
		want.Shards, want.ShardsDone, want.SendLag = shards, shards, got.SendLag // worst shard's
		if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
			t.Errorf("seed %d:\n got %s\nwant %s", seed, g, w)
		}
	}
}

func TestMergeRefusesWhatDoesNotFit(t *testing.T) {
	t0 := time.Unix(1_800_000_000, 0)
	r := newRecorder(false, time.Second)
	r.add(outcome{sent: t0, done: t0.Add(time.Millisecond), status: 200})
	tally := r.tally()
	log, err := r.log(t0)
	if err != nil {
		t.Fatal(err)
	}
	a := bench.Aim{T0: t0, Shards: 2, Load: bench.Load{Kind: bench.LoadBurst, Requests: 1}}
	foreign := tally
	foreign.Shard = 2
	for _, tc := range []struct {
		why, want string
		tallies   []bench.ShardTally
		logs      [][]byte
	}{
		{"a shard that ran twice would count twice", "there twice", []bench.ShardTally{tally, tally}, [][]byte{log, log}},
		{"a shard of another trial", "does not exist", []bench.ShardTally{foreign}, [][]byte{log}},
		{"a lost log must not become fewer latencies", "1 good answers were counted, but the logs hold 0", []bench.ShardTally{tally}, [][]byte{nil}},
		{"one log too many", "1 tallies but 2 logs", []bench.ShardTally{tally}, [][]byte{log, log}},
		{"a cut log", "line 4", []bench.ShardTally{tally}, [][]byte{log[:len(log)-20]}},
	} {
		_, _, err := Merge(a, tc.tallies, tc.logs)
		if err == nil || !strings.Contains(err.Error(), tc.want) && !strings.Contains(err.Error(), "log 0") {
			t.Errorf("%s: error %v, want %q", tc.why, err, tc.want)
		}
	}
	sum, _, err := Merge(a, []bench.ShardTally{tally}, [][]byte{log})
	if err != nil {
		t.Fatal(err)
	}
	if len(sum.Invalid) == 0 || sum.Invalid[0] != "1 of 2 shards left no tally" {
		t.Errorf("invalid %q: a missing shard makes the trial no evidence", sum.Invalid)
	}
}

func TestDistribution(t *testing.T) {
	t0 := time.Unix(1_800_000_000, 0)
	var logs [][]byte
	for part := range 2 { // 1 to 1000 ms, odd and even in different trials
		r := newRecorder(false, time.Second)
		for ms := 1 + part; ms <= 1000; ms += 2 {
			r.add(outcome{sent: t0, done: t0.Add(time.Duration(ms) * time.Millisecond), status: 200})
		}
		log, err := r.log(t0)
		if err != nil {
			t.Fatal(err)
		}
		logs = append(logs, log)
	}
	l, points, err := Distribution(logs...)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean", l.Mean, 500.5, 0.001)
	near(t, "p50", l.P50, 500, 0.001)
	near(t, "p99", l.P99, 990, 0.001)
	near(t, "max", l.Max, 1000, 0.001)
	last := points[len(points)-1]
	if last.Quantile != 1 || last.Ms != l.Max {
		t.Errorf("the distribution ends at %+v, want the maximum", last)
	}
	for i, p := range points[1:] {
		if p.Quantile <= points[i].Quantile || p.Ms < points[i].Ms {
			t.Fatalf("not cumulative at %+v after %+v", p, points[i])
		}
		near(t, fmt.Sprintf("quantile %.4f", p.Quantile), p.Ms, max(1, p.Quantile*1000), 0.01)
	}
	if l, points, err := Distribution(); err != nil || points != nil || l != (bench.Latency{}) {
		t.Errorf("no logs gave %v %v %v", l, points, err)
	}
}

func FuzzReadLog(f *testing.F) {
	r := newRecorder(true, time.Second)
	r.add(outcome{intended: time.Unix(1, 0), sent: time.Unix(1, 5), done: time.Unix(2, 0), status: 200})
	log, err := r.log(time.Unix(1, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(log)
	f.Add([]byte("Tag=actual,1.0,1,1,AAAA\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for iv, err := range ReadLog(b) {
			if err == nil && iv.Histogram == nil {
				t.Fatal("an interval without a histogram")
			}
		}
	})
}
