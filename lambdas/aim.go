package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/steps"
)

// aim runs in the VPC: it needs S3, through the gateway endpoint, and the
// fleet's own ports.
func aim(e *environment) (lambda.Handler, error) {
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	a := &steps.Aimer{Store: store, Resolver: net.DefaultResolver, HTTP: &http.Client{Transport: &http.Transport{
		// No proxy from the environment: these are addresses of the VPC.
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		MaxIdleConnsPerHost: 8,
		IdleConnTimeout:     time.Minute,
	}}}
	return handle(e, func(ctx context.Context, in aimIn) (any, error) {
		switch in.Op {
		case "warm":
			return map[string]bool{"warm": true}, nil
		case "prove":
			return a.Prove(ctx, in.Run)
		case "aim":
			return a.Aim(ctx, in.Run, in.Trial)
		case "observe":
			return a.Observe(ctx, in.Run, in.Trial)
		}
		return nil, fmt.Errorf("op is %q: use warm, prove, aim or observe", in.Op)
	}), nil
}

// aimIn is one operation on a run or a trial.
type aimIn struct {
	Op    string `json:"op"`
	Run   string `json:"run"`
	Trial string `json:"trial"`
}
