package main

import (
	"context"
	"fmt"

	"github.com/fairlead/fairlead/internal/fleet"
	"github.com/fairlead/fairlead/internal/steps"
)

// machines is EC2 as the steps see it: their words, and errors by their names.
type machines struct{ ec2 *fleet.Client }

var (
	_ steps.Starter = machines{}
	_ steps.Ender   = machines{}
)

func (m machines) Instances(ctx context.Context, filters map[string][]string) ([]steps.Machine, error) {
	return translate(m.ec2.Instances(ctx, filters))
}

func (m machines) Launch(ctx context.Context, o steps.LaunchOrder) ([]steps.Machine, error) {
	return translate(m.ec2.Launch(ctx, fleet.LaunchRequest(o)))
}

func (m machines) Terminate(ctx context.Context, ids []string) error {
	return named(m.ec2.Terminate(ctx, ids))
}

func translate(list []fleet.Instance, err error) ([]steps.Machine, error) {
	out := make([]steps.Machine, 0, len(list))
	for _, i := range list {
		out = append(out, steps.Machine(i))
	}
	return out, named(err)
}

func named(err error) error {
	switch {
	case err == nil:
		return nil
	case fleet.IsNoCapacity(err):
		return fmt.Errorf("%w: %w", steps.ErrNoCapacity, err)
	case fleet.IsQuota(err):
		return fmt.Errorf("%w: %w", steps.ErrQuota, err)
	case fleet.IsNotFound(err):
		return fmt.Errorf("%w: %w", steps.ErrNoMachine, err)
	}
	return err
}
