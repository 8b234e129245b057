package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/steps"
)

// plan needs S3; all it knows of the deployment comes from the template.
func plan(e *environment) (lambda.Handler, error) {
	s, err := settings(e)
	if err != nil {
		return nil, err
	}
	store, err := e.store()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Planner{Store: store, Settings: s}).Run), nil
}

func settings(e *environment) (steps.Settings, error) {
	v, err := e.need("FAIRLEAD_STACK", "FAIRLEAD_T0_LEAD", "FAIRLEAD_SUBNETS", "FAIRLEAD_DOCUMENT",
		"FAIRLEAD_NODE_TEMPLATE", "FAIRLEAD_NODE_TEMPLATE_VERSION", "FAIRLEAD_PROXY_TEMPLATE", "FAIRLEAD_PROXY_TEMPLATE_VERSION",
		"FAIRLEAD_BACKEND_URI", "FAIRLEAD_BACKEND_SHA256", "FAIRLEAD_PROXY_URI", "FAIRLEAD_PROXY_SHA256")
	if err != nil {
		return steps.Settings{}, err
	}
	lead, err := time.ParseDuration(v[1])
	if err != nil || lead <= 0 {
		return steps.Settings{}, fmt.Errorf("FAIRLEAD_T0_LEAD is %q: set the stack's parameter T0Lead to a duration such as 10s", v[1])
	}
	return steps.Settings{
		Stack: v[0], T0Lead: lead, Subnets: strings.Split(v[2], ","), Document: v[3],
		NodeTemplate:  bench.LaunchTemplate{ID: v[4], Version: v[5]},
		ProxyTemplate: bench.LaunchTemplate{ID: v[6], Version: v[7]},
		Backend:       bench.Artifact{URI: v[8], SHA256: v[9]},
		Proxy:         bench.Artifact{URI: v[10], SHA256: v[11]},
	}, nil
}
