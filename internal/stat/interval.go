package stat

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mathext"
)

// HodgesLehmann is the one-sample estimate of location: the median of the
// means of all pairs of x, each with itself too. A wild block moves it less
// than it moves the mean. (Hodges and Lehmann, Ann. Math. Statist. 34, 1963.)
func HodgesLehmann(x []float64) float64 {
	return hodgesLehmann(x, nil)
}

// hodgesLehmann reuses the space of walsh, which may be nil.
func hodgesLehmann(x, walsh []float64) float64 {
	walsh = walsh[:0]
	for i := range x {
		for j := i; j < len(x); j++ {
			walsh = append(walsh, (x[i]+x[j])/2)
		}
	}
	return Median(walsh)
}

// Interval is a 95 % interval of the location of x: the Hodges–Lehmann
// estimates of resamples of x, cut at 2.5 % on both sides, and at least as wide
// as Student's interval of the mean. A resample cannot look outside of the
// data, so with a handful of blocks the bootstrap alone is too short;
// TestIdenticalArmsRarelyDiffer shows that the wider of both keeps its promise.
// Less than two values bound nothing.
func Interval(x []float64, seed uint64) (low, high float64) {
	if len(x) < 2 {
		return math.Inf(-1), math.Inf(1)
	}
	low, high = bootstrap(x, seed)
	mean, dev := moments(x)
	half := tQuantile975(len(x)-1) * dev / math.Sqrt(float64(len(x)))
	return min(low, mean-half), max(high, mean+half)
}

// bootstrap resamples x with replacement. (Efron, Ann. Statist. 7, 1979.)
func bootstrap(x []float64, seed uint64) (low, high float64) {
	const resamples = 999
	n := len(x)
	rng := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	draw := make([]float64, n)
	walsh := make([]float64, 0, n*(n+1)/2)
	estimates := make([]float64, resamples)
	for i := range estimates {
		for j := range draw {
			draw[j] = x[rng.IntN(n)]
		}
		estimates[i] = hodgesLehmann(draw, walsh)
	}
	slices.Sort(estimates)
	cut := resamples / 40
	return estimates[cut], estimates[resamples-1-cut]
}

func normalCDF(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// tQuantile975 is Student's t that 2.5 % exceed, by the inverse of the
// incomplete beta function: P(|T| > t) = I(ν/(ν+t²); ν/2, 1/2).
func tQuantile975(df int) float64 {
	v := float64(df)
	x := mathext.InvRegIncBeta(v/2, 0.5, 0.05)
	return math.Sqrt(v * (1 - x) / x)
}
