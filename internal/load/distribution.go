package load

import (
	"fmt"
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fairlead/fairlead/internal/bench"
)

// Distribution adds whole logs, as of an arm's trials, and summarises the sum:
// from the intended send where the load has intended times, else from the
// actual one. The buckets are points of the cumulative distribution, denser
// toward the tail: five to each halving of what is above, as far as the
// number of requests carries, and last the maximum at quantile 1.
func Distribution(logs ...[]byte) (bench.Latency, []bench.Bucket, error) {
	whole := map[Tag]*hdrhistogram.Histogram{}
	for i, log := range logs {
		for iv, err := range ReadLog(log) {
			if err != nil {
				return bench.Latency{}, nil, fmt.Errorf("log %d: %w", i, err)
			}
			if whole[iv.Tag] == nil {
				whole[iv.Tag] = newHistogram()
			}
			whole[iv.Tag].Merge(iv.Histogram)
		}
	}
	h := whole[TagIntended]
	if h == nil {
		h = whole[TagActual]
	}
	return latencyOf(h), buckets(h), nil
}

// latencyOf summarises a histogram of microseconds in milliseconds.
func latencyOf(h *hdrhistogram.Histogram) bench.Latency {
	if count(h) == 0 {
		return bench.Latency{}
	}
	at := func(p float64) float64 { return float64(h.ValueAtPercentile(p)) / 1000 }
	return bench.Latency{Mean: h.Mean() / 1000, P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1000}
}

func buckets(h *hdrhistogram.Histogram) []bench.Bucket {
	n := count(h)
	if n == 0 {
		return nil
	}
	const steps = 5
	var percentiles []float64
	for i := 0; ; i++ {
		above := math.Exp2(-float64(i) / steps) // share of requests above the point
		if above < 1/float64(n) {
			break
		}
		percentiles = append(percentiles, 100*(1-above))
	}
	percentiles = append(percentiles, 100)
	var points []bench.Bucket
	for i, v := range h.ValueAtPercentilesSlice(percentiles) {
		points = append(points, bench.Bucket{Ms: float64(v) / 1000, Quantile: percentiles[i] / 100})
	}
	return points
}
