package main

import (
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestLoadExpectsWhatTookLately(t *testing.T) {
	at := func(d time.Duration) time.Time { return time.Unix(1_000_000, 0).Add(d) }
	var l load
	want := func(why string, when time.Time, text string) {
		t.Helper()
		if got := l.tell(when, 0); got != text {
			t.Errorf("%s: tells %q, want %q", why, got, text)
		}
	}
	ms := time.Millisecond
	// ended: requests that found so many others and took so long.
	ended := func(when time.Time, found int, took ...time.Duration) {
		for _, d := range took {
			l.begin()
			l.end(when, found, d, false)
		}
	}
	want("idle and new", at(0), "0;0")
	ended(at(0), 0, 3*ms, 1*ms, 2*ms)
	want("the median of those that found nobody", at(0), "0;2000")
	ended(at(0), 3, 30*ms, 50*ms, 40*ms)
	want("those that found three are another level", at(0), "0;2000")
	l.begin()
	want("the nearest level of 1 is 0", at(0), "1;2000")
	l.begin()
	want("the nearest level of 2 is 3", at(0), "2;40000")
	if got := l.tell(at(0), 1); got != "1;2000" {
		t.Errorf("in the answer to one of the two it tells %q, want the other one only", got)
	}
	l.end(at(0), 0, 0, true)
	l.end(at(0), 0, time.Hour, true)
	want("failures tell nothing", at(0), "0;2000")
	for range 2 * loadKept {
		ended(at(time.Second), 0, 7*ms)
	}
	want("only the last ones count", at(time.Second), "0;7000")
	want("what is old counts no more", at(12*time.Second), "0;0")
	ended(at(20*time.Second), 0, 9*ms)
	want("and does not come back with the next", at(20*time.Second), "0;9000")
	ended(at(20*time.Second), 100_000, time.Minute)
	for range 1000 {
		l.begin()
	}
	want("the highest level is for all above", at(20*time.Second), "1000;60000000")
}

func BenchmarkLoad(b *testing.B) {
	var l load
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		found := l.begin()
		_ = l.tell(now, 1)
		l.end(now, found, time.Millisecond, false)
	}
}

// A request in flight is seen by the probes, and not counted in its own answer.
func TestLoadOverHTTP(t *testing.T) {
	a, s := newTestApp(t, io.Discard)
	done := make(chan string, 1)
	go func() {
		res, err := http.Get(s.URL + "/x?sleep=200ms")
		if err != nil {
			done <- err.Error()
			return
		}
		res.Body.Close()
		done <- res.Header.Get(loadHeader)
	}()
	for a.meter.InFlight() == 0 {
		runtime.Gosched()
	}
	if res, body := get(t, s.URL+"/load"); res.StatusCode != http.StatusNoContent || body != "" || res.Header.Get(loadHeader) != "1;0" || res.Header.Get(nodeHeader) != "i-1" {
		t.Errorf("GET /load: %d %q %v, want 204 and one request that has not ended", res.StatusCode, body, res.Header)
	}
	if got := <-done; got != "0;0" {
		t.Errorf("the request's own answer tells %q, want no other", got)
	}
	res, _ := get(t, s.URL+"/load")
	tells, us, _ := strings.Cut(res.Header.Get(loadHeader), ";")
	if n, err := strconv.Atoi(us); err != nil || tells != "0" || n < 200_000 || n > 20_000_000 {
		t.Errorf("afterwards it tells %q, want nothing in flight and 200 ms or more", res.Header.Get(loadHeader))
	}
	if res, _ := get(t, s.URL+"/health"); res.Header.Get(loadHeader) != "" {
		t.Error("/health tells a load")
	}
}
