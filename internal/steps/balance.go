package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// createTime bounds the creation: as with Launch, what outlives its execution
// must soon look whether it was cancelled, and soon end.
const createTime = 60 * time.Second

// Health checks of the target groups, as short as ELB allows for its interval
// (5–300 s) and timeout (2–120 s): a new target is healthy after one passed
// check, so its first one is what Ready waits for.
const (
	checkInterval = 5 * time.Second
	checkTimeout  = 2 * time.Second
	checksInARow  = 2
)

// Attributes of a target group (Elastic Load Balancing, "Target group
// attributes"). Nothing is drained at the end: no request is under way then.
const (
	attributeDrain      = "deregistration_delay.timeout_seconds"
	attributeAlgorithm  = "load_balancing.algorithm.type"
	attributeMitigation = "load_balancing.algorithm.anomaly_mitigation"
)

// weightedRandom is the one algorithm that allows anomaly mitigation.
const weightedRandom = "weighted_random"

// Balance creates the run's load balancer: one listener for each algorithm of
// the plan, one target group for each cluster behind each of them.
type Balance struct {
	Store     Store
	Balancers Balancers
}

// BalanceOut tells that the operation is done.
type BalanceOut struct {
	Created    bool `json:"created,omitempty"`
	Active     bool `json:"active,omitempty"`
	Registered int  `json:"registered,omitempty"` // instances, in each of the cluster's target groups
}

// Create orders the load balancer, which takes minutes to become active, then
// its parts, and writes balancer.json: as soon as there is something to delete,
// and again when all is there. It may be repeated. Errors: *Cancelled,
// *BalancerQuotaExceeded.
func (b *Balance) Create(ctx context.Context, run string) (BalanceOut, error) {
	r, err := record(ctx, b.Store, run)
	if err != nil {
		return BalanceOut{}, err
	}
	if len(r.Plan.ALBs()) == 0 {
		return BalanceOut{}, fmt.Errorf("run %s has no alb target", run)
	}
	ctx, cancel := within(ctx, createTime)
	defer cancel()
	had, err := balancerRecord(ctx, b.Store, run)
	switch {
	case err != nil:
		return BalanceOut{}, err
	case had == nil:
		had = &bench.Balancer{Listeners: []bench.Listener{}}
	case complete(*had, r.Plan):
		return BalanceOut{Created: true}, nil
	}
	c := &creation{Balance: b, record: r, made: *had}
	if err = c.all(ctx); err != nil && !errors.As(err, new(*Cancelled)) {
		// The machine does not try again. Who waits for the parts should not wait on.
		c.made.Failed = err.Error()
		_ = putJSON(context.WithoutCancel(ctx), b.Store, bench.RunKeys{Run: run}.Balancer(), c.made)
	}
	switch {
	case errors.Is(err, ErrBalancerQuota):
		return BalanceOut{}, &BalancerQuotaExceeded{Err: err}
	case err != nil:
		return BalanceOut{}, err
	}
	return BalanceOut{Created: true}, nil
}

// balancerRecord reads balancer.json, nil if there is none.
func balancerRecord(ctx context.Context, s Store, run string) (*bench.Balancer, error) {
	key := bench.RunKeys{Run: run}.Balancer()
	there, err := exists(ctx, s, key)
	if err != nil || !there {
		return nil, err
	}
	b, err := getJSON[bench.Balancer](ctx, s, key)
	if err != nil {
		return nil, err
	}
	return &b, nil
}

// creation is one call of Create.
type creation struct {
	*Balance
	record bench.RunRecord
	made   bench.Balancer
	vpc    string
}

func (c *creation) all(ctx context.Context) error {
	if err := c.balancer(ctx); err != nil {
		return err
	}
	key := bench.RunKeys{Run: c.record.Run}.Balancer()
	if err := putJSON(ctx, c.Store, key, c.made); err != nil {
		return err
	}
	for i, algorithm := range c.record.Plan.ALBs() {
		if err := c.listener(ctx, bench.ALBPort+i, algorithm); err != nil {
			return err
		}
	}
	return putJSON(ctx, c.Store, key, c.made)
}

// allowed looks for the sweep's marker. Every creation asks first: Step
// Functions stops nothing that it has started.
func (c *creation) allowed(ctx context.Context) error {
	run := c.record.Run
	cancelled, err := exists(ctx, c.Store, bench.RunKeys{Run: run}.Cancelled())
	if err == nil && cancelled {
		return &Cancelled{Run: run}
	}
	return err
}

func (c *creation) balancer(ctx context.Context) error {
	r := c.record
	if err := c.allowed(ctx); err != nil {
		return err
	}
	name := balancerName(r.Stack, r.Run)
	lb, err := c.Balancers.CreateBalancer(ctx, BalancerOrder{
		Name: name, Subnets: r.Subnets, SecurityGroup: r.BalancerGroup, Tags: balancerTags(r, bench.ALBGroup),
	})
	if err != nil {
		return fmt.Errorf("create the load balancer: %w", err)
	}
	c.vpc = lb.VPC
	c.made = bench.Balancer{ARN: lb.ARN, Name: name, DNSName: lb.DNSName, Created: lb.Created.UTC(), Listeners: []bench.Listener{}}
	return nil
}

// listener makes the way in for one algorithm.
func (c *creation) listener(ctx context.Context, port int, algorithm string) error {
	if err := c.allowed(ctx); err != nil {
		return err
	}
	arn, err := c.Balancers.CreateListener(ctx, ListenerOrder{
		Balancer: c.made.ARN, Port: port, Tags: balancerTags(c.record, bench.ALBGroup),
	})
	if err != nil {
		return fmt.Errorf("create the listener of port %d: %w", port, err)
	}
	l := bench.Listener{ARN: arn, Port: port, Algorithm: algorithm, TargetGroups: map[string]string{}}
	for _, cluster := range c.record.Plan.Clusters {
		if l.TargetGroups[cluster.Name], err = c.targetGroup(ctx, cluster.Name, algorithm); err != nil {
			return err
		}
	}
	if err := c.rules(ctx, l); err != nil {
		return err
	}
	c.made.Listeners = append(c.made.Listeners, l)
	return nil
}

func (c *creation) targetGroup(ctx context.Context, cluster, algorithm string) (string, error) {
	if err := c.allowed(ctx); err != nil {
		return "", err
	}
	r := c.record
	arn, err := c.Balancers.CreateTargetGroup(ctx, TargetGroupOrder{
		Name: targetGroupName(r.Stack, r.Run, cluster, algorithm), VPC: c.vpc,
		Port: bench.NodePort, HealthPath: "/health",
		Interval: checkInterval, Timeout: checkTimeout, Healthy: checksInARow, Unhealthy: checksInARow,
		Tags: balancerTags(r, cluster),
	})
	if err != nil {
		return "", fmt.Errorf("create the target group of %s for %s: %w", cluster, algorithm, err)
	}
	attributes := map[string]string{attributeDrain: "0", attributeAlgorithm: algorithm}
	if algorithm == weightedRandom {
		attributes[attributeMitigation] = "on"
	}
	if err := c.Balancers.SetAttributes(ctx, arn, attributes); err != nil {
		return "", fmt.Errorf("set the target group of %s to %s: %w", cluster, algorithm, err)
	}
	return arn, nil
}

// rules makes one rule for each cluster, but for those that an earlier try made.
func (c *creation) rules(ctx context.Context, l bench.Listener) error {
	had, err := c.Balancers.Rules(ctx, l.ARN)
	if err != nil {
		return fmt.Errorf("list the rules of port %d: %w", l.Port, err)
	}
	for i, cluster := range c.record.Plan.Clusters {
		want := Rule{
			Listener: l.ARN, Priority: 10 * (i + 1), Paths: []string{"/" + cluster.Name, "/" + cluster.Name + "/*"},
			TargetGroup: l.TargetGroups[cluster.Name], Tags: balancerTags(c.record, cluster.Name),
		}
		if slices.ContainsFunc(had, want.same) {
			continue
		}
		if err := c.allowed(ctx); err != nil {
			return err
		}
		err := c.Balancers.CreateRule(ctx, want)
		if errors.Is(err, ErrPriorityInUse) {
			// Perhaps this very rule: the client repeats a call whose answer was lost.
			now, listing := c.Balancers.Rules(ctx, l.ARN)
			if listing == nil && slices.ContainsFunc(now, want.same) {
				err = nil
			}
		}
		if err != nil {
			return fmt.Errorf("create the rule for /%s on port %d: %w", cluster.Name, l.Port, err)
		}
	}
	return nil
}

// same tells whether two rules do the same.
func (r Rule) same(o Rule) bool {
	return r.Priority == o.Priority && r.TargetGroup == o.TargetGroup && slices.Equal(slices.Sorted(slices.Values(r.Paths)), slices.Sorted(slices.Values(o.Paths)))
}
