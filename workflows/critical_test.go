package workflows_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/workflows"
)

// Times as AWS has them in the median; docs/architecture.md names them.
const (
	planTime     = 4 * time.Second
	launchTime   = 4 * time.Second
	bootTime     = 25 * time.Second // from RunInstances' answer on
	agentTime    = 20 * time.Second // from boot until SSM calls it Online
	commandTime  = 8 * time.Second
	createTime   = 3 * time.Second
	registerTime = time.Second
	healthTime   = 5 * time.Second   // one interval, once a target can be asked
	waitTime     = 270 * time.Second // the longest that one call waits for the balancer
	readyTime    = 2 * time.Second
	proveTime    = time.Second
	aimTime      = time.Second
)

// tail is what follows when all is up, until the first request.
const tail = readyTime + proveTime + aimTime + lead

// tempo paces a world as AWS would: what was begun goes on by itself.
type tempo struct {
	delay time.Duration // from the creation of a load balancer until it is active

	mu         sync.Mutex
	online     map[string]time.Time // when a group's agents are, by group
	active     time.Time            // when the load balancer is; zero before its creation
	registered time.Time            // when the last targets are
}

// world is one cluster, the proxy, and with alb a load balancer.
func (a *tempo) world(alb bool) *world {
	w := newWorld()
	a.online = map[string]time.Time{}
	w.alb, w.pace = alb, a.pace
	w.faults["balance wait"] = func(int) any {
		a.mu.Lock()
		defer a.mu.Unlock()
		if time.Until(a.active) > waitTime {
			return late{waitTime, failed{"BalancerNotActive", "it is provisioning"}}
		}
		return nil
	}
	w.faults["balance register cluster1"] = func(int) any {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.active.IsZero() {
			return late{time.Minute, failed{"StepFailed", "there is no balancer.json"}}
		}
		return nil
	}
	return w
}

func (a *tempo) pace(call string) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	what, group, _ := strings.Cut(call, " ")
	switch {
	case call == "plan":
		return planTime
	case what == "launch":
		a.online[group] = now.Add(launchTime + bootTime + agentTime)
		return launchTime
	case what == "setup":
		return a.online[group].Sub(now) + commandTime
	case call == "balance create":
		a.active = now.Add(createTime + a.delay)
		return createTime
	case call == "balance wait":
		return max(0, a.active.Sub(now))
	case what == "balance":
		a.registered = now.Add(registerTime)
		return registerTime
	case call == "ready" && !a.active.IsZero():
		healthy := a.active
		if a.registered.After(healthy) {
			healthy = a.registered
		}
		return max(readyTime, healthy.Add(healthTime).Sub(now))
	case call == "ready":
		return readyTime
	}
	return time.Second // prove, aim, and waking
}

// late is a fault after a while.
type late struct {
	after time.Duration
	error
}

// TestCriticalPath: the first request of a plan without a load balancer is sent
// within 75 s of the start, and a load balancer adds nothing but its own delay.
func TestCriticalPath(t *testing.T) {
	for _, c := range []struct {
		alb   bool
		delay time.Duration
		first time.Duration // T0 of the first trial
	}{
		{false, 0, 75 * time.Second},
		{true, 0, 79 * time.Second}, // to register, and to be found healthy while the rest of Ready goes on
		{true, 50 * time.Second, 79 * time.Second},
		{true, 58 * time.Second, 82 * time.Second},
		{true, 120 * time.Second, 144 * time.Second},
		{true, 240 * time.Second, 264 * time.Second},
		{true, 400 * time.Second, 424 * time.Second}, // which takes two calls
	} {
		t.Run(fmt.Sprintf("alb %v active after %v", c.alb, c.delay), func(t *testing.T) {
			first, faults := critical(t, workflows.Benchmark, c.alb, c.delay)
			for _, f := range faults {
				t.Error(f)
			}
			if first != c.first {
				t.Errorf("the first request is sent after %v, want %v", first, c.first)
			}
		})
	}
}

// critical executes a definition at AWS's pace. It gives the time from the start
// until the first request, and what of the critical path does not hold.
func critical(t *testing.T, definition string, alb bool, delay time.Duration) (first time.Duration, faults []string) {
	t.Helper()
	a := &tempo{delay: delay}
	w := a.world(alb)
	e := execute(t, w, definition, "{}")
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	if e.status != "SUCCEEDED" {
		wrong("it is %s: %s: %s", e.status, e.err, e.cause)
		return 0, faults
	}
	first = w.aims["b01"].T0.Sub(e.begun)
	const without = planTime + launchTime + bootTime + agentTime + commandTime + tail
	if without > 75*time.Second {
		wrong("AWS's own times are %v", without)
	}
	limit := without
	if alb {
		limit = max(without, planTime+createTime+delay+tail) + registerTime + healthTime
		up := e.begun.Add(without - tail + registerTime)
		if late := a.registered.Sub(a.active); late > 0 && a.active.After(up) {
			wrong("targets are registered %v after the load balancer is active", late)
		}
	}
	if first > limit {
		wrong("the first request is sent after %v, and at the most it may be %v", first, limit)
	}
	for call, at := range map[string]time.Duration{"launch cluster1": planTime, "launch proxy": planTime,
		"setup cluster1": planTime + launchTime, "setup proxy": planTime + launchTime} {
		if got := w.calls[call][0].Sub(e.begun); got > at {
			wrong("%s begins after %v, and could after %v", call, got, at)
		}
	}
	return first, faults
}

// TestCriticalPathIsWatched changes the definition so that something waits for
// what it need not wait for, and TestCriticalPath must find each.
func TestCriticalPathIsWatched(t *testing.T) {
	for _, c := range []struct {
		why    string
		alb    bool
		change func(states object)
	}{
		{"the load balancer before the fleet", true, func(states object) {
			branches := at(states, "Provision")["Branches"].([]any)
			balance := branches[1].(object)
			states["Balance"] = object{"Type": "Parallel", "Branches": []any{balance}, "Output": "{% $states.input %}", "Next": "Provision"}
			branches[1] = object{"StartAt": "Done1", "States": object{"Done1": object{"Type": "Pass", "Output": object{}, "End": true}}}
			at(states, "DryRun")["Default"] = "Balance"
		}},
		{"the load balancer after the fleet", true, func(states object) {
			branches := at(states, "Provision")["Branches"].([]any)
			balance := branches[1].(object)
			states["Balance"] = object{"Type": "Parallel", "Branches": []any{balance}, "Next": "Ready"}
			branches[1] = object{"StartAt": "Done1", "States": object{"Done1": object{"Type": "Pass", "Output": object{}, "End": true}}}
			at(states, "Provisioned")["Choices"].([]any)[0].(object)["Next"] = "Balance"
			register(branches[0], balance)
		}},
		{"targets only when the load balancer is active", true, func(states object) {
			branches := at(states, "Provision")["Branches"].([]any)
			register(branches[0], branches[1])
		}},
		{"the fleet after the functions have woken", false, func(states object) {
			branches := at(states, "Provision")["Branches"].([]any)
			fleet, warm := at(branches[0].(object), "States"), at(branches[2].(object), "States")
			warm["Groups"] = fleet["Groups"]
			delete(at(warm, "WarmAim"), "End")
			at(warm, "WarmAim")["Next"] = "Groups"
			branches[0] = branches[2]
			branches[2] = object{"StartAt": "Done1", "States": object{"Done1": object{"Type": "Pass", "Output": object{}, "End": true}}}
		}},
	} {
		t.Run(c.why, func(t *testing.T) {
			var machine object
			if err := json.Unmarshal([]byte(workflows.Benchmark), &machine); err != nil {
				t.Fatal(err)
			}
			c.change(at(machine, "States"))
			changed, err := json.Marshal(machine)
			if err != nil {
				t.Fatal(err)
			}
			first, faults := critical(t, string(changed), c.alb, 120*time.Second)
			if len(faults) == 0 {
				t.Errorf("nothing is found, and the first request is sent after %v", first)
			}
			t.Log(strings.Join(faults, "; "))
		})
	}
}

func at(o object, names ...string) object {
	for _, name := range names {
		o = o[name].(object)
	}
	return o
}

// register moves Register from the groups to the end of a branch that waits for
// the load balancer.
func register(groups, balance any) {
	fleet := at(groups.(object), "States", "Groups")
	iteration := at(fleet, "ItemProcessor", "States")
	moved := object{}
	for _, name := range []string{"Balanced", "Register", "GroupUp"} {
		moved[name] = iteration[name]
		delete(iteration, name)
	}
	for _, c := range at(moved, "Register")["Catch"].([]any) {
		c.(object)["Next"] = "GroupUp"
	}
	delete(at(iteration, "Setup"), "Next")
	at(iteration, "Setup")["End"] = true

	branch := at(balance.(object), "States")
	delete(at(branch, "BalanceWait"), "End")
	at(branch, "BalanceWait")["Next"] = "RegisterAll"
	branch["RegisterAll"] = object{"Type": "Map", "Items": "{% $groups %}", "ItemSelector": fleet["ItemSelector"],
		"ItemProcessor": object{"StartAt": "Balanced", "States": moved}, "Output": object{}, "End": true}
}
