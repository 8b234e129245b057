package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// cost prices what the run used. A local run used nothing that is billed, and
// its seconds are not AWS's; for it the plan's estimate is shown, and says so.
func cost(in Input, env bench.Environment) bench.Cost {
	if env.Kind == "local" {
		c := in.Record.Plan.EstimateCost()
		c.Note = "this run was local and cost nothing; the same plan on AWS is estimated to cost this"
		return c
	}
	plan := in.Record.Plan
	total := in.EndedAt.Sub(in.Record.StartedAt).Seconds()
	trials := 0
	var workers time.Duration
	for _, t := range in.Tallies {
		workers += time.Duration(t.Billed)
		trials++
	}
	u := bench.Usage{
		Instances: instanceTimes(in),
		Balancer:  balancerUse(in),
		// The other steps do not count their seconds; about half of the run
		// one of them is at work.
		LambdaGBSeconds: workers.Seconds()*bench.ShardMemoryGB + total/2*bench.ControlMemoryGB,
		LambdaRequests:  trials*(plan.Shards+3) + 20,
		Transitions:     cmp.Or(in.Transitions, plan.Transitions()),
		S3Puts:          trials*(3*plan.Shards+5) + 20,
		S3Gets:          trials*(4*plan.Shards+5) + 40,
	}
	c := bench.ActualCost(u)
	c.Note = "list prices, without data transfer, logs, metrics and free tier; state transitions, S3 requests and the seconds of the functions other than workers are estimated"
	if u.Balancer.Seconds > 0 {
		c.Note += "; a begun hour of the load balancer bills whole, and its LCUs are a bound: every request may have opened a connection"
	}
	if in.Record.Execution != "" && env.Region != c.Region {
		c.Note += "; prices are those of " + c.Region
	}
	return c
}

// instanceTimes sums the instances' seconds by type. An instance is billed for
// a minute at least; one whose end nobody saw is billed to the end of the run.
func instanceTimes(in Input) []bench.InstanceTime {
	var all []bench.InstanceTime
	add := func(kind string, from, to time.Time) {
		i := slices.IndexFunc(all, func(t bench.InstanceTime) bool { return t.Type == kind })
		if i < 0 {
			all = append(all, bench.InstanceTime{Type: kind})
			i = len(all) - 1
		}
		all[i].Count++
		all[i].Seconds += max(60, to.Sub(from).Seconds())
	}
	seen := map[string]bool{}
	if in.Receipt != nil {
		for _, e := range in.Receipt.Ended {
			if e.Kind == "instance" {
				seen[e.ID] = true
				add(e.Type, e.Launched, e.Ended)
			}
		}
	}
	for _, t := range in.Record.Trials {
		for _, s := range in.Samples[t.Key] {
			if !seen[s.ID] {
				seen[s.ID] = true
				add(s.Type, s.Launched, in.EndedAt)
			}
		}
	}
	slices.SortFunc(all, func(a, b bench.InstanceTime) int { return cmp.Compare(a.Type, b.Type) })
	return all
}

// balancerUse is the load balancer's life, and what the trials sent through it,
// valid or not. One that the receipt does not name, though it was created, is
// billed to the end of the run.
func balancerUse(in Input) bench.BalancerUse {
	var u bench.BalancerUse
	created := in.Record.StartedAt
	if in.Balancer != nil && !in.Balancer.Created.IsZero() {
		created = in.Balancer.Created
		u.Seconds = max(1, in.EndedAt.Sub(created).Seconds())
	}
	if in.Receipt != nil {
		for _, e := range in.Receipt.Ended {
			if e.Kind == bench.KindLoadBalancer {
				from := e.Launched
				if from.IsZero() {
					from = created
				}
				u.Seconds = max(1, e.Ended.Sub(from).Seconds())
			}
		}
	}
	if u.Seconds == 0 {
		return u
	}
	targets := map[string]bench.Target{}
	for _, a := range in.Record.Plan.Arms() {
		targets[a.Name] = a.Target
	}
	for _, t := range in.Tallies {
		if targets[t.Trial.Arm].Kind == bench.TargetALB {
			u = u.Plus(in.Record.Plan.Load.Through(t.Requests, t.Errors, t.Bytes, t.Seconds))
		}
	}
	return u
}

// usdPerMillion is the price of a million good answers at an arm's own rate,
// kept up: its nodes and, where it has one, the proxy's instance or the ALB with
// the LCUs of that rate. bytes are those of all the arm's requests. 0 means
// unknown: a scaled-down emulation has no rate that AWS's prices could be
// divided by.
func usdPerMillion(p bench.Plan, a bench.ArmResult, bytes int64, env bench.Environment) float64 {
	rps := a.RPS
	if rps <= 0 || env.Kind != "aws" {
		return 0
	}
	var hourly float64
	if a.Target.Kind == bench.TargetALB {
		hour := rps * 3600
		hourly = p.Load.Through(int(hour), 0, int64(hour*float64(bytes)/float64(a.Requests)), 3600).HourlyUSD()
	}
	for _, g := range p.Groups() {
		if g.Name != a.Cluster && (g.Role != bench.RoleProxy || a.Target.Kind != bench.TargetProxy) {
			continue
		}
		usd, ok := bench.HourlyUSD(g.InstanceType)
		if !ok {
			return 0
		}
		hourly += usd * float64(g.Count)
	}
	return hourly / 3600 / rps * 1e6
}
