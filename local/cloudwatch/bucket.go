package cloudwatch

import (
	"math"
	"slices"
)

// bucket is what a metric was in one period: a statistic set and, where the
// values themselves were put, their distribution.
type bucket struct {
	count, sum, min, max float64
	values               map[float64]float64 // value → how often; nil when unknown
	opaque               bool                // statistic sets were mixed in: no percentiles
}

// maxDistinct is how many distinct values a bucket keeps exactly. Beyond that
// they are rounded to one percent, so that memory stays bounded.
const maxDistinct = 600

func (b *bucket) addValue(v, times float64) {
	b.addSet(times, v*times, v, v)
	if b.opaque {
		return
	}
	if b.values == nil {
		b.values = map[float64]float64{}
	}
	if _, known := b.values[v]; !known && len(b.values) >= maxDistinct {
		v = rounded(v)
	}
	b.values[v] += times
}

func (b *bucket) addSet(count, sum, low, high float64) {
	if b.count == 0 {
		b.min, b.max = low, high
	}
	b.count += count
	b.sum += sum
	b.min = math.Min(b.min, low)
	b.max = math.Max(b.max, high)
}

// addOpaque adds a statistic set. Percentiles survive it only when it says what
// its values were (API reference, StatisticSet: one sample, or min equals max).
func (b *bucket) addOpaque(count, sum, low, high float64) {
	if count == 1 || low == high {
		b.addValue(low, count)
		return
	}
	b.addSet(count, sum, low, high)
	b.values, b.opaque = nil, true
}

// merge adds what another period, or the same one in another unit, holds.
func (b *bucket) merge(o *bucket) {
	if o.count == 0 {
		return
	}
	b.addSet(o.count, o.sum, o.min, o.max)
	if o.opaque || b.opaque {
		b.values, b.opaque = nil, true
		return
	}
	if b.values == nil {
		b.values = make(map[float64]float64, len(o.values))
	}
	for v, n := range o.values {
		b.values[v] += n
	}
}

// percentile is the smallest value that p percent of all values do not exceed;
// ok is false when the distribution is unknown or a value is negative, as on AWS.
func (b *bucket) percentile(p float64) (v float64, ok bool) {
	if len(b.values) == 0 || b.min < 0 {
		return 0, false
	}
	sorted := make([]float64, 0, len(b.values))
	for v := range b.values {
		sorted = append(sorted, v)
	}
	slices.Sort(sorted)
	rank := math.Ceil(p / 100 * b.count)
	seen := 0.0
	for _, v := range sorted {
		seen += b.values[v]
		if seen >= rank {
			return v, true
		}
	}
	return sorted[len(sorted)-1], true
}

// rounded is a value to within one percent.
func rounded(v float64) float64 {
	if v == 0 {
		return 0
	}
	step := math.Log(1.01)
	return math.Copysign(math.Exp(math.Round(math.Log(math.Abs(v))/step)*step), v)
}
