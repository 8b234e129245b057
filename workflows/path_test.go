package workflows_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Parts of paths.
var (
	up     = planned + provision("Launch×2 Setup×2 Balanced×2 GroupUp×2", noALB)
	upALB  = planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupUp", oneALB)
	blocks = up + "Ready Prove Blocks "
)

const (
	planned = "Plan DryRun "
	noALB   = "NeedsBalancer NoBalancer"
	oneALB  = "NeedsBalancer BalanceCreate BalanceWait"
	trial   = "TimeLeft Aim ManyShards Shards(Shard×4) Quiesce Observe Merge "
	lost    = "TimeLeft Aim ManyShards Shards(Shard×4 ShardLost) Quiesce Observe Merge "
	down    = "Teardown Judge Outcome "
)

// provision is Provision's part of a path: the names, in any order, that its
// branches visit beside those that they always do.
func provision(names ...string) string {
	all := append(strings.Fields(strings.Join(names, " ")), "Groups", "WarmAim", "WarmShard")
	slices.SortFunc(all, func(a, b string) int {
		a, _, _ = strings.Cut(a, "×")
		b, _, _ = strings.Cut(b, "×")
		return strings.Compare(a, b)
	})
	return "Provision(" + strings.Join(all, " ") + ") Provisioned "
}

// TestPaths gives, for each way a run can go, the states that it visits, what
// Judge is told, and how it ends. It ends green only if all went well.
func TestPaths(t *testing.T) {
	broken := failed{"StepFailed", "it broke"}
	with := func(call string, f fault) func(*world) {
		return func(w *world) { w.faults[call] = f }
	}
	alb := func(more ...func(*world)) func(*world) {
		return func(w *world) {
			w.alb = true
			for _, m := range more {
				m(w)
			}
		}
	}
	for _, c := range []struct {
		why        string
		world      func(*world)
		input      string
		path       string
		failure    string // as Judge is told: "state group error: cause"
		notes      string // as Judge is told
		status     string // of the execution; SUCCEEDED if empty
		err, cause string
		calls      map[string]int
	}{
		{why: "all goes well", path: blocks + trial + trial + down + "Done"},
		{why: "one group, as without a proxy", world: func(w *world) { w.groups = w.groups[:1] },
			path: planned + provision("Launch Setup Balanced GroupUp", noALB) + "Ready Prove Blocks " + trial + trial + down + "Done"},
		{why: "one trial", world: func(w *world) { w.trials = w.trials[:1] }, path: blocks + trial + down + "Done"},
		{why: "a dry run starts nothing", input: `{"dryRun":true}`, path: planned + "Planned"},
		{why: "an invalid plan starts nothing, and its cause is the function's message", world: with("plan", always(failed{"InvalidPlan", "shards is 0: \"use\" 1"})),
			path: "Plan Failed", status: "FAILED", err: "InvalidPlan", cause: `shards is 0: "use" 1`, calls: map[string]int{"plan": 1}},
		{why: "Plan may not be called: the cause is Lambda's text", world: with("plan", always(refused("AccessDeniedException"))),
			path: "Plan Failed", status: "FAILED", err: "Lambda.AWSLambdaException", cause: "AccessDeniedException. (Service: Lambda", calls: map[string]int{"plan": 7}},
		{why: "Plan hangs: a timeout has no cause", world: with("plan", always(hang{})), path: "Plan Failed", status: "FAILED", err: "States.Timeout"},
		{why: "Plan's result is too large", world: with("plan", always(oversize)), path: "Plan Failed", status: "FAILED", err: "States.DataLimitExceeded", cause: "The state/task"},

		{why: "one group cannot start: the other goes on, is not cancelled, and ends in Teardown",
			world: with("launch proxy", always(failed{"NoCapacity", "no zone can start it"})),
			path:  planned + provision("Launch×2 Setup GroupFailed Balanced GroupUp", noALB) + down + "Failed", failure: "Launch proxy NoCapacity: no zone can start it",
			status: "FAILED", err: "NoCapacity", cause: "Launch: no zone can start it", calls: map[string]int{"launch proxy": 1, "setup cluster1": 1, "setup proxy": 0}},
		{why: "a launch that hangs is recorded as a timeout", world: with("launch proxy", always(hang{})),
			path: planned + provision("Launch×2 Setup GroupFailed Balanced GroupUp", noALB) + down + "Failed", failure: "Launch proxy States.Timeout: ",
			status: "FAILED", err: "States.Timeout"},
		{why: "a launch's result is too large", world: with("launch proxy", always(object{"instances": oversize})),
			path: planned + provision("Launch×2 Setup GroupFailed Balanced GroupUp", noALB) + down + "Failed", status: "FAILED", err: "States.DataLimitExceeded"},
		{why: "set-up fails", world: with("setup cluster1", always(failed{"SetupFailed", "setup of i-1 failed: no disk"})),
			path: planned + provision("Launch×2 Setup×2 GroupFailed Balanced GroupUp", noALB) + down + "Failed", failure: "Setup cluster1 SetupFailed: setup of i-1 failed: no disk",
			status: "FAILED", err: "SetupFailed", cause: "Setup: setup of i-1 failed: no disk"},
		{why: "both groups fail: the first is named",
			world: func(w *world) {
				w.faults["launch cluster1"], w.faults["setup proxy"] = always(broken), always(broken)
			},
			path: planned + provision("Launch×2 Setup GroupFailed×2", noALB) + down + "Failed", failure: "Launch cluster1 StepFailed: it broke",
			status: "FAILED", err: "StepFailed"},
		{why: "functions that stay cold are noted, and the run goes on",
			world: func(w *world) {
				w.faults["aim warm"], w.faults["shard warm"] = always(broken), always(refused("ENINotReadyException"))
			},
			path:  planned + provision("Launch×2 Setup×2 Balanced×2 GroupUp×2 AimCold ShardCold", noALB) + "Ready Prove Blocks " + trial + trial + down + "Done",
			notes: `[{"cause":"it broke","error":"StepFailed","state":"WarmAim"},{"cause":"ENINotReadyException. (Service: Lambda`, calls: map[string]int{"aim warm": 1, "shard warm": 16}},
		{why: "the branches' results together are too large",
			world: func(w *world) {
				w.faults["aim warm"], w.faults["shard warm"] = always(oversize[:140_000]), always(oversize[:140_000])
			},
			path: strings.TrimSuffix(up, "Provisioned ") + down + "Failed", failure: "Provision  States.DataLimitExceeded: ", status: "FAILED", err: "States.DataLimitExceeded"},
		{why: "a load balancer is created beside the groups, and each cluster becomes its target", world: alb(),
			path: upALB + "Ready Prove Blocks " + trial + trial + down + "Done", calls: map[string]int{"balance create": 1, "balance wait": 1, "balance register cluster1": 1, "balance register proxy": 0}},
		{why: "two clusters and no proxy", world: alb(func(w *world) { w.groups = []string{"cluster1", "cluster2"} }),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register×2", oneALB) + "Ready Prove Blocks " + trial + trial + down + "Done", calls: map[string]int{"balance register cluster2": 1}},
		{why: "a dry run creates no load balancer", world: alb(), input: `{"dryRun":true}`, path: planned + "Planned", calls: map[string]int{"balance create": 0}},
		{why: "no load balancer can be created: the groups go on, are not cancelled, and end in Teardown", world: alb(with("balance create", always(failed{"StepFailed", "no address is free"}))),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupUp NeedsBalancer BalanceCreate BalanceFailed") + down + "Failed", failure: "BalanceCreate  StepFailed: no address is free",
			status: "FAILED", err: "StepFailed", cause: "BalanceCreate: no address is free", calls: map[string]int{"balance create": 1, "balance wait": 0}},
		{why: "that is the cause, and the targets which have no group but its consequence",
			world: alb(with("balance create", always(failed{"Cancelled", "the run was cancelled"})), with("balance register cluster1", always(failed{"StepFailed", "no balancer.json"}))),
			path:  planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupFailed GroupUp NeedsBalancer BalanceCreate BalanceFailed") + down + "Failed", failure: "BalanceCreate  Cancelled: the run was cancelled",
			status: "FAILED", err: "Cancelled", cause: "BalanceCreate: the run was cancelled"},
		{why: "creating it hangs", world: alb(with("balance create", always(hang{}))),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupUp NeedsBalancer BalanceCreate BalanceFailed") + down + "Failed", failure: "BalanceCreate  States.Timeout: ",
			status: "FAILED", err: "States.Timeout"},
		{why: "creating it says too much", world: alb(with("balance create", always(oversize))),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupUp NeedsBalancer BalanceCreate BalanceFailed") + down + "Failed", failure: "BalanceCreate  States.DataLimitExceeded: ",
			status: "FAILED", err: "States.DataLimitExceeded"},
		{why: "it is slow to become active: two more waits", world: alb(with("balance wait", first(2, failed{"BalancerNotActive", "it is provisioning"}))),
			path: upALB + "Ready Prove Blocks " + trial + trial + down + "Done", calls: map[string]int{"balance wait": 3}},
		{why: "it never becomes active", world: alb(with("balance wait", always(failed{"BalancerNotActive", "it is provisioning"}))),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupUp BalanceFailed", oneALB) + down + "Failed", failure: "BalanceWait  BalancerNotActive: it is provisioning",
			status: "FAILED", err: "BalancerNotActive", cause: "BalanceWait: it is provisioning", calls: map[string]int{"balance wait": 3}},
		{why: "a group cannot be launched: what the ALB's wait says of it is its consequence",
			world: alb(with("balance wait", always(failed{"LaunchFailed", "cluster1 could not be launched"})), with("launch cluster1", always(failed{"NoCapacity", "no zone has it"}))),
			path:  planned + provision("Launch×2 Setup GroupFailed Balanced GroupUp BalanceFailed", oneALB) + down + "Failed", failure: "Launch cluster1 NoCapacity: no zone has it",
			status: "FAILED", err: "NoCapacity", cause: "Launch: no zone has it", calls: map[string]int{"balance wait": 1}},
		{why: "it has failed: no use to wait on", world: alb(with("balance wait", always(failed{"BalancerFailed", "no address is free"}))),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupUp BalanceFailed", oneALB) + down + "Failed", failure: "BalanceWait  BalancerFailed: no address is free",
			status: "FAILED", err: "BalancerFailed", cause: "BalanceWait: no address is free", calls: map[string]int{"balance wait": 1}},
		{why: "waiting hangs", world: alb(with("balance wait", always(hang{}))),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupUp BalanceFailed", oneALB) + down + "Failed", failure: "BalanceWait  States.Timeout: ",
			status: "FAILED", err: "States.Timeout"},
		{why: "nodes cannot become targets: recorded like a failed group", world: alb(with("balance register cluster1", always(failed{"StepFailed", "i-1 is no target"}))),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupFailed GroupUp", oneALB) + down + "Failed", failure: "Register cluster1 StepFailed: i-1 is no target",
			status: "FAILED", err: "StepFailed", cause: "Register: i-1 is no target", calls: map[string]int{"balance wait": 1, "balance register cluster1": 1}},
		{why: "registering hangs", world: alb(with("balance register cluster1", always(hang{}))),
			path: planned + provision("Launch×2 Setup×2 Balanced×2 Register GroupFailed GroupUp", oneALB) + down + "Failed", failure: "Register cluster1 States.Timeout: ",
			status: "FAILED", err: "States.Timeout"},
		{why: "registering says too much, of which nothing is kept", world: alb(with("balance register cluster1", always(oversize[:200_000]))),
			path: upALB + "Ready Prove Blocks " + trial + trial + down + "Done"},
		{why: "nodes that could not be set up are no targets; the load balancer is waited for all the same", world: alb(with("setup cluster1", always(broken))),
			path: planned + provision("Launch×2 Setup×2 Balanced GroupFailed GroupUp", oneALB) + down + "Failed", failure: "Setup cluster1 StepFailed: it broke",
			status: "FAILED", err: "StepFailed", calls: map[string]int{"balance wait": 1, "balance register cluster1": 0}},
		{why: "targets never become healthy", world: alb(with("ready", always(failed{"TargetsUnhealthy", "i-1 is unhealthy: Target.Timeout"}))),
			path: upALB + "Ready " + down + "Failed", failure: "Ready  TargetsUnhealthy: i-1 is unhealthy", status: "FAILED", err: "TargetsUnhealthy", cause: "Ready: i-1 is unhealthy"},

		{why: "a node is lost before the first trial", world: with("ready", always(failed{"NodeLost", "i-1 is lost"})),
			path: up + "Ready " + down + "Failed", failure: "Ready  NodeLost: i-1 is lost", status: "FAILED", err: "NodeLost", cause: "Ready: i-1 is lost"},
		{why: "a node never answers", world: with("prove", always(failed{"PathUnproven", "i-1 is silent"})),
			path: up + "Ready Prove " + down + "Failed", failure: "Prove  PathUnproven: i-1 is silent", status: "FAILED", err: "PathUnproven", cause: "Prove: i-1 is silent"},

		{why: "a trial cannot be aimed: it is noted, the next runs, and the run has failed", world: with("aim b01", always(failed{"NodesUnhealthy", "i-1"})),
			path: blocks + "TimeLeft Aim TrialFailed " + trial + down + "Failed", status: "FAILED", err: "RunFailed", cause: "trial b01 failed",
			notes: `[{"failure":{"cause":"i-1","error":"NodesUnhealthy","state":"Aim"},"status":"failed","trial":"b01"}]`},
		{why: "an aim is too large", world: with("aim b01", always(oversize)),
			path: blocks + "TimeLeft Aim TrialFailed " + trial + down + "Failed", status: "FAILED", err: "RunFailed", cause: "trial b01 failed",
			notes: `[{"failure":{"cause":"The state/task`},
		{why: "a trial's result is invalid: its tally says so, and a note of it would take the place of a failure's", world: with("merge b02", always(object{"trial": "b02", "status": "invalid", "reason": "2 shards are missing"})),
			path: blocks + trial + trial + down + "Done"},
		{why: "nothing is observed: Merge judges what is there", world: with("observe b01", always(broken)), path: blocks + trial + trial + down + "Done"},
		{why: "what is observed is too large", world: with("observe b01", always(oversize)), path: blocks + trial + trial + down + "Done"},
		{why: "a trial cannot be merged", world: with("merge b01", always(failed{"StepFailed", strings.Repeat("long ", 100)})),
			path: blocks + trial + "TrialFailed " + trial + down + "Failed", status: "FAILED", err: "RunFailed", cause: "trial b01 failed",
			notes: `[{"failure":{"cause":"` + strings.Repeat("long ", 32) + `","error":"StepFailed","state":"Merge"},"status":"failed","trial":"b01"}]`},
		{why: "a merged trial is too large", world: with("merge b01", always(oversize)), path: blocks + trial + "TrialFailed " + trial + down + "Failed", status: "FAILED", err: "RunFailed", cause: "trial b01 failed",
			notes: `[{"failure":{"cause":"The state/task`},
		{why: "the trials together are too large: the run is judged from its objects",
			world: func(w *world) {
				for _, trial := range w.trials {
					w.faults["merge "+trial] = always(object{"status": "ok", "reason": oversize[:140_000]})
				}
			},
			path: blocks + trial + trial + down + "Failed", failure: "Blocks  States.DataLimitExceeded: ", status: "FAILED", err: "States.DataLimitExceeded"},
		{why: "the deadline passes: the rest is skipped", world: func(w *world) { w.ttl = 30 * time.Second },
			path: blocks + trial + "TimeLeft Skipped " + down + "Failed", status: "FAILED", err: "RunIncomplete", cause: "some trials did not run", notes: `[{"reason":"the run's deadline has passed","status":"skipped","trial":"b02"}]`},
		{why: "of many failed trials Judge is told 20", world: func(w *world) { w.ttl = time.Second; w.trials = strings.Fields(strings.Repeat("b ", 50)) },
			path: blocks + strings.Repeat("TimeLeft Skipped ", 50) + down + "Failed", status: "FAILED", err: "RunIncomplete", cause: "some trials did not run",
			notes: "[" + strings.TrimSuffix(strings.Repeat(`{"reason":"the run's deadline has passed","status":"skipped","trial":"b"},`, 20), ",") + "]"},

		{why: "over 40 shards are distributed", world: func(w *world) { w.shards = 41 },
			path: blocks + strings.Repeat("TimeLeft Aim ManyShards ShardsDistributed Quiesce Observe Merge ", 2) + down + "Done", calls: map[string]int{"shard b01/40": 1}},
		{why: "40 are not", world: func(w *world) { w.shards = 40 },
			path: blocks + strings.Repeat("TimeLeft Aim ManyShards Shards(Shard×40) Quiesce Observe Merge ", 2) + down + "Done"},

		{why: "what is left at the end is a leak, whatever was measured", world: func(w *world) { w.left = []string{"i-1", "i-2"} },
			path: blocks + trial + trial + down + "Leaked", status: "FAILED", err: "Leaked", cause: "not ended: i-1, i-2"},
		{why: "a leak after a failure names both",
			world: func(w *world) { w.left = []string{"i-1"}; w.faults["ready"] = always(broken) },
			path:  up + "Ready " + down + "Leaked", failure: "Ready  StepFailed: it broke", status: "FAILED", err: "Leaked", cause: "not ended: i-1; Ready: it broke"},
		{why: "Teardown that fails six times may have left anything; the run is judged all the same", world: with("teardown", always(broken)),
			path: blocks + trial + trial + down + "Leaked", status: "FAILED", err: "Leaked", cause: "not ended: unknown, Teardown failed: StepFailed: it broke",
			calls: map[string]int{"teardown": 6, "judge": 1}},
		{why: "Teardown that succeeds the last time", world: with("teardown", first(5, broken)),
			path: blocks + trial + trial + down + "Done", calls: map[string]int{"teardown": 6}},
		{why: "Teardown hangs", world: with("teardown", first(1, hang{})), path: blocks + trial + trial + down + "Done", calls: map[string]int{"teardown": 2}},
		{why: "Teardown's result is too large", world: with("teardown", always(object{"left": oversize})),
			path: blocks + trial + trial + down + "Leaked", status: "FAILED", err: "Leaked", cause: "not ended: unknown, Teardown failed: States.DataLimitExceeded: "},
		{why: "no report, no green end", world: with("judge", always(broken)),
			path: blocks + trial + trial + down + "Failed", status: "FAILED", err: "JudgeFailed", cause: "the report could not be written: StepFailed: it broke", calls: map[string]int{"judge": 1}},
		{why: "nor if Judge's result is too large", world: with("judge", always(oversize)),
			path: blocks + trial + trial + down + "Failed", status: "FAILED", err: "JudgeFailed", cause: "the report could not be written: States.DataLimitExceeded: "},
		{why: "a leak without a report is a leak", world: func(w *world) { w.left = []string{"i-1"}; w.faults["judge"] = always(broken) },
			path: blocks + trial + trial + down + "Leaked", status: "FAILED", err: "Leaked", cause: "not ended: i-1; the report could not be written: StepFailed: it broke"},
	} {
		t.Run(c.why, func(t *testing.T) {
			w := newWorld()
			if c.world != nil {
				c.world(w)
			}
			if c.input == "" {
				c.input = "{}"
			}
			e := run(t, w, c.input)
			if c.status == "" {
				c.status = "SUCCEEDED"
			}
			if e.status != c.status || e.err != c.err || !strings.HasPrefix(e.cause, c.cause) {
				t.Errorf("%s %s: %s\nwant %s %s: %s…", e.status, e.err, e.cause, c.status, c.err, c.cause)
			}
			if strings.ContainsAny(e.cause, "{\n") {
				t.Errorf("the cause is not one readable line: %s", e.cause)
			}
			if e.path != c.path {
				t.Errorf("visited %s\nwant    %s", e.path, c.path)
			}
			if got := toldFailure(w.told); !strings.HasPrefix(got, c.failure) || c.failure == "" && c.status == "SUCCEEDED" && got != "" {
				t.Errorf("Judge is told of the failure %q, want %q", got, c.failure)
			}
			if notes, _ := json.Marshal(w.told.Notes); w.told.Run != "" && !strings.HasPrefix(string(notes), c.notes) || c.notes == "" && len(w.told.Notes) > 0 {
				t.Errorf("Judge is told the notes %s\nwant %s", notes, c.notes)
			}
			for call, want := range c.calls {
				if got := len(w.calls[call]); got != want {
					t.Errorf("%s was called %d times, want %d", call, got, want)
				}
			}
		})
	}
}

func toldFailure(in judgeIn) string {
	if in.Failure == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s: %s", in.Failure.State, in.Failure.Group, in.Failure.Error, in.Failure.Cause)
}

// TestOutputs: a run that went well gives what Judge says, a dry run what Plan says.
func TestOutputs(t *testing.T) {
	for _, c := range []struct{ why, input, output string }{
		{"Judge's verdict", `{}`, `{"report":"runs/r1/report.json","status":"done"}`},
		{"the plan", `{"dryRun":true}`, `{"balanced":false,"deadline":"2000-01-01T01:00:00Z","dryRun":true,"groups":[{"balanced":false,"group":"cluster1"},{"balanced":false,"group":"proxy"}],"run":"r1","summary":{"trials":2,"usd":0.1},"trials":[{"trial":"b01"},{"trial":"b02"}]}`},
	} {
		if e := run(t, newWorld(), c.input); e.output != c.output {
			t.Errorf("%s: %s\nwant %s", c.why, e.output, c.output)
		}
	}
}
