package stat

import (
	"fmt"
	"hash/fnv"
	"math"

	"github.com/fairlead/fairlead/internal/bench"
)

// metric is a figure of a trial that arms are compared on.
type metric struct {
	name   string
	of     func(bench.TrialRow) float64
	higher bool   // is better
	phrase string // in a sentence
}

var metrics = []metric{
	{name: "p99", of: func(t bench.TrialRow) float64 { return t.LatencyMs.P99 }, phrase: "p99 latency"},
	{name: "p50", of: func(t bench.TrialRow) float64 { return t.LatencyMs.P50 }, phrase: "median latency"},
	{name: "mean", of: func(t bench.TrialRow) float64 { return t.LatencyMs.Mean }, phrase: "mean latency"},
	{name: "rps", of: func(t bench.TrialRow) float64 { return t.RPS }, higher: true, phrase: "throughput"},
}

// Compare judges every pair of arms that differ in exactly one thing, the
// cluster or the target, on p99, p50, mean and rps. Only blocks in which both
// arms have a valid trial (status "ok") count. P is corrected over all of them.
// The same input gives the same answer; a comparison's own does not depend on
// which others are asked for.
func Compare(arms []bench.Arm, trials []bench.TrialRow, seed int64) []bench.Comparison {
	ok := map[string]map[int]bench.TrialRow{}
	for _, t := range trials {
		if t.Status != "ok" {
			continue
		}
		if ok[t.Arm] == nil {
			ok[t.Arm] = map[int]bench.TrialRow{}
		}
		ok[t.Arm][t.Block] = t
	}
	comparisons := []bench.Comparison{}
	var p []float64
	for i, a := range arms {
		for _, b := range arms[i+1:] {
			if (a.Cluster == b.Cluster) == (a.Target == b.Target) {
				continue
			}
			for _, m := range metrics {
				r := Estimate(logRatios(m, ok[a.Name], ok[b.Name]), seedOf(seed, a.Name, b.Name, m.name))
				c := bench.Comparison{A: a.Name, B: b.Name, Metric: m.name, Verdict: r.Judge(m.higher),
					Ratio: r.Estimate, Low: r.Low, High: r.High, Blocks: r.Blocks}
				if c.Verdict == bench.Unsure {
					c.BlocksNeeded = r.BlocksNeeded()
				}
				c.Sentence = sentence(m, c)
				comparisons = append(comparisons, c)
				p = append(p, r.P)
			}
		}
	}
	for i, corrected := range Holm(p) {
		comparisons[i].P = corrected
	}
	return comparisons
}

// logRatios pairs the trials by block, in the order of blocks.
func logRatios(m metric, a, b map[int]bench.TrialRow) []float64 {
	var logs []float64
	last := 0
	for block := range a {
		last = max(last, block)
	}
	for block := range last + 1 {
		x, inA := a[block]
		y, inB := b[block]
		if vx, vy := m.of(x), m.of(y); inA && inB && vx > 0 && vy > 0 {
			logs = append(logs, math.Log(vx/vy))
		}
	}
	return logs
}

func seedOf(seed int64, names ...string) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, seed, names)
	return h.Sum64()
}

func sentence(m metric, c bench.Comparison) string {
	interval := fmt.Sprintf("%.2f, 95 %% interval %.2f to %.2f, %d blocks", c.Ratio, c.Low, c.High, c.Blocks)
	switch c.Verdict {
	case bench.Better, bench.Worse:
		return fmt.Sprintf("%s has %s %s (ratio %s).", c.A, change(c.Ratio, m.phrase), c.B, interval)
	case bench.Same:
		return fmt.Sprintf("%s and %s have the same %s within 5 %% (ratio %s).", c.A, c.B, m.phrase, interval)
	}
	switch {
	case c.Blocks == 0:
		return fmt.Sprintf("Nothing is known about the %s of %s against %s: no block has a valid trial of both.", m.phrase, c.A, c.B)
	case c.Blocks < MinBlocks:
		return fmt.Sprintf("%d blocks are too few to judge the %s of %s against %s (ratio %.2f so far); %d would be needed.",
			c.Blocks, m.phrase, c.A, c.B, c.Ratio, c.BlocksNeeded)
	}
	needed := fmt.Sprintf("about %d", c.BlocksNeeded)
	if c.BlocksNeeded >= mostBlocks {
		needed = fmt.Sprintf("more than %d", mostBlocks)
	}
	return fmt.Sprintf("The noise hides whether %s or %s has the better %s (ratio %s); %s blocks would tell.", c.A, c.B, m.phrase, interval, needed)
}

// change puts a ratio into words: "a 12 % lower p99 latency than", "2.4 times
// the throughput of".
func change(ratio float64, what string) string {
	switch {
	case ratio >= 2:
		return fmt.Sprintf("%.1f times the %s of", ratio, what)
	case ratio <= 0.5:
		return fmt.Sprintf("a %.1f times lower %s than", 1/ratio, what)
	case ratio < 1:
		return fmt.Sprintf("a %.0f %% lower %s than", (1-ratio)*100, what)
	}
	return fmt.Sprintf("a %.0f %% higher %s than", (ratio-1)*100, what)
}
