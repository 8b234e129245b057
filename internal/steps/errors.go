package steps

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// InvalidPlan is an input that cannot run. Its message lists every mistake.
type InvalidPlan struct{ Err error }

func (e *InvalidPlan) Error() string { return e.Err.Error() }
func (e *InvalidPlan) Unwrap() error { return e.Err }

// OverBudget is a plan that would cost more than its own maxUSD.
type OverBudget struct{ Estimate, Max float64 }

func (e *OverBudget) Error() string {
	return fmt.Sprintf("the run would cost about $%.4g, above maxUSD %.4g: ask for fewer blocks, nodes or shards, or set maxUSD to %.2f", e.Estimate, e.Max, math.Ceil(e.Estimate*110)/100)
}

// QuotaTooSmall is a plan that the account cannot run, found out before
// anything is launched.
type QuotaTooSmall struct {
	Short      []bench.Check   // all that is too small
	Suggestion json.RawMessage // fields of the plan to change so that it fits; nil if none were found
}

func (e *QuotaTooSmall) Error() string {
	var b strings.Builder
	b.WriteString("the account is too small for this plan: ")
	for i, c := range e.Short {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(c.What + ": " + c.Detail)
	}
	if e.Suggestion == nil {
		b.WriteString(". No smaller plan of these clusters fits either: ask for a higher quota, or use another region or account")
	} else {
		b.WriteString(". It fits with these fields of the plan: " + string(e.Suggestion))
	}
	return b.String()
}

// RunNameTaken is a run whose keys belong to another execution.
type RunNameTaken struct{ Run, Owner string }

func (e *RunNameTaken) Error() string {
	return fmt.Sprintf("the results of run %s belong to execution %s: start the execution under another name", e.Run, e.Owner)
}

// RunLocked is a run that came while another one holds the stack's lock. Only
// student accounts have it: two fleets at once would close them.
type RunLocked struct {
	Execution string // the holder, an ARN
	Until     time.Time
	Lock      string // s3://bucket/key
}

func (e *RunLocked) Error() string {
	return fmt.Sprintf("a student account holds one run at a time, and execution %s holds the lock until its fleet is gone, at the latest until %s: wait, or stop it; if it is not running and no instance is left, free the lock with: aws s3 rm %s",
		e.Execution, e.Until.UTC().Format(time.RFC3339), e.Lock)
}

// Cancelled is a launch, or the creation of a load balancer, that came after the
// run had been given up.
type Cancelled struct{ Run string }

func (e *Cancelled) Error() string {
	return fmt.Sprintf("run %s has been cancelled: nothing more is created", e.Run)
}

// NoCapacity is a group that no subnet's zone could take.
type NoCapacity struct {
	Group, Type string
	Count       int
	Err         error // of the last zone
}

func (e *NoCapacity) Error() string {
	return fmt.Sprintf("no zone can start %d × %s for %s: try later, or another instance type (%v)", e.Count, e.Type, e.Group, e.Err)
}
func (e *NoCapacity) Unwrap() error { return e.Err }

// QuotaExceeded is a group that the account's own limits forbid.
type QuotaExceeded struct {
	Group, Type string
	Count       int
	Err         error
}

func (e *QuotaExceeded) Error() string {
	return fmt.Sprintf("the account's limit forbids %d × %s for %s: use fewer or smaller nodes, or ask for a higher quota (%v)", e.Count, e.Type, e.Group, e.Err)
}
func (e *QuotaExceeded) Unwrap() error { return e.Err }

// SetupFailed is a node on which the program could not be installed or started.
type SetupFailed struct{ Node, Group, Reason string }

func (e *SetupFailed) Error() string {
	return fmt.Sprintf("%s (%s): %s", e.Node, e.Group, strings.TrimPrefix(e.Reason, "setup: "))
}

// NodeLost is an instance that ended, or never ran, before the first trial.
type NodeLost struct{ Node, Group, Reason string }

func (e *NodeLost) Error() string {
	return fmt.Sprintf("%s (%s) is lost: %s", e.Node, e.Group, e.Reason)
}

// BalancerQuotaExceeded is a load balancer, or a part of it, that the account's
// own limits forbid.
type BalancerQuotaExceeded struct{ Err error }

func (e *BalancerQuotaExceeded) Error() string {
	return fmt.Sprintf("the account's limit forbids it: delete an unused load balancer or target group, use fewer alb targets, or ask for a higher quota (%v)", e.Err)
}
func (e *BalancerQuotaExceeded) Unwrap() error { return e.Err }

// BalancerNotActive is a load balancer that takes longer than one wait: it may
// yet become active.
type BalancerNotActive struct{ Name, State string }

func (e *BalancerNotActive) Error() string {
	return fmt.Sprintf("load balancer %s is not active yet, but %s", e.Name, e.State)
}

// BalancerFailed is a load balancer that will never be active.
type BalancerFailed struct{ Name, Reason string }

func (e *BalancerFailed) Error() string {
	return fmt.Sprintf("load balancer %s will not be active: %s", e.Name, e.Reason)
}

// LaunchFailed is a load balancer that is not waited for any more: a group of
// the run could not be launched.
type LaunchFailed struct{ Group string }

func (e *LaunchFailed) Error() string {
	return fmt.Sprintf("%s could not be launched: the load balancer is not waited for", e.Group)
}

// BalancerIncomplete is a load balancer of which not all parts were created.
type BalancerIncomplete struct{ Run string }

func (e *BalancerIncomplete) Error() string {
	return fmt.Sprintf("the load balancer of run %s lacks target groups: see why the Balance branch failed", e.Run)
}

// TargetsUnhealthy names the nodes that the load balancer does not find healthy:
// "i-1 of cluster1 for round_robin: unhealthy (Target.Timeout: Request timed out)".
type TargetsUnhealthy struct{ Targets []string }

func (e *TargetsUnhealthy) Error() string {
	return "the load balancer does not find every node healthy: " + strings.Join(e.Targets, "; ")
}

// PathUnproven names, with the reason, the nodes that never answered through a
// target: "cluster1 through proxy: i-1 (never chosen)".
type PathUnproven struct{ Missing []string }

func (e *PathUnproven) Error() string {
	return "not every node answered: " + strings.Join(e.Missing, "; ")
}

// NodesUnhealthy is a trial that cannot begin with all of its nodes.
type NodesUnhealthy struct {
	Trial string
	Nodes []string // "i-1 (unhealthy)"
}

func (e *NodesUnhealthy) Error() string {
	return "not all nodes are well: " + strings.Join(e.Nodes, ", ") // who reports it names the trial
}

// LeaseTaken is a shard whose load another invocation has sent, or is sending.
type LeaseTaken struct {
	Trial string
	Shard int
	Owner string
}

func (e *LeaseTaken) Error() string {
	return fmt.Sprintf("shard %d of trial %s belongs to %s: a load is never sent twice", e.Shard, e.Trial, e.Owner)
}

// StillRunning is what a sweep could not end; the next sweep tries again.
type StillRunning struct {
	Left []string // instance ids, ARNs of load balancers and target groups
}

func (e *StillRunning) Error() string {
	return "not ended: " + strings.Join(e.Left, ", ") + "; the next sweep tries again"
}

// StepFailed is any other failure, under a name that says so: without it Step
// Functions would show the name of Go's wrapping type.
type StepFailed struct {
	Step string
	Err  error
}

func (e *StepFailed) Error() string { return e.Step + ": " + e.Err.Error() }
func (e *StepFailed) Unwrap() error { return e.Err }

// Named gives an error a type of this package, whose name Step Functions will
// show: its own if it has one, else StepFailed.
func Named(step string, err error) error {
	switch err.(type) { //nolint:errorlint // the outermost type is the one that is shown
	case nil, *InvalidPlan, *OverBudget, *QuotaTooSmall, *RunNameTaken, *RunLocked, *Cancelled, *NoCapacity, *QuotaExceeded, *SetupFailed,
		*BalancerQuotaExceeded, *BalancerNotActive, *BalancerFailed, *BalancerIncomplete, *LaunchFailed, *TargetsUnhealthy,
		*NodeLost, *PathUnproven, *NodesUnhealthy, *LeaseTaken, *StillRunning, *StepFailed:
		return err
	}
	return &StepFailed{Step: step, Err: err}
}
