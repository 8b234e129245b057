package load

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// The bounds beyond which a trial is no evidence.
const (
	maxLateShare  = 0.01                 // of a rate's sends over 1 ms late
	maxLateShard  = 0.1                  // of one worker's: too few to show in a large trial, and yet it is ill
	maxClockOff   = 5 * time.Millisecond // of a worker against the target
	minAchieved   = 0.99                 // sent / planned
	maxCPU        = 0.85                 // of a worker, or of the balancer
	maxBurstShare = 0.5                  // of a burst's whole time spent sending it
	maxLateStart  = 0.05                 // of a closed load's duration
)

// ruleFacts are what the tally does not say.
type ruleFacts struct {
	stopped error         // why the worker ended early, nil if it did not
	late    time.Duration // connections were ready this long after T0
	capped  int           // requests that found no socket
}

// shardRules gives the reasons for which one worker's slice is no evidence.
func shardRules(a bench.Aim, t bench.ShardTally, f ruleFacts) []string {
	var why []string
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	if f.stopped != nil {
		if left := t.Planned - t.Requests; left > 0 {
			say("%v with %d of %d requests to go", f.stopped, left, t.Planned)
		} else {
			say("%v", f.stopped) // a closed load plans time, not requests
		}
	}
	if f.capped > 0 {
		say("%d requests found all %d sockets in use: use more shards", f.capped, MaxSockets)
	}
	if n := t.Failures[FailureSockets]; n > 0 {
		say("the worker ran out of descriptors or ports for %d requests", n)
	}
	if a.Load.Kind == bench.LoadRate && t.SendLag.Late > maxLateShard {
		say("%.2g %% of a worker's sends were more than 1 ms late, the bound is %.0f %%", t.SendLag.Late*100, maxLateShard*100)
	}
	if off := time.Duration(t.ClockOff).Abs(); off > maxClockOff {
		say("the worker's clock is %.1f ms off, the bound is %v", float64(off)/float64(time.Millisecond), maxClockOff)
	}
	if f.stopped == nil && float64(t.Requests) < minAchieved*float64(t.Planned) {
		say("%d of %d planned requests were not sent", t.Planned-t.Requests, t.Planned)
	}
	if t.CPU > maxCPU {
		say("the worker used %.0f %% of its CPU, the bound is %.0f %%: use more shards", t.CPU*100, maxCPU*100)
	}
	if a.Load.Kind == bench.LoadClosed && f.late > time.Duration(maxLateStart*float64(a.Load.Duration)) {
		say("the worker was ready %d ms after T0", f.late.Milliseconds())
	}
	return why
}

// trialRules gives the reasons that only the shards together show.
func trialRules(a bench.Aim, t bench.Tally) []string {
	var why []string
	if t.ShardsDone < t.Shards {
		why = append(why, fmt.Sprintf("%d of %d shards left no tally", t.Shards-t.ShardsDone, t.Shards))
	}
	// Over all shards: one of a hundred sends of one shard says nothing yet.
	if a.Load.Kind == bench.LoadRate && t.SendLag.Late > maxLateShare {
		why = append(why, fmt.Sprintf("%.2g %% of the sends were more than 1 ms late, the bound is 1 %%: use more shards, or a less busy machine", t.SendLag.Late*100))
	}
	// A burst has no schedule to be late for. But if sending it took most of
	// the time, then the workers were measured and not the nodes.
	if a.Load.Kind == bench.LoadBurst && t.Seconds > 0 {
		if span := t.LastSend.Sub(t.FirstSend).Seconds(); span > maxBurstShare*t.Seconds {
			why = append(why, fmt.Sprintf("sending the burst took %.0f ms of its %.0f ms", span*1000, t.Seconds*1000))
		}
	}
	if a.Load.Kind == bench.LoadBurst && t.ShardsDone == t.Shards && t.Planned != a.Load.Requests {
		why = append(why, fmt.Sprintf("the shards planned %d requests instead of %d", t.Planned, a.Load.Requests))
	}
	if t.Requests == 0 && t.ShardsDone > 0 {
		why = append(why, "no request was sent: use a higher rate, a longer duration or fewer shards")
	}
	if t.Requests > 0 && t.Requests == t.Errors {
		why = append(why, fmt.Sprintf("none of %d requests was answered well (%s)", t.Requests, causes(t.Counts)))
	}
	return why
}

// causes names what came instead of good answers, the most frequent first.
func causes(c bench.Counts) string {
	type cause struct {
		name string
		n    int
	}
	var all []cause
	for name, n := range c.Failures {
		all = append(all, cause{name, n})
	}
	for status, n := range c.Status {
		if status >= "400" {
			all = append(all, cause{"status " + status, n})
		}
	}
	slices.SortFunc(all, func(a, b cause) int { return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.name, b.name)) })
	var names []string
	for _, f := range all {
		names = append(names, fmt.Sprintf("%s: %d", f.name, f.n))
	}
	return strings.Join(names, ", ")
}
