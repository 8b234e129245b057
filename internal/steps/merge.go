package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/load"
)

// Merger adds a trial's shards up. It trusts the store alone: what a worker's
// answer said, or that it failed, counts for nothing.
type Merger struct{ Store Store }

// TrialIn names a trial. Lost is how its first lost shard failed, if one did.
type TrialIn struct {
	Run   string `json:"run"`
	Trial string `json:"trial"`
	Lost  string `json:"lost"`
}

// MergeOut is a trial in one line.
type MergeOut struct {
	Trial    string  `json:"trial"`
	Status   string  `json:"status"` // "ok" or "invalid"
	Reason   string  `json:"reason,omitempty"`
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	RPS      float64 `json:"rps"`
	P99Ms    float64 `json:"p99Ms"`
}

// maxReason keeps a line short: 800 of them are in one state's input.
const maxReason = 160

// Run writes tally.json and tally.hlog. A trial that lacks a shard, a node, or
// the balancer's samples is invalid, with the reason, and no error.
func (m *Merger) Run(ctx context.Context, in TrialIn) (MergeOut, error) {
	keys := bench.RunKeys{Run: in.Run}.Trial(in.Trial)
	present, err := m.Store.List(ctx, keys.Prefix())
	if err != nil {
		return MergeOut{}, fmt.Errorf("list %s: %w", keys.Prefix(), err)
	}
	aim, err := getJSON[bench.Aim](ctx, m.Store, keys.Aim())
	if err != nil {
		return MergeOut{}, err
	}
	tallies, logs, err := m.shards(ctx, keys, aim, present)
	if err != nil {
		return MergeOut{}, err
	}
	tally, log, err := load.Merge(aim, tallies, logs)
	if err != nil {
		return MergeOut{}, fmt.Errorf("merge %s: %w", in.Trial, err)
	}
	var samples []bench.NodeSamples
	if slices.Contains(present, keys.Nodes()) {
		if samples, err = getJSON[[]bench.NodeSamples](ctx, m.Store, keys.Nodes()); err != nil {
			return MergeOut{}, err
		}
	}
	load.Observe(&tally, samples)
	if lost := tally.Shards - tally.ShardsDone; lost > 0 {
		tally.Invalid = append(tally.Invalid, fate(keys, aim, present, lost, in.Lost))
	}
	for _, id := range aim.Nodes {
		if !slices.ContainsFunc(samples, func(s bench.NodeSamples) bool { return s.ID == id }) {
			tally.Invalid = append(tally.Invalid, "nobody asked the nodes afterwards: one may be lost")
			break
		}
	}
	if aim.Arm.Target.Kind == bench.TargetProxy && tally.Requests > 0 && !watched(tally, samples) {
		tally.Invalid = append(tally.Invalid, "the balancer's CPU is unknown: it may be what was measured")
	}
	if err := m.Store.Put(ctx, keys.TallyLog(), log); err != nil {
		return MergeOut{}, fmt.Errorf("write %s: %w", keys.TallyLog(), err)
	}
	if err := putJSON(ctx, m.Store, keys.Tally(), tally); err != nil {
		return MergeOut{}, err
	}
	return line(tally), nil
}

// shards reads the tallies that are there, each with its log.
func (m *Merger) shards(ctx context.Context, keys bench.TrialKeys, aim bench.Aim, present []string) ([]bench.ShardTally, [][]byte, error) {
	var done []int
	for n := range aim.Shards {
		if slices.Contains(present, keys.Shard(n)) {
			done = append(done, n)
		}
	}
	tallies, logs := make([]bench.ShardTally, len(done)), make([][]byte, len(done))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(32)
	for k, n := range done {
		all.Go(func() (err error) {
			if tallies[k], err = getJSON[bench.ShardTally](ctx, m.Store, keys.Shard(n)); err != nil {
				return err
			}
			if logs[k], err = m.Store.Get(ctx, keys.Log(n)); err != nil {
				return fmt.Errorf("read %s: %w", keys.Log(n), err)
			}
			return nil
		})
	}
	return tallies, logs, all.Wait()
}

// fate says how far the lost shards came, and how the first of them failed.
func fate(keys bench.TrialKeys, aim bench.Aim, present []string, lost int, why string) string {
	begun := 0
	for n := range aim.Shards {
		if slices.Contains(present, keys.Lease(n)) && !slices.Contains(present, keys.Shard(n)) {
			begun++
		}
	}
	if why == "" {
		why = "see the shard function's log"
	}
	switch begun {
	case 0:
		return "what is missing never began: " + why
	case lost:
		return "what is missing ended while it loaded: " + why
	}
	return fmt.Sprintf("of what is missing %d ended while loading and %d never began: %s", begun, lost-begun, why)
}

// watched says whether the balancer told of the second of the first send.
func watched(t bench.Tally, samples []bench.NodeSamples) bool {
	for _, s := range samples {
		if s.Role == bench.RoleProxy && slices.ContainsFunc(s.Seconds, func(sec bench.Second) bool { return sec.T == t.FirstSend.Unix() }) {
			return true
		}
	}
	return false
}

func line(t bench.Tally) MergeOut {
	out := MergeOut{Trial: t.Trial.Key, Status: "ok", Requests: t.Requests, Errors: t.Errors, RPS: t.RPS, P99Ms: t.LatencyMs.P99}
	if len(t.Invalid) > 0 {
		out.Status, out.Reason = "invalid", strings.Join(t.Invalid, "; ")
		if r := []rune(out.Reason); len(r) > maxReason {
			out.Reason = string(r[:maxReason-1]) + "…"
		}
	}
	return out
}
