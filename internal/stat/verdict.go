package stat

import (
	"math"

	"github.com/fairlead/fairlead/internal/bench"
)

// ratioBound keeps intervals of two or three wild blocks within what a reader,
// and JSON, can take; no verdict is given on so few.
const ratioBound = 1e6

// Ratio is what the blocks say about one ratio.
type Ratio struct {
	Estimate  float64 // Hodges–Lehmann, of the ratio
	Low, High float64 // 95 %; the estimate itself with less than two blocks
	P         float64 // Wilcoxon, not corrected
	Blocks    int
	deviation float64 // of the log ratios
}

// Estimate takes the log ratios of the blocks.
func Estimate(logs []float64, seed uint64) Ratio {
	r := Ratio{Estimate: 1, P: Wilcoxon(logs), Blocks: len(logs)}
	if len(logs) > 0 {
		r.Estimate = math.Exp(HodgesLehmann(logs))
	}
	r.Low, r.High = r.Estimate, r.Estimate
	if len(logs) > 1 {
		low, high := Interval(logs, seed)
		r.Low, r.High = max(math.Exp(low), 1/ratioBound), min(math.Exp(high), ratioBound)
		_, r.deviation = moments(logs)
	}
	return r
}

// Judge gives the verdict on a ratio A/B of a metric. A is better or worse if
// the interval excludes 1 and the estimate is 5 % or more away from it; it is
// the same if the whole interval lies within 5 %; and under MinBlocks, or
// between those, nobody knows.
func (r Ratio) Judge(higherIsBetter bool) bench.Verdict {
	switch {
	case r.Blocks < MinBlocks:
		return bench.Unsure
	case r.Low >= 1/MinEffect && r.High <= MinEffect:
		return bench.Same
	case r.Low > 1 && r.Estimate >= MinEffect:
		if higherIsBetter {
			return bench.Better
		}
		return bench.Worse
	case r.High < 1 && r.Estimate <= 1/MinEffect:
		if higherIsBetter {
			return bench.Worse
		}
		return bench.Better
	}
	return bench.Unsure
}

// mostBlocks bounds the answer of BlocksNeeded.
const mostBlocks = 1000

// BlocksNeeded is how many blocks in all would settle an unsure ratio, if the
// noise stays what it was: enough for a t-interval to exclude 1 when the
// estimate is 5 % or more, or else to fit within 5 %. At most 1,000, which
// stands for "more than is sensible".
func (r Ratio) BlocksNeeded() int {
	if r.Blocks < 2 {
		return MinBlocks
	}
	effect, bound := math.Abs(math.Log(r.Estimate)), math.Log(MinEffect)
	room := effect
	if effect < bound {
		room = bound - effect
	}
	for n := max(MinBlocks, r.Blocks+1); n < mostBlocks; n++ {
		if tQuantile975(n-1)*r.deviation/math.Sqrt(float64(n)) < room {
			return n
		}
	}
	return mostBlocks
}
