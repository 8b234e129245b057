// Package stat judges arms against each other. The unit of evidence is the
// block, not the request: requests of one trial share its luck, so a thousand
// of them are one observation. Within a block two arms ran minutes apart at
// most, so their ratio is free of what drifts between blocks.
//
// Everything here is a pure function; randomness comes from a seed.
package stat

import "math"

// MinBlocks is how many blocks a verdict needs. With n blocks, the interval
// from the least to the greatest ratio covers the true median in 1 − 2^(1−n)
// of all experiments, and no method that assumes nothing about the noise does
// better: 75 % for three blocks, 87.5 % for four, 93.75 % for five.
const MinBlocks = 5

// MinEffect is the smallest ratio that matters: a shift of less than 5 %
// either way is called the same, however sure it is.
const MinEffect = 1.05

// Jain is Jain's fairness index of shares x: (Σx)² / (n·Σx²), from 1/n (one has
// all) to 1 (even). Of nothing at all it is 0.
// (Jain, Chiu and Hawe, DEC-TR-301, 1984.)
func Jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += v
		squares += v * v
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(x)) * squares)
}

// Median is the middle of x, or the mean of the two in the middle; 0 of nothing.
// It reorders x.
func Median(x []float64) float64 {
	n := len(x)
	if n == 0 {
		return 0
	}
	upper := nth(x, n/2)
	if n%2 == 1 {
		return upper
	}
	lower := math.Inf(-1)
	for _, v := range x[:n/2] {
		lower = max(lower, v)
	}
	return (lower + upper) / 2
}

// nth reorders x so that x[k] is the k-th smallest, nothing before it is
// larger, and gives it (Hoare's quickselect).
func nth(x []float64, k int) float64 {
	lo, hi := 0, len(x)-1
	for lo < hi {
		pivot := x[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return x[k]
		}
	}
	return x[k]
}

// moments are the mean and the sample standard deviation.
func moments(x []float64) (mean, deviation float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	if len(x) < 2 {
		return mean, 0
	}
	var squares float64
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(squares / float64(len(x)-1))
}
