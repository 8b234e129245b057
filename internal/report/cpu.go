package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// cpuSeries is the CPU use of each group, second by second, as its programs
// counted it themselves. One-minute averages would hide a burst of a second.
func cpuSeries(in Input) []bench.CPUSeries {
	type sight struct {
		group             string
		share, steal, cpu float64
	}
	// Neighbouring trials read some seconds twice; the later reading of a
	// second that was not over yet has more of it.
	seconds := map[int64]map[string]sight{}
	for _, t := range in.Record.Trials {
		for _, s := range in.Samples[t.Key] {
			for _, sec := range s.Seconds {
				if s.CPUs <= 0 {
					continue
				}
				if seconds[sec.T] == nil {
					seconds[sec.T] = map[string]sight{}
				}
				if old, ok := seconds[sec.T][s.ID]; !ok || sec.CPU > old.cpu {
					seconds[sec.T][s.ID] = sight{group: s.Group, share: min(1, sec.CPU/s.CPUs), steal: sec.Steal, cpu: sec.CPU}
				}
			}
		}
	}
	order := slices.Sorted(maps.Keys(seconds))
	spans := trialSpans(in)
	series := []bench.CPUSeries{}
	groups := in.Record.Plan.Groups()
	slices.SortStableFunc(groups, func(a, b bench.Group) int { // the balancer first
		return cmp.Compare(rank(a.Role), rank(b.Role))
	})
	for _, g := range groups {
		s := bench.CPUSeries{Group: g.Name, Points: []bench.CPUPoint{}}
		for _, at := range order {
			p := bench.CPUPoint{T: float64(at - order[0]), Trial: spans.at(at)}
			n := 0.0
			for _, seen := range seconds[at] {
				if seen.group != g.Name {
					continue
				}
				n++
				p.Share += seen.share
				p.Steal += seen.steal
				p.Max = max(p.Max, seen.share)
			}
			if n > 0 {
				p.Share /= n
				p.Steal /= n
				s.Points = append(s.Points, p)
			}
		}
		if len(s.Points) > 0 {
			series = append(series, s)
		}
	}
	return series
}

func rank(r bench.Role) int {
	if r == bench.RoleProxy {
		return 0
	}
	return 1
}

// spans are the trials' own times.
type spans []struct {
	key      string
	from, to time.Time
}

func trialSpans(in Input) spans {
	var all spans
	for _, t := range in.Record.Trials {
		if tally, ok := in.Tallies[t.Key]; ok && !tally.FirstSend.IsZero() {
			all = append(all, struct {
				key      string
				from, to time.Time
			}{t.Key, tally.FirstSend, tally.LastDone})
		}
	}
	return all
}

// at names the trial that had most of a second.
func (s spans) at(second int64) string {
	begin, end := time.Unix(second, 0), time.Unix(second+1, 0)
	var best string
	var most time.Duration
	for _, t := range s {
		from, to := t.from, t.to
		if from.Before(begin) {
			from = begin
		}
		if to.After(end) {
			to = end
		}
		if d := to.Sub(from); d > most {
			best, most = t.key, d
		}
	}
	return best
}
