package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

// noise is a family of disturbances that a block's log ratio meets.
type noise struct {
	name string
	// of gives what disturbs each of n successive trials, in log units.
	of func(rng *rand.Rand, n int) []float64
}

func independent(one func(*rand.Rand) float64) func(*rand.Rand, int) []float64 {
	return func(rng *rand.Rand, n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = one(rng)
		}
		return x
	}
}

var noises = []noise{
	{"normal 2 %", independent(func(r *rand.Rand) float64 { return 0.02 * r.NormFloat64() })},
	{"normal 5 %", independent(func(r *rand.Rand) float64 { return 0.05 * r.NormFloat64() })},
	{"normal 15 %", independent(func(r *rand.Rand) float64 { return 0.15 * r.NormFloat64() })},
	// One trial in ten meets a neighbour and is up to twice as slow.
	{"fat tails", independent(func(r *rand.Rand) float64 {
		x := 0.04 * r.NormFloat64()
		if r.IntN(10) == 0 {
			x += r.Float64() * math.Ln2
		}
		return x
	})},
	{"drift", func(rng *rand.Rand, n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = 0.4*float64(i)/float64(n) + 0.04*rng.NormFloat64()
		}
		return x
	}},
	{"autocorrelated", func(rng *rand.Rand, n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = 0.05 * rng.NormFloat64()
			if i > 0 {
				x[i] += 0.8 * x[i-1]
			}
		}
		return x
	}},
}

// experiment simulates blocks of two arms, their order random as in a plan,
// and judges the first, whose true p99 is shift times the second's.
func experiment(rng *rand.Rand, n noise, blocks int, shift float64) bench.Comparison {
	arms := []bench.Arm{{Name: "a", Cluster: "a"}, {Name: "b", Cluster: "b"}}
	disturbance := n.of(rng, 2*blocks)
	var trials []bench.TrialRow
	for block := range blocks {
		for place, arm := range rng.Perm(2) {
			v := 100 * math.Exp(disturbance[2*block+place])
			if arm == 0 {
				v *= shift
			}
			trials = append(trials, bench.TrialRow{Trial: bench.Trial{Block: block + 1, Arm: arms[arm].Name}, Status: "ok", LatencyMs: bench.Latency{P99: v}})
		}
	}
	return Compare(arms, trials, rng.Int64(), plain)[0]
}

// Two identical arms differ in at most 5 % of experiments, 200 for each noise.
// A noise of its own may exceed that by chance: of 200 experiments at a true
// rate of 5 %, 16 or more go wrong once in 20 times.
func TestIdenticalArmsRarelyDiffer(t *testing.T) {
	for _, blocks := range []int{5, 10} {
		rng := rand.New(rand.NewPCG(1, uint64(blocks)))
		all := 0
		for _, n := range noises {
			wrong := 0
			for range 200 {
				if v := experiment(rng, n, blocks, 1).Verdict; v == bench.Better || v == bench.Worse {
					wrong++
				}
			}
			t.Logf("%2d blocks, %s: %d of 200 wrong", blocks, n.name, wrong)
			if wrong > 15 {
				t.Errorf("%d blocks, %s: %d of 200 A/A experiments gave a verdict", blocks, n.name, wrong)
			}
			all += wrong
		}
		if all > 10*len(noises) {
			t.Errorf("%d blocks: %d of %d A/A experiments gave a verdict", blocks, all, 200*len(noises))
		}
	}
}

// A shift of 10 % is found in at least 90 % of experiments of 10 blocks, where
// trials vary by as much as 5 %; one of 50 % in 5 blocks always.
func TestShiftsAreFound(t *testing.T) {
	for _, tc := range []struct {
		blocks int
		shift  float64
		want   bench.Verdict
		least  int
	}{
		{10, 1.10, bench.Worse, 180},
		{10, 1 / 1.10, bench.Better, 180},
		{5, 1.5, bench.Worse, 196},
	} {
		for _, n := range noises[:2] {
			rng := rand.New(rand.NewPCG(2, uint64(tc.blocks)))
			found := 0
			for range 200 {
				if experiment(rng, n, tc.blocks, tc.shift).Verdict == tc.want {
					found++
				}
			}
			t.Logf("%s, %d blocks, %.3f: %d of 200", n.name, tc.blocks, tc.shift, found)
			if found < tc.least {
				t.Errorf("%s: a ratio of %.3f is %s in %d of 200 experiments of %d blocks, want %d", n.name, tc.shift, tc.want, found, tc.blocks, tc.least)
			}
		}
	}
}

// The number of blocks that an unsure comparison asks for must be about right:
// with that many, most repetitions are settled.
func TestBlocksNeededSettleIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	settled, asked := 0, 0
	for range 200 {
		c := experiment(rng, noises[1], 6, 1.10)
		if c.Verdict != bench.Unsure || c.BlocksNeeded > 60 {
			continue
		}
		asked++
		if experiment(rng, noises[1], c.BlocksNeeded, 1.10).Verdict != bench.Unsure {
			settled++
		}
	}
	if asked < 20 || float64(settled) < 0.6*float64(asked) {
		t.Errorf("%d of %d settled with the blocks that were asked for", settled, asked)
	}
}

func TestUnderFiveBlocksNothingIsSure(t *testing.T) {
	for blocks := range MinBlocks {
		rng := rand.New(rand.NewPCG(4, 4))
		c := experiment(rng, noises[0], blocks, 10)
		if c.Verdict != bench.Unsure || c.BlocksNeeded < MinBlocks || c.Blocks != blocks {
			t.Errorf("%d blocks: %+v", blocks, c)
		}
		for _, v := range []float64{c.Ratio, c.Low, c.High, c.P} {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%d blocks: JSON has no %v", blocks, v)
			}
		}
	}
}

func ExampleCompare() {
	arms := []bench.Arm{{Name: "small/direct", Cluster: "small"}, {Name: "large/direct", Cluster: "large"}}
	var trials []bench.TrialRow
	for block := range 5 {
		for i, arm := range arms {
			v := []float64{200, 100}[i] + float64(block)
			trials = append(trials, bench.TrialRow{Trial: bench.Trial{Block: block + 1, Arm: arm.Name}, Status: "ok",
				LatencyMs: bench.Latency{P99: v, P50: 50, Mean: 60}, RPS: 1e5 / v})
		}
	}
	for _, c := range Compare(arms, trials, 1, func(a bench.Arm) string { return a.Name }) {
		fmt.Println(c.Verdict, c.Sentence)
	}
	// Output:
	// worse small/direct has a 98 % higher p99 latency than large/direct (ratio 1.98, 95 % interval 1.96 to 2.00, 5 blocks).
	// same small/direct and large/direct have the same median latency within 5 % (ratio 1.00, 95 % interval 1.00 to 1.00, 5 blocks).
	// same small/direct and large/direct have the same average latency within 5 % (ratio 1.00, 95 % interval 1.00 to 1.00, 5 blocks).
	// worse small/direct has a 50 % lower throughput than large/direct (ratio 0.50, 95 % interval 0.50 to 0.51, 5 blocks).
}
