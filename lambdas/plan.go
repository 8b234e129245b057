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
	v, err := e.need("FAIRLEAD_STACK", "FAIRLEAD_T0_LEAD", "FAIRLEAD_SUBNETS", "FAIRLEAD_DOCUMENT", "FAIRLEAD_BALANCER_GROUP")
	if err != nil {
		return steps.Settings{}, err
	}
	lead, err := time.ParseDuration(v[1])
	if err != nil || lead <= 0 {
		return steps.Settings{}, fmt.Errorf("FAIRLEAD_T0_LEAD is %q: set the stack's parameter T0Lead to a duration such as 10s", v[1])
	}
	images := map[string]bench.Image{}
	for _, arch := range []string{bench.ArchX86, bench.ArchARM} {
		if images[arch], err = image(e, strings.ToUpper(arch)); err != nil {
			return steps.Settings{}, err
		}
	}
	return steps.Settings{
		Stack: v[0], T0Lead: lead, Subnets: strings.Split(v[2], ","), Document: v[3], BalancerGroup: v[4], Images: images,
	}, nil
}

// image is what instances of one architecture are launched from and run.
func image(e *environment, arch string) (bench.Image, error) {
	var names []string
	for _, n := range []string{"NODE_TEMPLATE", "NODE_TEMPLATE_VERSION", "PROXY_TEMPLATE", "PROXY_TEMPLATE_VERSION",
		"BACKEND_URI", "BACKEND_SHA256", "PROXY_URI", "PROXY_SHA256"} {
		names = append(names, "FAIRLEAD_"+n+"_"+arch)
	}
	v, err := e.need(names...)
	if err != nil {
		return bench.Image{}, err
	}
	return bench.Image{
		NodeTemplate:  bench.LaunchTemplate{ID: v[0], Version: v[1]},
		ProxyTemplate: bench.LaunchTemplate{ID: v[2], Version: v[3]},
		Backend:       bench.Artifact{URI: v[4], SHA256: v[5]},
		Proxy:         bench.Artifact{URI: v[6], SHA256: v[7]},
	}, nil
}
