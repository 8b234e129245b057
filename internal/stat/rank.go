package stat

import (
	"cmp"
	"math"
	"slices"
)

// exactUpTo is the number of observations up to which Wilcoxon is exact.
const exactUpTo = 50

// Wilcoxon is the two-sided p-value of the signed-rank test that x is
// symmetric around 0. Zeros are dropped and ties share their mean rank; the
// distribution is exact, given the ties, up to 50 observations, and beyond
// that normal with corrections for ties and continuity. Without a nonzero
// observation it is 1. (Wilcoxon, Biometrics Bulletin 1, 1945; Lehmann,
// Nonparametrics, 1975, section 3.2.)
func Wilcoxon(x []float64) float64 {
	x = slices.DeleteFunc(slices.Clone(x), func(v float64) bool { return v == 0 })
	n := len(x)
	if n == 0 {
		return 1
	}
	slices.SortFunc(x, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	// Ranks are doubled: a mean of ranks is then whole.
	ranks := make([]int, n)
	var ties float64
	for i := 0; i < n; {
		j := i
		for j < n && math.Abs(x[j]) == math.Abs(x[i]) {
			j++
		}
		for k := i; k < j; k++ {
			ranks[k] = i + 1 + j
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	positive, total := 0, 0
	for i, v := range x {
		total += ranks[i]
		if v > 0 {
			positive += ranks[i]
		}
	}
	extreme := min(positive, total-positive)
	if n > exactUpTo {
		m := float64(n)
		mean := m * (m + 1) / 4
		deviation := math.Sqrt(m*(m+1)*(2*m+1)/24 - ties/48)
		z := (mean - float64(extreme)/2 - 0.5) / deviation
		return min(1, 2*normalCDF(-z))
	}
	// ways[s] is the probability that random signs give a positive sum s.
	ways := make([]float64, total+1)
	ways[0] = 1
	reached := 0
	for _, r := range ranks {
		reached += r
		for s := reached; s >= 0; s-- {
			p := ways[s] / 2
			if s >= r {
				p += ways[s-r] / 2
			}
			ways[s] = p
		}
	}
	var below float64
	for s := 0; s <= extreme; s++ {
		below += ways[s]
	}
	return min(1, 2*below)
}

// Holm corrects p-values for having made them all: rejecting those at or below
// 5 % errs at all in at most 5 % of all families. The order is kept.
// (Holm, Scand. J. Statist. 6, 1979.)
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	corrected := make([]float64, len(p))
	least := 0.0
	for rank, i := range order {
		least = max(least, min(1, p[i]*float64(len(p)-rank)))
		corrected[i] = least
	}
	return corrected
}
