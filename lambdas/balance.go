package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/steps"
)

// balance needs S3 and Elastic Load Balancing.
func balance(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	cfg, err := e.aws()
	if err != nil {
		return nil, err
	}
	b := &steps.Balance{Store: store, Balancers: newBalancers(cfg)}
	return handle(e, func(ctx context.Context, in balanceIn) (steps.BalanceOut, error) {
		switch in.Op {
		case "create":
			return b.Create(ctx, in.Run)
		case "wait":
			return b.Wait(ctx, in.Run)
		case "register":
			return b.Register(ctx, in.Run, in.Group)
		}
		return steps.BalanceOut{}, fmt.Errorf("op is %q: use create, wait or register", in.Op)
	}), nil
}

// balanceIn is one operation on a run's load balancer; register names a cluster.
type balanceIn struct {
	Op    string `json:"op"`
	Run   string `json:"run"`
	Group string `json:"group"`
}
