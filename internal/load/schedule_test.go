package load

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

func TestSharesAreExact(t *testing.T) {
	for total := range 50 {
		for shards := 1; shards < 12; shards++ {
			next := 0
			for n := range shards {
				first, count := share(total, shards, n)
				if first != next || count < total/shards || count > total/shards+1 {
					t.Fatalf("share(%d, %d, %d) = %d, %d", total, shards, n, first, count)
				}
				next += count
			}
			if next != total {
				t.Fatalf("%d shards send %d of %d", shards, next, total)
			}
		}
	}
}

func TestConstantShardsInterleaveEvenly(t *testing.T) {
	l := bench.Load{Kind: bench.LoadRate, Rate: 1000, Arrivals: "constant", Duration: bench.Duration(time.Second)}
	var all []time.Duration
	for n := range 3 {
		all = slices.AppendSeq(all, arrivals(l, 3, n, 1))
	}
	slices.Sort(all)
	if len(all) != 1000 {
		t.Fatalf("%d arrivals", len(all))
	}
	for k, at := range all {
		if want := time.Duration(k) * time.Millisecond; (at - want).Abs() > time.Nanosecond {
			t.Fatalf("arrival %d at %v, want %v", k, at, want)
		}
	}
}

func TestPoissonArrivals(t *testing.T) {
	l := bench.Load{Kind: bench.LoadRate, Rate: 1000, Duration: bench.Duration(100 * time.Second)}
	var all []time.Duration
	for n := range 4 {
		one := slices.Collect(arrivals(l, 4, n, 42))
		if !slices.Equal(one, slices.Collect(arrivals(l, 4, n, 42))) {
			t.Fatal("the same seed gives another schedule")
		}
		if slices.Equal(one[:9], slices.Collect(arrivals(l, 4, n, 43))[:9]) {
			t.Fatal("another seed gives the same schedule")
		}
		all = append(all, one...)
	}
	slices.Sort(all)
	// 100,000 ± 5 standard deviations; gaps exponential: mean = deviation = 1 ms,
	// and e⁻¹ of them longer than the mean.
	near(t, "arrivals", float64(len(all)), 100_000, 5*math.Sqrt(100_000)/100_000)
	var sum, squares, long float64
	for i, at := range all[1:] {
		gap := (at - all[i]).Seconds() * 1000
		sum += gap
		squares += gap * gap
		if gap > 1 {
			long++
		}
	}
	n := float64(len(all) - 1)
	near(t, "mean gap", sum/n, 1, 0.02)
	near(t, "deviation", math.Sqrt(squares/n-sum/n*sum/n), 1, 0.02)
	near(t, "long gaps", long/n, math.Exp(-1), 0.02)
}
