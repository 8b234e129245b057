package elb

import (
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		why     string
		tallies []tally
		want    []bool
	}{
		{"all alike", []tally{{100, 0}, {100, 1}, {100, 2}}, []bool{false, false, false}},
		{"one fails", []tally{{100, 0}, {100, 50}, {100, 1}}, []bool{false, true, false}},
		{"all fail: none is the odd one", []tally{{100, 50}, {100, 55}, {100, 48}}, []bool{false, false, false}},
		{"two targets are too few", []tally{{100, 0}, {100, 100}}, []bool{false, false}},
		{"too few requests to judge", []tally{{100, 0}, {100, 0}, {100, 0}, {9, 9}}, []bool{false, false, false, false}},
		{"a tenth more is within the slack", []tally{{100, 0}, {100, 10}, {100, 0}}, []bool{false, false, false}},
		{"where rates differ, more is allowed", []tally{{100, 0}, {100, 20}, {100, 40}, {100, 60}}, []bool{false, false, false, false}},
	} {
		if got := judge(test.tallies); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.why, got, test.want)
		}
	}
}

// An anomaly loses weight step by step, and gains it again.
func TestWeightsFallAndRise(t *testing.T) {
	all := []*endpoint{newEndpoint("a"), newEndpoint("b"), newEndpoint("c")}
	var d detector
	look := func(failing bool) float64 {
		for i, e := range all {
			e.requests.Add(100)
			if failing && i == 2 {
				e.errors.Add(100)
			}
		}
		d.look(all)
		return all[2].share()
	}
	for _, want := range []float64{.5, .25, .125, minWeight, minWeight} {
		if got := look(true); got != want {
			t.Errorf("weight %v, want %v", got, want)
		}
	}
	looks := 1
	for look(false) < 1 {
		if looks++; looks > 40 {
			t.Fatal("the weight does not come back")
		}
	}
	if all[0].share() != 1 {
		t.Errorf("a good target weighs %v", all[0].share())
	}
}

func TestWeightedChoice(t *testing.T) {
	all := []*endpoint{newEndpoint("a"), newEndpoint("b")}
	all[1].weight.Store(0x3fd0000000000000) // 0.25
	for _, test := range []struct {
		at       float64
		mitigate bool
		want     string
	}{{0, true, "a"}, {.79, true, "a"}, {.81, true, "b"}, {.9999999, true, "b"}, {.49, false, "a"}, {.51, false, "b"}} {
		if got := weightedChoice(all, test.mitigate, test.at); got.addr != test.want {
			t.Errorf("at %v (mitigate %v): %s", test.at, test.mitigate, got.addr)
		}
	}
}

// A busy target's share goes to all others alike, not to its neighbour.
func TestLeastLoadedSharesAmongEquals(t *testing.T) {
	p := &pool{}
	all := []*endpoint{newEndpoint("busy"), newEndpoint("b"), newEndpoint("c"), newEndpoint("d")}
	all[0].outstanding.Store(3)
	got := map[string]int{}
	for range 9000 {
		got[p.leastLoaded(all).addr]++
	}
	for _, e := range all[1:] { // five standard deviations are 224
		if n := got[e.addr]; n < 2776 || n > 3224 {
			t.Errorf("9000 choices among three equals: %v", got)
		}
	}
	if got["busy"] != 0 {
		t.Errorf("the busy target was chosen: %v", got)
	}
}

// Every target gets its turn as often, however many ask at once.
func TestRoundRobinIsFairAtOnce(t *testing.T) {
	p := &pool{}
	p.set(algorithm{})
	all := []*endpoint{newEndpoint("a"), newEndpoint("b"), newEndpoint("c")}
	p.members.Store(&all)
	const askers, each = 8, 3000
	counts := make([]map[string]int, askers)
	var wait sync.WaitGroup
	for i := range askers {
		counts[i] = map[string]int{}
		wait.Go(func() {
			for range each {
				counts[i][p.choose().addr]++
			}
		})
	}
	wait.Wait()
	for _, e := range all {
		sum := 0
		for _, c := range counts {
			sum += c[e.addr]
		}
		if sum != askers*each/len(all) {
			t.Errorf("%s was chosen %d times of %d", e.addr, sum, askers*each)
		}
	}
}

func TestTraceID(t *testing.T) {
	now := time.Unix(0x67891233, 0)
	if got := traceID("", now); !regexp.MustCompile(`^Root=1-67891233-[0-9a-f]{24}$`).MatchString(got) {
		t.Error(got)
	}
	if got := traceID("Self=1-2-3;Root=1-a-b;CalledFrom=app", now); !regexp.MustCompile(`^Self=1-67891233-[0-9a-f]{24};Root=1-a-b;CalledFrom=app$`).MatchString(got) {
		t.Error(got)
	}
}

func TestCopyHeader(t *testing.T) {
	into := http.Header{}
	copyHeader(into, http.Header{"Connection": {"close, x-mine"}, "X-Mine": {"1"}, "Upgrade": {"h2c"}, "Transfer-Encoding": {"chunked"}, "Accept": {"a", "b"}, "Cookie": {"c"}})
	if len(into) != 2 || len(into["Accept"]) != 2 {
		t.Errorf("%v", into)
	}
}

func TestMatcherCodes(t *testing.T) {
	c, err := codesOf("200,204-206")
	if err != nil || !c.has(200) || c.has(201) || !c.has(205) || c.has(207) {
		t.Errorf("%v, %v", c, err)
	}
	for _, bad := range []string{"", "abc", "199", "500", "210-200", "200,"} {
		if _, err := codesOf(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
