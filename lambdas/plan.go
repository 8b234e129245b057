package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/steps"
)

// plan needs S3 and asks EC2, Lambda and Service Quotas; all it knows of the
// deployment comes from the template.
func plan(e *environment) (lambda.Handler, error) {
	s, err := settings(e)
	if err != nil {
		return nil, err
	}
	cfg, err := e.aws()
	if err != nil {
		return nil, err
	}
	return handle(e, (&steps.Planner{Store: newBucket(cfg, s.Bucket), Account: newAccount(cfg), Settings: s}).Run), nil
}

// Kinds of account, as the template names them.
const (
	standardAccount = "standard"
	studentAccount  = "student"
)

func settings(e *environment) (steps.Settings, error) {
	v, err := e.need("FAIRLEAD_STACK", "FAIRLEAD_T0_LEAD", "FAIRLEAD_SUBNETS", "FAIRLEAD_DOCUMENT", "FAIRLEAD_BALANCER_GROUP",
		"FAIRLEAD_BUCKET", "AWS_REGION")
	if err != nil {
		return steps.Settings{}, err
	}
	lead, err := time.ParseDuration(v[1])
	if err != nil || lead <= 0 {
		return steps.Settings{}, fmt.Errorf("FAIRLEAD_T0_LEAD is %q: set the stack's parameter T0Lead to a duration such as 10s", v[1])
	}
	// No variable means an ordinary account; a wrong one must not lift a student's limits.
	kind := e.getenv("FAIRLEAD_ACCOUNT")
	if kind != "" && kind != standardAccount && kind != studentAccount {
		return steps.Settings{}, fmt.Errorf("FAIRLEAD_ACCOUNT is %q: use %s or %s", kind, standardAccount, studentAccount)
	}
	var zones []string // of the subnets; a template for a given VPC may not know them
	if v := e.getenv("FAIRLEAD_ZONES"); v != "" {
		zones = strings.Split(v, ",")
	}
	images := map[string]bench.Image{}
	for _, arch := range []string{bench.ArchX86, bench.ArchARM} {
		if images[arch], err = image(e, strings.ToUpper(arch)); err != nil {
			return steps.Settings{}, err
		}
	}
	return steps.Settings{
		Stack: v[0], T0Lead: lead, Subnets: strings.Split(v[2], ","), Document: v[3], BalancerGroup: v[4], Images: images,
		Bucket: v[5], Region: v[6], Zones: zones, Student: kind == studentAccount,
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
