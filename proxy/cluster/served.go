package cluster

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// served is what the cluster's clients saw, whichever nodes were tried.
type served struct {
	requests, errors int64
	sum              time.Duration
	buckets          [len(upperBounds) + 1]int64 // the last one is everything above

	// period is since the last TakePeriod, for the metrics of each minute.
	period struct {
		requests, errors int64
		latency          *hdrhistogram.Histogram
	}
}

// upperBounds are those of the Prometheus histogram: 1-2.5-5 steps from 1 ms
// to 10 s.
var upperBounds = [...]time.Duration{
	1 * time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond,
	10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// periodDigits is the precision of the latencies of a minute. Two digits are
// 1 % and keep the number of different values, which CloudWatch limits, low.
const periodDigits = 2

func newServed() served {
	var s served
	s.period.latency = latencies(periodDigits)
	return s
}

// Served counts one answer to a client, after the given time.
func (c *Cluster) Served(latency time.Duration, failed bool) {
	b, _ := slices.BinarySearch(upperBounds[:], latency)
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.served
	s.requests++
	s.period.requests++
	if failed {
		s.errors++
		s.period.errors++
	}
	s.sum += latency
	s.buckets[b]++
	record(s.period.latency, latency)
}

// Totals is what clients saw since the start of the proxy.
type Totals struct {
	Requests, Errors int64
	Sum              time.Duration            // of all latencies
	AtMost           map[time.Duration]uint64 // requests that took no longer, by upper bound
}

// Totals gives the counts since the start. They never go down.
func (c *Cluster) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.served
	t := Totals{Requests: s.requests, Errors: s.errors, Sum: s.sum, AtMost: make(map[time.Duration]uint64, len(upperBounds))}
	sum := int64(0)
	for i, bound := range upperBounds {
		sum += s.buckets[i]
		t.AtMost[bound] = uint64(sum)
	}
	return t
}

// Period is what clients saw between two calls of TakePeriod.
type Period struct {
	Requests, Errors int64
	Latency          []Count // by rising latency, to 1 %
}

// Count is how many requests had about the same latency.
type Count struct {
	Latency  time.Duration
	Requests int64
}

// TakePeriod gives what has happened since it was last called.
func (c *Cluster) TakePeriod() Period {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.served.period
	p := Period{Requests: s.requests, Errors: s.errors}
	for _, bar := range s.latency.Distribution() {
		if bar.Count > 0 {
			p.Latency = append(p.Latency, Count{time.Duration(bar.To) * time.Microsecond, bar.Count})
		}
	}
	s.requests, s.errors = 0, 0
	s.latency.Reset()
	return p
}
