package steps

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
)

// healthTime bounds the wait for nodes to become healthy before a trial: a
// few rounds of the proxy's probes.
const healthTime = 10 * time.Second

// prepare sets the strategy, lets the proxy forget the last trial, and waits
// until every node of the cluster may be chosen. A load balancer cannot be
// asked from inside the VPC: there, as directly, the nodes themselves tell.
func (a *Aimer) prepare(ctx context.Context, aim bench.Aim, fleet bench.Fleet) error {
	p, nodes := programs{a.HTTP}, members(fleet, aim.Arm.Cluster)
	look := p.unwell
	if aim.Arm.Target.Kind == bench.TargetProxy {
		proxy, err := balancerOf(fleet)
		if err != nil {
			return err
		}
		if err := p.setStrategy(ctx, proxy, aim.Arm.Target.Strategy); err != nil {
			return err
		}
		if err := p.reset(ctx, proxy); err != nil {
			return err
		}
		look = func(ctx context.Context, nodes []bench.Instance) ([]string, error) {
			return p.avoided(ctx, proxy, aim.Arm.Cluster, nodes)
		}
	}
	ctx, cancel := within(ctx, healthTime)
	defer cancel()
	var bad []string
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		now, err := look(ctx, nodes)
		if err == nil {
			bad = now
		}
		return err == nil && len(bad) == 0, err
	})
	if len(bad) > 0 && errors.Is(err, context.DeadlineExceeded) {
		return &NodesUnhealthy{Trial: aim.Trial.Key, Nodes: bad}
	}
	return err
}

// avoided lists the nodes that the proxy does not send requests to, with the reason.
func (p programs) avoided(ctx context.Context, proxy bench.Instance, cluster string, nodes []bench.Instance) ([]string, error) {
	healthy, err := p.healthy(ctx, proxy, cluster)
	if err != nil {
		return nil, err
	}
	var bad []string
	for _, n := range nodes {
		switch ok, known := healthy[n.ID]; {
		case !known:
			bad = append(bad, n.ID+" (the proxy does not see it)")
		case !ok:
			bad = append(bad, n.ID+" (the proxy finds it unhealthy)")
		}
	}
	return bad, nil
}

// unwell lists the nodes whose own health check fails, with the reason. They
// are asked at once; no error of theirs is an error of the call.
func (p programs) unwell(ctx context.Context, nodes []bench.Instance) ([]string, error) {
	reasons := make([]string, len(nodes))
	var all errgroup.Group
	for k, n := range nodes {
		all.Go(func() error {
			if err := p.health(ctx, n); err != nil {
				reasons[k] = n.ID + " (" + err.Error() + ")"
			}
			return nil
		})
	}
	err := all.Wait()
	return slices.DeleteFunc(reasons, func(r string) bool { return r == "" }), err
}
