package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
)

// healthy waits until the load balancer finds every node of every cluster
// healthy, for each algorithm. With no healthy target a load balancer sends to
// all of them, so that a first answer alone proves nothing.
func (s *Ready) healthy(ctx context.Context, r bench.RunRecord, fleet bench.Fleet) error {
	// Nothing comes to Ready before Balance has written it.
	made, err := getJSON[bench.Balancer](ctx, s.Store, bench.RunKeys{Run: r.Run}.Balancer())
	if err != nil {
		return err
	}
	if !complete(made, r.Plan) {
		return &BalancerIncomplete{Run: r.Run}
	}
	ctx, cancel := within(ctx, targetTime)
	defer cancel()
	var ill []string
	err = poll(ctx, func(ctx context.Context) (bool, error) {
		now, err := s.ill(ctx, r.Plan, made, fleet)
		if err == nil {
			ill = now
		}
		return err == nil && len(ill) == 0, err
	})
	if len(ill) > 0 && errors.Is(err, context.DeadlineExceeded) {
		return &TargetsUnhealthy{Targets: ill}
	}
	return err
}

// ill lists the nodes that are not healthy targets, with state and reason.
func (s *Ready) ill(ctx context.Context, plan bench.Plan, made bench.Balancer, fleet bench.Fleet) ([]string, error) {
	found := make([][]string, len(made.Listeners)*len(plan.Clusters))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(callsAtOnce)
	for i, l := range made.Listeners {
		for j, c := range plan.Clusters {
			all.Go(func() error {
				list, err := s.Targets.Health(ctx, l.TargetGroups[c.Name])
				if err != nil {
					return fmt.Errorf("ask for the targets of %s for %s: %w", c.Name, l.Algorithm, err)
				}
				for _, n := range members(fleet, c.Name) {
					if state := stateOf(n, list); state != targetHealthy {
						found[i*len(plan.Clusters)+j] = append(found[i*len(plan.Clusters)+j], fmt.Sprintf("%s of %s for %s: %s", n.ID, c.Name, l.Algorithm, state))
					}
				}
				return nil
			})
		}
	}
	err := all.Wait()
	return slices.Concat(found...), err
}

// stateOf is a node's state as a target, with the reason.
func stateOf(n bench.Instance, list []TargetHealth) string {
	for _, t := range list {
		switch {
		case t.ID != n.ID:
		case t.State == targetHealthy || t.Reason == "":
			return t.State
		default:
			return t.State + " (" + because(t.Reason, t.Description) + ")"
		}
	}
	return "not registered"
}
