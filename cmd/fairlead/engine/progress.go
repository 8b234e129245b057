package main

import (
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
	trial   int // index of the running trial; -1 before the first
	done    int
	firstAt time.Time // when the first trial began
	ended   time.Time // when the last finished trial ended
}

func newProgress(p bench.Plan, now func() time.Time) *progress {
	return &progress{plan: p, trials: p.Trials(), now: now, trial: -1, state: "Plan"}
}

// phases says what the states outside the blocks are about.
var phases = map[string]string{
	"Plan": "planning", "Provision": "launching", "Launch": "launching", "Setup": "setting up",
	"Ready": "waiting until all nodes run", "Prove": "proving the paths",
	"Teardown": "ending the fleet", "Judge": "judging",
}

// blocksMap is the state whose iterations are the trials.
const blocksMap = "Blocks"

func (p *progress) see(e types.HistoryEvent) {
	if d := e.StateEnteredEventDetails; d != nil {
		p.state = aws.ToString(d.Name)
	}
	d := e.MapIterationStartedEventDetails
	if d != nil && aws.ToString(d.Name) == blocksMap {
		p.trial = int(d.Index)
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
	text := phases[p.state]
	if text == "" && p.trial >= 0 && p.trial < len(p.trials) && p.done < len(p.trials) {
		t := p.trials[p.trial]
		text = fmt.Sprintf("block %d/%d · %s · %s", t.Block, p.plan.Blocks, t.Arm, p.state)
	} else if text == "" {
		text = p.state
	}
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
