package steps

import (
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
	Zones         []string               // of the subnets; empty if the template does not tell
	Region        string
	Student       bool   // an account with the limits of AWS Academy's labs, which holds one run at a time
	Bucket        string // of the Store, to name its objects to the user
}

// Planner validates the input, holds it against the account, and writes the
// run's record, which makes the run's name its own.
type Planner struct {
	Store    Store
	Account  Account
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

	Checks     []bench.Check   `json:"checks"`               // what the account said
	Suggestion json.RawMessage `json:"suggestion,omitempty"` // dry run: fields of the plan to change so that it fits
}

// Run plans. Errors: *InvalidPlan, *OverBudget, *QuotaTooSmall, *RunLocked,
// *RunNameTaken. A dry run writes nothing, and reports what is too small without
// failing.
//
// A repeated Plan finds the record of the first one and gives what that says,
// whatever the account says by now.
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
	s := p.Settings
	account := preflight{facts: ask(ctx, p.Account, s.Zones), zones: s.Zones, region: s.Region, student: s.Student}
	r.Checks = account.checks(plan)
	var suggestion json.RawMessage
	lacking := shortages(r.Checks)
	if len(lacking) > 0 {
		suggestion = account.suggest(in.Input, plan)
	}
	if plan.DryRun {
		if s.Student {
			r.Checks = append(r.Checks, lockCheck(ctx, p.Store, r.Execution))
		}
		return p.out(r, suggestion), nil
	}
	if len(lacking) > 0 {
		return PlanOut{}, &QuotaTooSmall{Short: lacking, Suggestion: suggestion}
	}
	if r, err = p.begin(ctx, r); err != nil {
		return PlanOut{}, err
	}
	return p.out(r, nil), nil
}

// begin takes the run lock, if the account needs one, and then writes the
// record: it is last, because it is what the sweep takes for a run.
func (p *Planner) begin(ctx context.Context, r bench.RunRecord) (bench.RunRecord, error) {
	r.Locked = p.Settings.Student
	if !r.Locked {
		return p.claimName(ctx, r)
	}
	taken, err := takeLock(ctx, p.Store, r, p.Settings.Bucket)
	if err != nil {
		return r, err
	}
	written, err := p.claimName(ctx, r)
	if err == nil {
		return written, nil
	}
	// Also if ctx has ended: without a record nobody else would free the lock.
	freeing, cancel := context.WithTimeout(context.WithoutCancel(ctx), reserve)
	defer cancel()
	if failed := giveBack(freeing, p.Store, taken); failed != nil {
		return r, fmt.Errorf("%w; and %w: it holds until %s", err, failed, r.Expiry.Format(time.RFC3339))
	}
	return r, err
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

// claimName writes the record unless there is one, and gives the one that holds.
func (p *Planner) claimName(ctx context.Context, r bench.RunRecord) (bench.RunRecord, error) {
	key := bench.RunKeys{Run: r.Run}.Plan()
	body, err := encode(r)
	if err != nil {
		return r, fmt.Errorf("write %s: %w", key, err)
	}
	raw, err := claim(ctx, p.Store, key, body)
	if err != nil {
		return r, err
	}
	var holder bench.RunRecord
	if err := json.Unmarshal(raw, &holder); err != nil {
		return r, fmt.Errorf("read %s: %w", key, err)
	}
	if holder.Execution != r.Execution {
		return r, &RunNameTaken{Run: r.Run, Owner: holder.Execution}
	}
	return holder, nil // perhaps of a Plan whose answer was lost
}

func (p *Planner) out(r bench.RunRecord, suggestion json.RawMessage) PlanOut {
	out := PlanOut{
		Run: r.Run, Deadline: r.Deadline, DryRun: r.Plan.DryRun,
		Groups: []GroupName{}, Trials: []TrialName{},
		Summary: PlanSummary{
			Trials: len(r.Trials), Minutes: r.Plan.EstimateTime().Minutes(),
			USD: r.Estimate.USD, MaxUSD: r.Plan.MaxUSD, Expiry: r.Expiry,
			Checks: r.Checks, Suggestion: suggestion,
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
