package cloudwatch

import (
	"regexp"
	"strconv"
)

// statistic reads a number off a bucket; ok is false when the bucket cannot tell.
type statistic func(b *bucket) (v float64, ok bool)

var simple = map[string]statistic{
	"SampleCount": func(b *bucket) (float64, bool) { return b.count, true },
	"Sum":         func(b *bucket) (float64, bool) { return b.sum, true },
	"Average":     func(b *bucket) (float64, bool) { return b.sum / b.count, true },
	"Minimum":     func(b *bucket) (float64, bool) { return b.min, true },
	"Maximum":     func(b *bucket) (float64, bool) { return b.max, true },
}

var percentileName = regexp.MustCompile(`^p(\d{1,2}(?:\.\d{1,10})?|100)$`)

// statisticOf finds a statistic by its name in the API. Trimmed means and the
// other extended statistics are not implemented.
func statisticOf(name string) (statistic, bool) {
	if s, ok := simple[name]; ok {
		return s, true
	}
	m := percentileName.FindStringSubmatch(name)
	if m == nil {
		return nil, false
	}
	p, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return nil, false
	}
	return func(b *bucket) (float64, bool) { return b.percentile(p) }, true
}
