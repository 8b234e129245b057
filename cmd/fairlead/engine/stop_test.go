package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/fairlead/fairlead/internal/bench"
)

// stopPlan is the smallest run that enters all states of one in which all goes well.
var stopPlan = with(tiny, `{"targets": [{"kind": "proxy", "strategy": "round-robin"}, {"kind": "alb"}]}`)

// stopped is an execution that is stopped while it is in a state.
type stopped struct {
	state string               // it is stopped in; a state without a function is given a pause
	held  []func(e event) bool // events that the functions do not get before it is stopped
	late  bool                 // the functions get them only after the sweep

	run, arn string
	holds    []*hold
	open     []string // states that had been entered and not left when it was stopped
}

// asked matches an event of the handler, by op or group if that is not empty.
func asked(handler, op, group string) func(event) bool {
	return func(e event) bool {
		return e.handler == handler && (op == "" || e.Op == op) && (group == "" || e.Group == group)
	}
}

// scenes gives the executions to be stopped, in groups that go side by side.
func scenes() [][]*stopped {
	at := func(state string, held ...func(event) bool) *stopped { return &stopped{state: state, held: held} }
	task := func(state, handler, op, group string) *stopped { return at(state, asked(handler, op, group)) }
	return [][]*stopped{
		{ // nothing is running yet, or something is about to
			task("Plan", "plan", "", ""), at("DryRun"), at("NeedsBalancer"),
			at("Launch", asked("launch", "", ""), asked("balance", "create", "")),
			task("Setup", "setup", "", "cluster1"),
		},
		{
			task("BalanceCreate", "balance", "create", ""), task("BalanceWait", "balance", "wait", ""),
			task("Register", "balance", "register", "cluster1"),
		},
		{at("WarmAim", asked("aim", "warm", ""), asked("shard", "warm", ""))}, // waking names no run: one at a time
		{at("Balanced"), at("GroupUp"), at("Provisioned"), task("Ready", "ready", "", ""), task("Prove", "aim", "prove", "")},
		{at("TimeLeft"), task("Aim", "aim", "aim", ""), at("ManyShards"), task("Shard", "shard", "", ""), at("Quiesce")},
		{
			task("Observe", "aim", "observe", ""), task("Merge", "merge", "", ""),
			task("Teardown", "teardown", "", ""), task("Judge", "judge", "", ""), at("Outcome"),
		},
	}
}

// matters tells which functions start something, or write down how a run ended.
// The others may wait for what will not come until their time is over.
func matters(e event) bool {
	return e.Op == "create" || slices.Contains([]string{"plan", "launch", "teardown", "judge"}, e.handler)
}

// TestStoppedAnywhere stops executions in every state in turn, by abort and by
// timeout. No event tells the sweep: one on schedule must be enough. Step
// Functions ends nothing, so what the functions of a stopped execution do goes
// on: before the sweep, or only after it.
func TestStoppedAnywhere(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	// A Register that goes on after the sweep may not touch target groups that are
	// gone, because they have no tags.
	c := begin(t, setting{plan: stopPlan, bootstrap: g.bootstrap(), denied: true, change: func(d document) {
		nameSweep(d)
		d.pause()
		delete(d["Resources"].(map[string]any), "EndedBadly")
		delete(d["Resources"].(map[string]any), "EndedBadlyPermission")
	}})
	abort := func(arn string) error {
		_, err := c.sfn.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn})
		return err
	}
	for _, way := range []struct {
		how  string
		stop func(arn string) error
		late bool
	}{{"abort", abort, false}, {"timeout", c.cloud.Expire, true}} {
		hit := map[string]bool{}
		for i, scene := range scenes() {
			c.stopAndSweep(g, scene, way.how, way.stop, way.late)
			for _, s := range scene {
				for _, name := range s.open {
					hit[name] = true
				}
			}
			if starting := scenes()[i]; i < 2 { // what starts something, the other way about too
				c.stopAndSweep(g, starting, way.how, way.stop, !way.late)
			}
		}
		for _, name := range entered(t) {
			if !hit[name] {
				t.Errorf("no execution was stopped by %s in %s", way.how, name)
			}
		}
	}
}

// stopAndSweep starts the executions, stops each in its state, sweeps once and
// looks for what is left. What was kept from functions reaches them late, after
// the sweep, or before it.
func (c *scene) stopAndSweep(g *gate, scene []*stopped, how string, stop func(arn string) error, late bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	runs := map[string]bool{}
	for _, s := range scene {
		s.late = late
		c.start(ctx, g, s, how)
		runs[s.run] = true
	}
	for _, s := range scene {
		c.reach(ctx, s)
	}
	for _, s := range scene {
		if err := stop(s.arn); err != nil {
			c.t.Fatal(err)
		}
		s.open = c.open(s.arn)
		if !slices.Contains(s.open, s.state) {
			c.t.Errorf("%s was stopped in %v", s.run, s.open)
		}
	}
	// What is kept has not begun; all else has, and comes to its end.
	goOn := func(release bool) {
		for _, s := range scene {
			for _, h := range s.holds {
				if release {
					g.release(h)
				}
			}
		}
		g.settled(func(e event) bool { return runs[e.Run] && matters(e) })
	}
	goOn(!late)
	before := c.resources()
	if said := c.sweep(); said != "" {
		c.t.Errorf("the sweep of %v: %s", slices.Sorted(maps.Keys(runs)), said)
	}
	after := c.resources()
	goOn(true)
	end := c.resources()
	for _, s := range scene {
		c.over(s, of(s.run, before), of(s.run, after), of(s.run, end))
	}
}

// of lists what is a run's, by id.
func of(run string, all []resource) map[string]resource {
	its := map[string]resource{}
	for _, r := range all {
		if r.Run == run {
			its[r.ID] = r
		}
	}
	return its
}

func (c *scene) start(ctx context.Context, g *gate, s *stopped, how string) {
	c.t.Helper()
	s.run = s.state + "-" + how
	if s.late {
		s.run += "-late"
	}
	for _, match := range s.held {
		h := g.hold(func(e event) bool {
			return (e.Run == s.run || e.Op == "warm" && s.state == "WarmAim") && match(e)
		})
		if match(event{handler: "launch"}) {
			h.wait = 2 // one for each group
		}
		s.holds = append(s.holds, h)
	}
	started, err := c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &c.machine, Name: &s.run, Input: aws.String(stopPlan)})
	if err != nil {
		c.t.Fatal(err)
	}
	s.arn = *started.ExecutionArn
}

// reach waits until the execution is in its state, and what starts something is
// done or kept: a function that the gate has not seen yet would be anywhere.
func (c *scene) reach(ctx context.Context, s *stopped) {
	c.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		kept := true
		for _, h := range s.holds {
			select {
			case <-h.reached:
			default:
				kept = false
			}
		}
		in := c.open(s.arn)
		starting := slices.ContainsFunc([]string{"Launch", "BalanceCreate"}, func(name string) bool {
			return s.state != "Launch" && s.state != name && slices.Contains(in, name)
		})
		if kept && slices.Contains(in, s.state) && !starting {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("%s does not come to %s: it is in %v", s.run, s.state, in)
		}
	}
}

// open lists the states that the execution has entered and not left.
func (c *scene) open(arn string) []string {
	c.t.Helper()
	counts := map[string]int{}
	pages := sfn.NewGetExecutionHistoryPaginator(c.sfn, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, MaxResults: 1000, IncludeExecutionData: aws.Bool(false)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		for _, e := range page.Events {
			if d := e.StateEnteredEventDetails; d != nil {
				counts[*d.Name]++
			}
			if d := e.StateExitedEventDetails; d != nil {
				counts[*d.Name]--
			}
		}
	}
	maps.DeleteFunc(counts, func(_ string, n int) bool { return n == 0 })
	return slices.Sorted(maps.Keys(counts))
}

// over checks that the sweep left nothing of the run, that the receipt lists all
// that was there, and that nothing has begun since.
func (c *scene) over(s *stopped, before, after, end map[string]resource) {
	c.t.Helper()
	for id, r := range after {
		if r.Live {
			c.t.Errorf("%s: %s is left", s.run, id)
		}
	}
	for id := range end {
		if _, there := after[id]; !there {
			c.t.Errorf("%s: %s began after the sweep", s.run, id)
		}
	}
	keys := bench.RunKeys{Run: s.run}
	var receipt bench.Receipt
	text, err := os.ReadFile(c.object(keys.Receipt()))
	switch {
	case err == nil:
		err = json.Unmarshal(text, &receipt)
	case errors.Is(err, fs.ErrNotExist) && len(before)+len(after) == 0:
		err = nil // nothing was there
		receipt.Left = []string{}
	}
	if err != nil {
		c.t.Errorf("%s: %v", s.run, err)
		return
	}
	swept, kinds := map[string]string{}, map[string]int{}
	for _, e := range receipt.Ended {
		swept[e.ID] = e.Kind
		kinds[e.Kind]++
		if _, there := after[e.ID]; e.Kind == bench.KindInstance && !there {
			c.t.Errorf("%s: the receipt says that %s was ended, and EC2 does not know it", s.run, e.ID)
		}
	}
	maps.Copy(before, after) // and what a function that had begun started meanwhile
	for id, r := range before {
		if swept[id] != r.Kind {
			c.t.Errorf("%s: the receipt lacks %s", s.run, id)
		}
	}
	if receipt.By == "sweep" {
		if _, err := os.Stat(c.object(keys.Cancelled())); err != nil {
			c.t.Errorf("%s: %v", s.run, err)
		}
	}
	if receipt.Left == nil || len(receipt.Left) > 0 {
		c.t.Errorf("%s: the receipt says that %v is left", s.run, receipt.Left)
	}
	c.t.Logf("%-24s was in %-60s %v ended by %s", s.run, strings.Join(s.open, ", "), kinds, receipt.By)
}
