package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

func close(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestJain(t *testing.T) {
	for _, tc := range []struct {
		why  string
		x    []float64
		want float64
	}{
		{"even", []float64{5, 5, 5, 5}, 1},
		{"one has all", []float64{8, 0, 0, 0}, 0.25},
		{"one idle of three", []float64{1, 1, 0}, 2.0 / 3},
		{"no requests", []float64{0, 0}, 0},
		{"no nodes", nil, 0},
	} {
		if got := Jain(tc.x); !close(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.why, got, tc.want)
		}
	}
}

func TestMedianAgainstSorting(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		x := make([]float64, 1+rng.IntN(40))
		for i := range x {
			x[i] = float64(rng.IntN(12)) // many ties
		}
		s := slices.Sorted(slices.Values(x))
		want := (s[(len(s)-1)/2] + s[len(s)/2]) / 2
		if got := Median(x); got != want {
			t.Fatalf("median of %v is %v, want %v", s, got, want)
		}
	}
}

func TestHodgesLehmann(t *testing.T) {
	// Walsh averages of 1, 2, 10: 1, 1.5, 2, 5.5, 6, 10.
	if got := HodgesLehmann([]float64{10, 1, 2}); !close(got, 3.75) {
		t.Errorf("got %v, want 3.75", got)
	}
}

// The p-values are R's: wilcox.test(x, exact = TRUE) without ties, and with
// them coin::wilcoxsign_test(zero.method = "Wilcoxon", distribution = "exact"),
// which the enumeration below repeats.
func TestWilcoxon(t *testing.T) {
	for _, tc := range []struct {
		why  string
		x    []float64
		want float64
	}{
		{"five of a sign: the least p of five blocks", []float64{1, 2, 3, 4, 5}, 2.0 / 32},
		{"the sign does not matter", []float64{-1, -2, -3, -4, -5}, 2.0 / 32},
		{"balanced", []float64{1, -2, -3, 4}, 1},
		{"zeros say nothing", []float64{0, 0}, 1},
		{"none", nil, 1},
	} {
		if got := Wilcoxon(tc.x); !close(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.why, got, tc.want)
		}
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for range 200 {
		x := make([]float64, 1+rng.IntN(9))
		for i := range x {
			x[i] = float64(rng.IntN(9) - 4)
		}
		if got, want := Wilcoxon(x), enumerated(x); !close(got, want) {
			t.Fatalf("%v: %v, want %v", x, got, want)
		}
	}
}

// enumerated tries every assignment of signs.
func enumerated(x []float64) float64 {
	var abs []float64
	for _, v := range x {
		if v != 0 {
			abs = append(abs, math.Abs(v))
		}
	}
	rank := func(i int) float64 {
		below, same := 0, 0
		for _, v := range abs {
			if v < abs[i] {
				below++
			} else if v == abs[i] {
				same++
			}
		}
		return float64(below) + float64(same+1)/2
	}
	var total, positive float64
	k := 0
	for _, v := range x {
		if v != 0 {
			total += rank(k)
			if v > 0 {
				positive += rank(k)
			}
			k++
		}
	}
	extreme := min(positive, total-positive)
	hits := 0
	for signs := range 1 << len(abs) {
		var sum float64
		for i := range abs {
			if signs>>i&1 == 1 {
				sum += rank(i)
			}
		}
		if sum <= extreme {
			hits++
		}
	}
	return min(1, 2*float64(hits)/float64(int(1)<<len(abs)))
}

// Where exact ends and the normal approximation begins, they must agree.
func TestWilcoxonApproximationMeetsTheExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	x := make([]float64, exactUpTo+1)
	for i := range x {
		x[i] = rng.NormFloat64() + 0.35
	}
	approximate, exact := Wilcoxon(x), Wilcoxon(x[:exactUpTo])
	if math.Abs(math.Log(approximate/exact)) > 0.5 {
		t.Errorf("p = %v with 51, %v with 50", approximate, exact)
	}
}

func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} {
		if !close(got[i], want) {
			t.Errorf("p[%d] = %v, want %v", i, got[i], want)
		}
	}
}

// From tables of Student's t.
func TestStudent(t *testing.T) {
	for df, want := range map[int]float64{1: 12.7062, 4: 2.7764, 9: 2.2622, 30: 2.0423} {
		if got := tQuantile975(df); math.Abs(got-want) > 5e-4 {
			t.Errorf("t(%d) = %v, want %v", df, got, want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	for _, tc := range []struct {
		why    string
		r      Ratio
		higher bool
		want   bench.Verdict
	}{
		{"clearly slower", Ratio{Estimate: 1.2, Low: 1.1, High: 1.3, Blocks: 5}, false, bench.Worse},
		{"clearly more throughput", Ratio{Estimate: 1.2, Low: 1.1, High: 1.3, Blocks: 5}, true, bench.Better},
		{"clearly faster", Ratio{Estimate: 0.8, Low: 0.7, High: 0.9, Blocks: 5}, false, bench.Better},
		{"sure but too small to matter", Ratio{Estimate: 1.02, Low: 1.01, High: 1.03, Blocks: 5}, false, bench.Same},
		{"sure and perhaps too small to matter", Ratio{Estimate: 1.04, Low: 1.01, High: 1.07, Blocks: 5}, false, bench.Unsure},
		{"large but not sure", Ratio{Estimate: 1.5, Low: 0.9, High: 2.5, Blocks: 5}, false, bench.Unsure},
		{"four blocks are too few for anything", Ratio{Estimate: 2, Low: 1.9, High: 2.1, Blocks: 4}, false, bench.Unsure},
	} {
		if got := tc.r.Judge(tc.higher); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.why, got, tc.want)
		}
	}
}

// Arms that differ in two things are not compared: nobody could say why.
func TestOnlyArmsThatDifferInOneThing(t *testing.T) {
	p := bench.Plan{Clusters: []bench.Cluster{{Name: "c1"}, {Name: "c2"}},
		Targets: []bench.Target{{Kind: bench.TargetDirect}, {Kind: bench.TargetProxy, Strategy: "p2c"}}}
	pairs := map[string]bool{}
	for _, c := range Compare(p.Arms(), nil, 1, plain) {
		pairs[c.A+" "+c.B] = true
		if c.Blocks != 0 || c.Verdict != bench.Unsure || c.Ratio != 1 {
			t.Errorf("without a trial: %+v", c)
		}
	}
	for _, want := range []string{"c1/direct c1/proxy/p2c", "c1/direct c2/direct", "c1/proxy/p2c c2/proxy/p2c", "c2/direct c2/proxy/p2c"} {
		if !pairs[want] {
			t.Errorf("%s is not compared", want)
		}
		delete(pairs, want)
	}
	if len(pairs) > 0 {
		t.Errorf("compared as well: %v", pairs)
	}
}

// An arm that drops its slow requests has fast ones left.
func TestLostRequestsAreNoSpeed(t *testing.T) {
	p, err := bench.ParsePlan([]byte(`{"blocks": 6}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		why      string
		failed   [2]int
		p99, rps bench.Verdict
	}{
		{"nothing is lost", [2]int{0, 0}, bench.Better, bench.Same},
		{"both lose alike", [2]int{100, 105}, bench.Better, bench.Same},
		{"1.1 in a hundred of 6,000 may be luck", [2]int{100, 111}, bench.Better, bench.Same},
		{"2 are not", [2]int{100, 120}, bench.Unsure, bench.Same},
		{"the fast one loses a third", [2]int{333, 0}, bench.Unsure, bench.Same},
		{"both lose most", [2]int{600, 600}, bench.Unsure, bench.Same},
		{"the slow one does", [2]int{0, 333}, bench.Unsure, bench.Same},
	} {
		var trials []bench.TrialRow
		for _, tr := range p.Trials() {
			row := bench.TrialRow{Trial: tr, Status: "ok", Requests: 1000, RPS: 100, LatencyMs: bench.Latency{Mean: 5, P50: 5, P99: 10}, Errors: tc.failed[0]}
			if tr.Arm != p.Arms()[0].Name {
				row.LatencyMs, row.Errors = bench.Latency{Mean: 10, P50: 10, P99: 20}, tc.failed[1]
			}
			trials = append(trials, row)
		}
		for _, c := range Compare(p.Arms(), trials, 1, plain) {
			want := tc.p99
			if c.Metric == "rps" {
				want = tc.rps
			}
			if c.Verdict != want || (want == bench.Unsure) != strings.Contains(c.Sentence, "cannot be compared") {
				t.Errorf("%s: %s is %s: %s", tc.why, c.Metric, c.Verdict, c.Sentence)
			}
		}
	}
}

func TestArticles(t *testing.T) {
	for percent, want := range map[float64]string{8: "an 8 %", 11: "an 11 %", 12: "a 12 %", 18: "an 18 %", 84: "an 84 %", 80.4: "an 80 %", 48: "a 48 %"} {
		if got := share(percent); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestInvalidTrialsAreNoEvidence(t *testing.T) {
	arms := []bench.Arm{{Name: "a", Cluster: "a"}, {Name: "b", Cluster: "b"}}
	var trials []bench.TrialRow
	for block := 1; block <= 6; block++ {
		for _, arm := range arms {
			row := bench.TrialRow{Trial: bench.Trial{Block: block, Arm: arm.Name}, Status: "ok", LatencyMs: bench.Latency{P99: 10, P50: 5, Mean: 6}, RPS: 100}
			if arm.Name == "a" && block == 3 {
				row.Status, row.LatencyMs.P99 = "invalid", 10_000
			}
			trials = append(trials, row)
		}
	}
	for _, c := range Compare(arms, trials, 1, plain) {
		if c.Blocks != 5 || c.Verdict != bench.Same || c.Ratio != 1 {
			t.Errorf("%+v", c)
		}
	}
}
