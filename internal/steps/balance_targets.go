package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
)

// Times of the load balancer. It becomes active within two to four minutes;
// what takes longer is asked for again by the state machine. Registration waits
// for the parts to be created, which takes seconds and began beside the launch.
const (
	activeTime  = 270 * time.Second
	partsTime   = 60 * time.Second
	appearTime  = 30 * time.Second // in which a new load balancer may not be listed yet
	callsAtOnce = 4                // of one kind, for ELB's request limits
)

// Wait waits until the load balancer is active. Errors: *BalancerNotActive, if
// that takes longer than this call; *BalancerFailed, if it never will be;
// *LaunchFailed, if there will be no fleet for it: a run that has failed should
// not pay for minutes of waiting.
func (b *Balance) Wait(ctx context.Context, run string) (BalanceOut, error) {
	made, err := getJSON[bench.Balancer](ctx, b.Store, bench.RunKeys{Run: run}.Balancer())
	if err != nil {
		return BalanceOut{}, err
	}
	ctx, cancel := within(ctx, activeTime)
	defer cancel()
	state := "not listed"
	groups := bench.RunKeys{Run: run}.Prefix() + "groups/"
	err = poll(ctx, func(ctx context.Context) (bool, error) {
		files, err := b.Store.List(ctx, groups)
		if err != nil {
			return false, fmt.Errorf("list %s: %w", groups, err)
		}
		for _, f := range files {
			if group, failed := strings.CutSuffix(strings.TrimPrefix(f, groups), ".failed.txt"); failed {
				return false, &LaunchFailed{Group: group}
			}
		}
		lb, err := b.Balancers.Balancer(ctx, made.Name)
		switch {
		case errors.Is(err, ErrNoBalancer):
			if time.Since(made.Created) > appearTime {
				return false, &BalancerFailed{Name: made.Name, Reason: "it is gone"}
			}
			return false, nil
		case err != nil:
			return false, err
		case lb.State == balancerFailed:
			return false, &BalancerFailed{Name: made.Name, Reason: because("ELB could not set it up", lb.Reason)}
		}
		state = because(lb.State, lb.Reason)
		return lb.State == balancerActive, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return BalanceOut{}, &BalancerNotActive{Name: made.Name, State: state}
	}
	return BalanceOut{Active: err == nil}, err
}

func because(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// Register makes a cluster's instances targets of all its target groups. An
// instance must be running by then, which Setup has seen to. Errors:
// *BalancerIncomplete, if the target groups are not there in time.
func (b *Balance) Register(ctx context.Context, run, group string) (BalanceOut, error) {
	r, err := record(ctx, b.Store, run)
	if err != nil {
		return BalanceOut{}, err
	}
	instances, err := getJSON[[]bench.Instance](ctx, b.Store, bench.RunKeys{Run: run}.Group(group))
	if err != nil {
		return BalanceOut{}, err
	}
	ids := make([]string, 0, len(instances))
	for _, i := range instances {
		ids = append(ids, i.ID)
	}
	made, err := b.parts(ctx, r)
	if err != nil {
		return BalanceOut{}, err
	}
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(callsAtOnce)
	for _, l := range made.Listeners {
		arn, ok := l.TargetGroups[group]
		if !ok {
			return BalanceOut{}, fmt.Errorf("run %s has no cluster %q to register", run, group)
		}
		all.Go(func() error {
			if err := b.Balancers.Register(ctx, arn, ids, bench.NodePort); err != nil {
				return fmt.Errorf("register %s for %s: %w", group, l.Algorithm, err)
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return BalanceOut{}, err
	}
	return BalanceOut{Registered: len(ids)}, nil
}

// parts waits until Create has recorded all parts.
func (b *Balance) parts(ctx context.Context, r bench.RunRecord) (bench.Balancer, error) {
	ctx, cancel := within(ctx, partsTime)
	defer cancel()
	var made bench.Balancer
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		had, err := balancerRecord(ctx, b.Store, r.Run)
		if err == nil && had != nil && had.Failed != "" {
			err = &BalancerIncomplete{Run: r.Run}
		}
		if err != nil || had == nil || !complete(*had, r.Plan) {
			return false, err
		}
		made = *had
		return true, nil
	})
	if errors.Is(err, context.DeadlineExceeded) {
		return made, &BalancerIncomplete{Run: r.Run}
	}
	return made, err
}
