package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/fairlead/fairlead/workflows"
)

// stopPlan is the smallest run that enters all states of one in which all goes well.
var stopPlan = tinyProxied

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

// pauses are the states that are over as soon as they are entered.
var pauses = []string{"DryRun", "NeedsBalancer", "Balanced", "GroupUp", "Provisioned", "TimeLeft", "ManyShards", "Quiesce", "Outcome"}

// never lists the states that a run in which all goes well does not enter, and
// those with which it ends.
var never = []string{"Planned", "Done", "Failed", "Leaked", "GroupFailed", "NoBalancer", "BalanceFailed", "AimCold", "ShardCold",
	"Skipped", "TrialFailed", "ShardLost", "ShardsDistributed", "DistributedShard", "DistributedShardLost"}

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
		{at("WarmAim", asked("aim", "warm", ""), asked("shard", "warm", ""))}, // waking names no run: one at a time
		{at("Balanced"), at("GroupUp"), at("Provisioned"), task("Ready", "ready", "", ""), task("Prove", "aim", "prove", "")},
		{at("TimeLeft"), task("Aim", "aim", "aim", ""), at("ManyShards"), task("Shard", "shard", "", ""), at("Quiesce")},
		{
			task("Observe", "aim", "observe", ""), task("Merge", "merge", "", ""),
			task("Teardown", "teardown", "", ""), task("Judge", "judge", "", ""), at("Outcome"),
		},
	}
}

// lasting are functions that wait for what will not come, until their time is over.
func lasting(e event) bool {
	return e.handler == "setup" || e.handler == "ready" || e.Op == "prove" || e.Op == "wait"
}

// TestStoppedAnywhere stops executions in every state in turn, by abort and by
// timeout. No event tells the sweep: one on schedule must be enough. Step
// Functions ends nothing, so what the functions of a stopped execution do goes
// on: before the sweep, or only after it.
func TestStoppedAnywhere(t *testing.T) {
	g := newGate(t)
	c := begin(t, setting{plan: stopPlan, bootstrap: g.bootstrap(), change: func(d document) {
		nameSweep(d)
		d.pause()
		delete(d["Resources"].(map[string]any), "EndedBadly")
		delete(d["Resources"].(map[string]any), "EndedBadlyPermission")
	}})
	for how, stop := range map[string]func(arn string) error{
		"abort": func(arn string) error {
			_, err := c.sfn.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn})
			return err
		},
		"timeout": c.cloud.Expire,
	} {
		hit := map[string]bool{}
		for _, late := range []bool{false, true} {
			for _, scene := range scenes() {
				for _, s := range scene {
					s.late = late
				}
				c.stopAndSweep(g, scene, how, stop)
				for _, s := range scene {
					for _, name := range s.open {
						hit[name] = true
					}
				}
			}
		}
		for _, name := range entered(t) {
			if !hit[name] {
				t.Errorf("no execution was stopped by %s in %s", how, name)
			}
		}
	}
}

// stopAndSweep starts the executions, stops each in its state, sweeps once and
// looks for what is left.
func (c *scene) stopAndSweep(g *gate, scene []*stopped, how string, stop func(arn string) error) {
	c.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	runs := map[string]bool{}
	for _, s := range scene {
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
	goOn := func(late bool) {
		for _, s := range scene {
			if s.late == late {
				for _, h := range s.holds {
					h.release()
				}
			}
		}
		g.settled(func(e event) bool { return runs[e.Run] && !lasting(e) && (late || c.soon(scene, e.Run)) })
	}
	goOn(false)
	if said := c.sweep(); said != "" {
		c.t.Errorf("the sweep of %v: %s", slices.Sorted(maps.Keys(runs)), said)
	}
	goOn(true)
	for _, s := range scene {
		c.over(s)
	}
	c.t.Logf("%v", time.Since(began).Round(time.Millisecond))
}

// soon tells whether a run's functions go on before the sweep.
func (c *scene) soon(scene []*stopped, run string) bool {
	return slices.ContainsFunc(scene, func(s *stopped) bool { return s.run == run && !s.late })
}

func (c *scene) start(ctx context.Context, g *gate, s *stopped, how string) {
	c.t.Helper()
	s.run = s.state + "-" + how
	if s.late {
		s.run += "-late"
	}
	for _, match := range s.held {
		s.holds = append(s.holds, g.hold(func(e event) bool {
			return (e.Run == s.run || e.Op == "warm") && match(e)
		}))
	}
	started, err := c.sfn.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &c.machine, Name: &s.run, Input: aws.String(stopPlan)})
	if err != nil {
		c.t.Fatal(err)
	}
	s.arn = *started.ExecutionArn
}

// reach waits until the execution is in its state.
func (c *scene) reach(ctx context.Context, s *stopped) {
	c.t.Helper()
	for _, h := range s.holds {
		select {
		case <-h.reached:
		case <-ctx.Done():
			c.t.Fatalf("%s does not come to %s: it is in %v", s.run, s.state, c.open(s.arn))
		}
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(s.holds) == 0 && !slices.Contains(c.open(s.arn), s.state) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("%s does not come to %s: it is in %v", s.run, s.state, c.open(s.arn))
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

// over checks that nothing of the run is left, that the receipt lists all that
// was there, and that nothing will begin any more.
func (c *scene) over(s *stopped) {
	c.t.Helper()
	keys := bench.RunKeys{Run: s.run}
	launched := map[string]string{}
	for _, m := range c.machines() {
		if m.tag(bench.TagRun) == s.run {
			launched[m.ID] = bench.KindInstance
			if m.State != "terminated" {
				c.t.Errorf("%s: %s is %s", s.run, m.ID, m.State)
			}
		}
	}
	var receipt bench.Receipt
	text, err := os.ReadFile(c.object(keys.Receipt()))
	switch {
	case err == nil:
		err = json.Unmarshal(text, &receipt)
	case errors.Is(err, fs.ErrNotExist) && len(launched) == 0:
		err = nil // nothing was there
		receipt.Left = []string{}
	}
	if err != nil {
		c.t.Errorf("%s: %v", s.run, err)
		return
	}
	swept := map[string]string{}
	for _, e := range receipt.Ended {
		swept[e.ID] = e.Kind
	}
	if receipt.Left == nil || len(receipt.Left) > 0 || !maps.Equal(launched, swept) {
		c.t.Errorf("%s: the receipt says %v and left %v, and there were %v", s.run, swept, receipt.Left, launched)
	}
	by := receipt.By
	if _, err := os.Stat(c.object(keys.Cancelled())); by == "sweep" && err != nil {
		c.t.Errorf("%s: %v", s.run, err)
	}
	c.t.Logf("%-26s in %-60s %d ended by %s", s.run, strings.Join(s.open, ", "), len(swept), by)
}

// entered lists the states of the definition that a run enters.
func entered(t *testing.T) []string {
	t.Helper()
	var definition map[string]any
	if err := json.Unmarshal([]byte(workflows.Benchmark), &definition); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	eachFlow(definition, func(states map[string]any) {
		for name := range states {
			names[name] = true
		}
	})
	for _, name := range never {
		if !names[name] {
			t.Errorf("there is no state %s", name)
		}
		delete(names, name)
	}
	return slices.Sorted(maps.Keys(names))
}

// eachFlow calls with the states of every flow of a definition.
func eachFlow(v any, with func(states map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			eachFlow(e, with)
		}
	case map[string]any:
		states, ok := v["States"].(map[string]any)
		for _, e := range v {
			eachFlow(e, with)
		}
		if ok {
			with(states)
		}
	}
}

// pause makes an execution wait in one of the pauses if its name begins with it.
// It waits in a state of that name, and what that did comes after.
func (d document) pause() {
	for _, m := range d.each("AWS::StepFunctions::StateMachine") {
		var definition map[string]any
		if err := json.Unmarshal([]byte(m["DefinitionString"].(string)), &definition); err != nil {
			panic(err)
		}
		eachFlow(definition, func(states map[string]any) {
			for _, name := range pauses {
				s, ok := states[name].(map[string]any)
				if !ok {
					continue
				}
				until := "$now()"
				if given, ok := s["Timestamp"].(string); ok {
					until = strings.Trim(given, "{%} ")
				}
				until = fmt.Sprintf("{%% $substringBefore($states.context.Execution.Name, '-') = '%s' ? $fromMillis($millis() + 600000) : (%s) %%}", name, until)
				if s["Type"] == "Wait" {
					s["Timestamp"] = until
					continue
				}
				states[name+" itself"] = s
				states[name] = map[string]any{"Type": "Wait", "Timestamp": until, "Next": name + " itself"}
			}
		})
		text, err := json.Marshal(definition)
		if err != nil {
			panic(err)
		}
		m["DefinitionString"] = string(text)
	}
}
