package cloudwatch

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Dimension is a name and value that tell a metric from others of its name.
type Dimension struct {
	Name  string `json:"Name"`
	Value string `json:"Value"`
}

// Metric is an identity in the API: namespace, name and dimensions.
type Metric struct {
	Namespace  string      `json:"Namespace"`
	MetricName string      `json:"MetricName"`
	Dimensions []Dimension `json:"Dimensions,omitempty"`
}

// key is a Metric that can be compared: the dimensions in order.
func (m Metric) key() string {
	dims := slices.SortedFunc(slices.Values(m.Dimensions), func(a, b Dimension) int { return strings.Compare(a.Name, b.Name) })
	var k strings.Builder
	for _, part := range []string{m.Namespace, m.MetricName} {
		k.WriteString(part)
		k.WriteByte(0)
	}
	for _, d := range dims {
		k.WriteString(d.Name)
		k.WriteByte(0)
		k.WriteString(d.Value)
		k.WriteByte(0)
	}
	return k.String()
}

// What the store holds at most. The oldest buckets of a series give way to new
// ones; series beyond the limit are refused.
const (
	maxSeries  = 10_000
	maxBuckets = 6 * 60    // per series: six hours of minutes, or six minutes of seconds
	maxKept    = 2_000_000 // buckets and distinct values of all series: some 100 MB
)

// series is one metric in one unit. Its buckets are keyed by their first
// second: of a minute, or of a second for high resolution.
type series struct {
	metric  Metric
	unit    string
	buckets map[int64]*bucket
	last    time.Time // newest data point
}

type store struct {
	mu     sync.Mutex
	series map[string]map[string]*series // by metric key, then unit
	count  int                           // series
	kept   int                           // buckets and distinct values
}

func newStore() *store { return &store{series: map[string]map[string]*series{}} }

// add lets put fill the bucket of a metric at a time; it reports false when the
// store is full. It is called under mu.
func (s *store) add(m Metric, unit string, t time.Time, resolution int64, put func(*bucket)) bool {
	if s.kept >= maxKept {
		return false
	}
	one := s.one(m, unit)
	if one == nil {
		return false
	}
	if t.After(one.last) {
		one.last = t
	}
	second := t.Unix() / resolution * resolution
	b := one.buckets[second]
	if b == nil {
		b = &bucket{}
		one.buckets[second] = b
		s.kept++
	}
	before := len(b.values)
	put(b)
	s.kept += len(b.values) - before
	if len(one.buckets) > maxBuckets {
		first := slices.Min(slices.Collect(maps.Keys(one.buckets)))
		s.kept -= 1 + len(one.buckets[first].values)
		delete(one.buckets, first)
	}
	return true
}

// one gives the series to add to, or nil when there are too many. It is called
// under mu.
func (s *store) one(m Metric, unit string) *series {
	key := m.key()
	if one := s.series[key][unit]; one != nil {
		return one
	}
	if s.count >= maxSeries {
		return nil
	}
	s.count++
	if s.series[key] == nil {
		s.series[key] = map[string]*series{}
	}
	one := &series{metric: m, unit: unit, buckets: map[int64]*bucket{}}
	s.series[key][unit] = one
	return one
}

// point is one period of an answer.
type point struct {
	at time.Time
	bucket
	unit string
}

// query collects a metric's buckets from start (inclusive) to end (exclusive)
// into periods counted from origin. Without a unit all units are taken:
// together, or each by itself when split is set.
func (s *store) query(m Metric, unit string, start, end, origin time.Time, period time.Duration, split bool) []point {
	s.mu.Lock()
	defer s.mu.Unlock()
	type slot struct {
		at   int64
		unit string
	}
	points := map[slot]*point{}
	step := int64(period / time.Second)
	for u, one := range s.series[m.key()] {
		if unit != "" && unit != u {
			continue
		}
		for second, b := range one.buckets {
			if second < start.Unix() || !time.Unix(second, 0).Before(end) {
				continue
			}
			since := second - origin.Unix()
			at := slot{at: origin.Unix() + floorDiv(since, step)*step}
			if split {
				at.unit = u
			}
			p := points[at]
			if p == nil {
				p = &point{at: time.Unix(at.at, 0).UTC(), unit: u}
				points[at] = p
			}
			p.merge(b)
		}
	}
	out := make([]point, 0, len(points))
	for _, p := range points {
		out = append(out, *p)
	}
	slices.SortFunc(out, func(a, b point) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.unit, b.unit))
	})
	return out
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// list gives the metrics that a filter accepts, in order.
func (s *store) list(accept func(m Metric, last time.Time) bool) []Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Metric
	for _, key := range slices.Sorted(maps.Keys(s.series)) {
		var m Metric
		var last time.Time
		for _, one := range s.series[key] {
			m = one.metric
			if one.last.After(last) {
				last = one.last
			}
		}
		if !last.IsZero() && accept(m, last) {
			out = append(out, m)
		}
	}
	return out
}
