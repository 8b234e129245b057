package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/internal/bench"
)

// progress turns history events into one line: the state, the block, what is left.
type progress struct {
	plan   bench.Plan
	trials []bench.Trial
	now    func() time.Time

	state   string
	open    map[string]int // how often a state of provisioning has been entered and not left
	trial   int            // index of the running trial; -1 before the first
	done    int
	firstAt time.Time // when the first trial began
	ended   time.Time // when the last finished trial ended
}

func newProgress(p bench.Plan, now func() time.Time) *progress {
	return &progress{plan: p, trials: p.Trials(), now: now, trial: -1, state: "Plan", open: map[string]int{}}
}

// provisioning are the states that run beside each other, and what they are
// about. The first of them that runs is shown: which was entered last says
// little of what the run waits for.
var provisioning = []struct{ state, about string }{
	{"Launch", "launching"}, {"Setup", "setting up"}, {"Register", "registering the nodes with the load balancer"},
	{"BalanceCreate", "creating the load balancer"}, {"BalanceWait", "waiting for the load balancer"},
	{"WarmAim", "waking the load workers"}, {"WarmShard", "waking the load workers"},
}

// beside are their neighbours, for the moments when none of them runs.
var beside = map[string]string{
	"Groups": "launching", "NeedsBalancer": "launching", "NoBalancer": "launching",
	"Balanced": "setting up", "GroupUp": "setting up", "GroupFailed": "setting up", "BalanceFailed": "setting up",
	"AimCold": "setting up", "ShardCold": "setting up",
}

// phases says what the states around the blocks are about.
var phases = map[string]string{
	"Plan": "planning", "DryRun": "planning", "Planned": "planned", "Provision": "launching", "Provisioned": "setting up",
	"Ready": "waiting until all nodes are healthy", "Prove": "proving the paths",
	"Teardown": "ending the fleet", "Judge": "judging", "Outcome": "judging", "Done": "done", "Failed": "failed", "Leaked": "leaked",
}

// steps says what a state of a trial is about.
var steps = map[string]string{
	blocksMap: "aiming", "TimeLeft": "aiming", "Aim": "aiming", "Skipped": "skipped",
	"ManyShards": "sending", "Shards": "sending", "Shard": "sending", "ShardLost": "sending",
	"ShardsDistributed": "sending", "DistributedShard": "sending", "DistributedShardLost": "sending",
	"Quiesce": "letting it settle", "Observe": "asking the nodes", "Merge": "adding up", "TrialFailed": "failed",
}

// blocksMap is the state whose iterations are the trials.
const blocksMap = "Blocks"

func (p *progress) see(e types.HistoryEvent) {
	if d := e.StateEnteredEventDetails; d != nil {
		p.state = aws.ToString(d.Name)
		p.open[p.state]++
	}
	if d := e.StateExitedEventDetails; d != nil && p.open[aws.ToString(d.Name)] > 0 {
		p.open[aws.ToString(d.Name)]--
	}
	d := e.MapIterationStartedEventDetails
	if d != nil && aws.ToString(d.Name) == blocksMap {
		p.trial, p.state = int(d.Index), blocksMap
		if p.firstAt.IsZero() {
			p.firstAt = p.now()
		}
	}
	for _, d := range []*types.MapIterationEventDetails{e.MapIterationSucceededEventDetails, e.MapIterationFailedEventDetails} {
		if d != nil && aws.ToString(d.Name) == blocksMap {
			p.done++
			p.ended = p.now()
		}
	}
}

// line is at most width columns.
func (p *progress) line(width int) string {
	const cells = 20
	filled := 0
	if n := len(p.trials); n > 0 {
		filled = cells * p.done / n
	}
	bar := strings.Repeat("█", filled) + strings.Repeat("░", cells-filled)
	text := p.doing()
	left := fmt.Sprintf("%d of %d trials left", len(p.trials)-p.done, len(p.trials))
	if p.done > 0 && p.done < len(p.trials) {
		each := p.ended.Sub(p.firstAt) / time.Duration(p.done)
		rest := each*time.Duration(len(p.trials)-p.done) - p.now().Sub(p.ended)
		left += fmt.Sprintf(", about %d s", int(max(rest, 0).Seconds())+1)
	}
	full := fmt.Sprintf("%s %s · %s", bar, text, left)
	if utf8.RuneCountInString(full) <= width {
		return full
	}
	line := []rune(left + " · " + text) // in a narrow terminal the figures say what the bar did
	if len(line) > width {
		line = append(line[:max(width-1, 0)], '…')
	}
	return string(line)
}

// doing says what goes on.
func (p *progress) doing() string {
	if step, ofTrial := steps[p.state]; ofTrial {
		switch {
		case p.trial < 0:
			return "beginning"
		case p.done >= len(p.trials):
			return "measured"
		case p.trial < len(p.trials):
			t := p.trials[p.trial]
			return fmt.Sprintf("block %d/%d · %s · %s", t.Block, p.plan.Blocks, t.Arm, step)
		}
	}
	if about := phases[p.state]; about != "" {
		return about
	}
	for _, s := range provisioning {
		if p.open[s.state] > 0 {
			return s.about
		}
	}
	for _, s := range provisioning {
		if s.state == p.state { // it was the last to be left
			return "setting up"
		}
	}
	return cmp.Or(beside[p.state], p.state) // the latter is one that only a newer stack has
}

// painter shows a line on a terminal and nothing elsewhere.
type painter struct {
	w     io.Writer
	width func() int
	on    bool
	shown bool
}

func (p *painter) show(line func(width int) string) {
	if p.on {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line(p.width()))
		p.shown = true
	}
}

func (p *painter) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}
