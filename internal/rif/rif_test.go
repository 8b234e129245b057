package rif

import (
	"fmt"
	"testing"
	"time"
)

func tell(e *Estimator, now time.Time, own int) string {
	inFlight, latency := e.Load(now, own)
	return fmt.Sprint(inFlight, ";", latency.Microseconds())
}

func TestExpectsWhatTookLately(t *testing.T) {
	at := func(d time.Duration) time.Time { return time.Unix(1_000_000, 0).Add(d) }
	var e Estimator
	want := func(why string, when time.Time, text string) {
		t.Helper()
		if got := tell(&e, when, 0); got != text {
			t.Errorf("%s: tells %q, want %q", why, got, text)
		}
	}
	ms := time.Millisecond
	// ended: requests that found so many others and took so long.
	ended := func(when time.Time, found int, took ...time.Duration) {
		for _, d := range took {
			e.Begin()
			e.End(when, found, d, false)
		}
	}
	want("idle and new", at(0), "0;0")
	ended(at(0), 0, 3*ms, 1*ms, 2*ms)
	want("the median of those that found nobody", at(0), "0;2000")
	ended(at(0), 3, 30*ms, 50*ms, 40*ms)
	want("those that found three are another level", at(0), "0;2000")
	e.Begin()
	want("the nearest level of 1 is 0", at(0), "1;2000")
	e.Begin()
	want("the nearest level of 2 is 3", at(0), "2;40000")
	if got := tell(&e, at(0), 1); got != "1;2000" {
		t.Errorf("in the answer to one of the two it tells %q, want the other one only", got)
	}
	e.End(at(0), 0, 0, true)
	e.End(at(0), 0, time.Hour, true)
	want("failures tell nothing", at(0), "0;2000")
	for range 2 * kept {
		ended(at(time.Second), 0, 7*ms)
	}
	want("only the last ones count", at(time.Second), "0;7000")
	want("what is old counts no more", at(12*time.Second), "0;0")
	ended(at(20*time.Second), 0, 9*ms)
	want("and does not come back with the next", at(20*time.Second), "0;9000")
	ended(at(20*time.Second), 100_000, time.Minute)
	for range 1000 {
		e.Begin()
	}
	want("the highest level is for all above", at(20*time.Second), "1000;60000000")
}

func BenchmarkEstimator(b *testing.B) {
	var e Estimator
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		found := e.Begin()
		e.Load(now, 1)
		e.End(now, found, time.Millisecond, false)
	}
}
