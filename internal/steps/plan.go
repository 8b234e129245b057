package steps

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Times of a run, in this order: no trial begins after the deadline; the last
// one and Teardown end before ttl; instances end themselves, and the sweep
// ends them, at the expiry. ttl ≤ 170 min keeps all that within the state
// machine's own three hours.
const (
	teardownAllowance = 2 * time.Minute  // terminate, look again, receipt
	startAllowance    = 90 * time.Second // the fastest start that AWS gives
	expiryMargin      = 10 * time.Minute
)

// Settings are what the template tells Plan of itself.
type Settings struct {
	Stack         string
	T0Lead        time.Duration
	Subnets       []string
	Document      string
	BalancerGroup string
	Images        map[string]bench.Image // by architecture
}

// Planner validates the input and writes the run's record, which is its lock.
type Planner struct {
	Store    Store
	Settings Settings
}

// PlanIn is the machine's input and who runs it.
type PlanIn struct {
	Input     json.RawMessage `json:"input"`
	Execution string          `json:"execution"` // ARN
	StartedAt time.Time       `json:"startedAt"` // of the execution, so that a repeated Plan gives the same times
}

// PlanOut is what the state machine goes on with.
type PlanOut struct {
	Run      string      `json:"run"`
	Deadline time.Time   `json:"deadline"`
	Groups   []GroupName `json:"groups"`
	Balanced bool        `json:"balanced"` // the plan has an alb target
	Trials   []TrialName `json:"trials"`
	DryRun   bool        `json:"dryRun"`
	Summary  PlanSummary `json:"summary"`
}

// GroupName and TrialName are items of the machine's Maps.
type GroupName struct {
	Group    string `json:"group"`
	Balanced bool   `json:"balanced"` // its instances become a load balancer's targets
}

// TrialName is a trial's key.
type TrialName struct {
	Trial string `json:"trial"`
}

// PlanSummary is a plan in numbers, for whoever starts a dry run.
type PlanSummary struct {
	Arms      []string  `json:"arms"`
	Trials    int       `json:"trials"`
	Instances int       `json:"instances"`
	Minutes   float64   `json:"minutes"`
	USD       float64   `json:"usd"`
	MaxUSD    float64   `json:"maxUSD"`
	Expiry    time.Time `json:"expiry"`
}

// Run plans. Errors: *InvalidPlan, *OverBudget, *RunNameTaken. A dry run writes nothing.
func (p *Planner) Run(ctx context.Context, in PlanIn) (PlanOut, error) {
	plan, err := bench.ParsePlan(in.Input)
	if err != nil {
		return PlanOut{}, &InvalidPlan{err}
	}
	r := p.record(plan, in)
	if r.Deadline.Before(r.StartedAt.Add(startAllowance)) {
		least := plan.Load.TrialTime() + p.Settings.T0Lead + teardownAllowance + startAllowance
		return PlanOut{}, &InvalidPlan{fmt.Errorf("ttl is %v, too short for one trial of this load: use %v or more", plan.TTL, least.Round(time.Second))}
	}
	if r.Estimate.USD > plan.MaxUSD {
		return PlanOut{}, &OverBudget{Estimate: r.Estimate.USD, Max: plan.MaxUSD}
	}
	if !plan.DryRun {
		if err := p.lock(ctx, r); err != nil {
			return PlanOut{}, err
		}
	}
	return p.out(r), nil
}

func (p *Planner) record(plan bench.Plan, in PlanIn) bench.RunRecord {
	s, start := p.Settings, in.StartedAt.UTC()
	longest := s.T0Lead + plan.Load.TrialTime()
	return bench.RunRecord{
		Run: bench.RunID(in.Execution), Execution: in.Execution, Stack: s.Stack,
		StartedAt: start,
		Deadline:  start.Add(time.Duration(plan.TTL) - longest - teardownAllowance),
		Expiry:    start.Add(time.Duration(plan.TTL) + expiryMargin).Truncate(time.Second),
		T0Lead:    bench.Duration(s.T0Lead),
		Plan:      plan, Groups: plan.Groups(), Trials: plan.Trials(), Estimate: plan.EstimateCost(),
		Document: s.Document, Subnets: s.Subnets,
		BalancerGroup: s.BalancerGroup, Images: s.Images,
	}
}

// lock writes the record unless another execution has.
func (p *Planner) lock(ctx context.Context, r bench.RunRecord) error {
	key := bench.RunKeys{Run: r.Run}.Plan()
	body, err := encode(r)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	holder, err := claim(ctx, p.Store, key, body)
	if err != nil || bytes.Equal(holder, body) {
		return err
	}
	var other bench.RunRecord
	if err := json.Unmarshal(holder, &other); err != nil {
		return fmt.Errorf("read %s: %w", key, err)
	}
	if other.Execution != r.Execution {
		return &RunNameTaken{Run: r.Run, Owner: other.Execution}
	}
	return nil // this execution's own, from a Plan whose answer was lost
}

func (p *Planner) out(r bench.RunRecord) PlanOut {
	out := PlanOut{
		Run: r.Run, Deadline: r.Deadline, DryRun: r.Plan.DryRun,
		Groups: []GroupName{}, Trials: []TrialName{},
		Summary: PlanSummary{
			Trials: len(r.Trials), Minutes: r.Plan.EstimateTime().Minutes(),
			USD: r.Estimate.USD, MaxUSD: r.Plan.MaxUSD, Expiry: r.Expiry,
		},
	}
	out.Balanced = len(r.Plan.ALBs()) > 0
	for _, g := range r.Groups {
		out.Groups = append(out.Groups, GroupName{Group: g.Name, Balanced: out.Balanced && g.Role == bench.RoleNode})
		out.Summary.Instances += g.Count
	}
	for _, t := range r.Trials {
		out.Trials = append(out.Trials, TrialName{t.Key})
	}
	for _, a := range r.Plan.Arms() {
		out.Summary.Arms = append(out.Summary.Arms, a.Name)
	}
	return out
}
