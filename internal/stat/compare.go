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

	answered bool // of good answers only
}

var metrics = []metric{
	{name: "p99", of: func(t bench.TrialRow) float64 { return t.LatencyMs.P99 }, phrase: "p99 latency", answered: true},
	{name: "p50", of: func(t bench.TrialRow) float64 { return t.LatencyMs.P50 }, phrase: "median latency", answered: true},
	{name: "mean", of: func(t bench.TrialRow) float64 { return t.LatencyMs.Mean }, phrase: "average latency", answered: true},
	{name: "rps", of: func(t bench.TrialRow) float64 { return t.RPS }, higher: true, phrase: "throughput"},
}

// Compare judges every pair of arms that differ in exactly one thing, the
// cluster or the target, on p99, p50, mean and rps. Only blocks in which both
// arms have a valid trial (status "ok") count. Latencies are those of good
// answers: where one arm lost more of its requests than the other, perhaps just
// the slow ones, they are not judged. P is corrected over all of them.
// The same input gives the same answer; a comparison's own does not depend on
// which others are asked for. name is what sentences call an arm.
func Compare(arms []bench.Arm, trials []bench.TrialRow, seed int64, name func(bench.Arm) string) []bench.Comparison {
	ok := validByBlock(trials)
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
				c.Sentence = sentence(m, c, name(a), name(b))
				if why := incomparable(ok[a.Name], ok[b.Name]); c.Blocks > 0 && m.answered && why != "" {
					c.Verdict, c.BlocksNeeded = bench.Unsure, 0
					c.Sentence = fmt.Sprintf("The %s of %s and %s cannot be compared: %s.", m.phrase, name(a), name(b), why)
				}
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

// validByBlock finds an arm's valid trial of a block.
func validByBlock(trials []bench.TrialRow) map[string]map[int]bench.TrialRow {
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
	return ok
}

// maxFailedGap is how far the shares of failed requests of two arms may lie
// apart, unless twice the noise of counting so few explains more. Where most
// requests of an arm failed, its latencies are an exception's.
const (
	maxFailedGap = 0.01
	maxFailed    = 0.5
)

// incomparable says why the latencies of two arms are not judged, if they are not.
func incomparable(a, b map[int]bench.TrialRow) string {
	x, y, noise := failedShares(a, b)
	if math.Abs(x-y) <= max(maxFailedGap, 2*noise) && max(x, y) <= maxFailed {
		return ""
	}
	return fmt.Sprintf("%.2g %% against %.2g %% of their requests failed, and only the others have a latency", x*100, y*100)
}

// failedShares are the shares of failed requests of two arms in the blocks that
// have both, and the standard error of their difference if they are alike.
func failedShares(a, b map[int]bench.TrialRow) (x, y, noise float64) {
	var failed, requests [2]float64
	for block, t := range a {
		u, both := b[block]
		if !both {
			continue
		}
		failed[0], requests[0] = failed[0]+float64(t.Errors), requests[0]+float64(t.Requests)
		failed[1], requests[1] = failed[1]+float64(u.Errors), requests[1]+float64(u.Requests)
	}
	n, m := max(1, requests[0]), max(1, requests[1])
	p := (failed[0] + failed[1]) / (n + m)
	return failed[0] / n, failed[1] / m, math.Sqrt(p * (1 - p) * (1/n + 1/m))
}

// logRatios are the arms' ratios of a metric in each block.
func logRatios(m metric, a, b map[int]bench.TrialRow) []float64 {
	var logs []float64
	inBoth(m, a, b, func(x, y float64) { logs = append(logs, math.Log(x/y)) })
	return logs
}

// inBoth pairs the trials by block, in the order of blocks.
func inBoth(m metric, a, b map[int]bench.TrialRow, pair func(x, y float64)) {
	last := 0
	for block := range a {
		last = max(last, block)
	}
	for block := range last + 1 {
		x, inA := a[block]
		y, inB := b[block]
		if vx, vy := m.of(x), m.of(y); inA && inB && vx > 0 && vy > 0 {
			pair(vx, vy)
		}
	}
}

func seedOf(seed int64, names ...string) uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, seed, names)
	return h.Sum64()
}

func sentence(m metric, c bench.Comparison, a, b string) string {
	interval := fmt.Sprintf("%.2f, 95 %% interval %.2f to %.2f, %d blocks", c.Ratio, c.Low, c.High, c.Blocks)
	switch c.Verdict {
	case bench.Better, bench.Worse:
		return fmt.Sprintf("%s has %s %s (ratio %s).", a, change(c.Ratio, m.phrase), b, interval)
	case bench.Same:
		return fmt.Sprintf("%s and %s have the same %s within 5 %% (ratio %s).", a, b, m.phrase, interval)
	}
	switch {
	case c.Blocks == 0:
		return fmt.Sprintf("Nothing is known about the %s of %s against %s: no block has a valid trial of both.", m.phrase, a, b)
	case c.Blocks < MinBlocks:
		are, about := "blocks are", "about "
		if c.Blocks == 1 {
			are = "block is"
		}
		if c.BlocksNeeded == MinBlocks {
			about = ""
		}
		return fmt.Sprintf("%d %s too few to judge the %s of %s against %s (ratio %.2f so far); %s%d would be needed.",
			c.Blocks, are, m.phrase, a, b, c.Ratio, about, c.BlocksNeeded)
	}
	needed := fmt.Sprintf("about %d", c.BlocksNeeded)
	if c.BlocksNeeded >= mostBlocks {
		needed = fmt.Sprintf("more than %d", mostBlocks)
	}
	return fmt.Sprintf("The noise hides whether %s or %s has the better %s (ratio %s); %s blocks would tell.", a, b, m.phrase, interval, needed)
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
		return fmt.Sprintf("%s lower %s than", share((1-ratio)*100), what)
	}
	return fmt.Sprintf("%s higher %s than", share((ratio-1)*100), what)
}

// share writes per cent with its article: "a 12 %", "an 84 %".
func share(percent float64) string {
	n := fmt.Sprintf("%.0f", percent)
	if n[0] == '8' || n == "11" || n == "18" {
		return "an " + n + " %"
	}
	return "a " + n + " %"
}
