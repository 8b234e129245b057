package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/fairlead/fairlead/internal/fleet"
)

// Time limits of the SDK's clients. One attempt of any call that a step makes
// answers in a second or two, RunInstances in five; the default has no limit at
// all, and one lost packet would hold a function until it is killed.
const (
	connectTimeout = 3 * time.Second
	attemptTimeout = 20 * time.Second
	attempts       = 4
	maxBackoff     = 5 * time.Second
)

// environment is what a function knows when it begins.
type environment struct {
	getenv func(string) string
	log    *slog.Logger
	step   string
}

// need reads variables that the template sets.
func (e *environment) need(names ...string) ([]string, error) {
	values := make([]string, len(names))
	for i, n := range names {
		if values[i] = e.getenv(n); values[i] == "" {
			return nil, fmt.Errorf("the environment variable %s is missing", n)
		}
	}
	return values, nil
}

// aws is the SDK's default configuration, with the limits above.
func (e *environment) aws() (aws.Config, error) {
	client := awshttp.NewBuildableClient().
		WithTimeout(attemptTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = connectTimeout })
	cfg, err := config.LoadDefaultConfig(context.Background(),
		config.WithHTTPClient(client),
		config.WithRetryer(func() aws.Retryer {
			return awsretry.NewStandard(func(o *awsretry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff
			})
		}))
	if err != nil {
		return cfg, fmt.Errorf("AWS configuration: %w", err)
	}
	return cfg, nil
}

// store is the results bucket.
func (e *environment) store() (*bucket, error) {
	v, err := e.need("FAIRLEAD_BUCKET")
	if err != nil {
		return nil, err
	}
	cfg, err := e.aws()
	if err != nil {
		return nil, err
	}
	return newBucket(cfg, v[0]), nil
}

// machines is EC2, and the stack whose instances may be touched.
func (e *environment) machines() (machines, string, error) {
	v, err := e.need("FAIRLEAD_STACK")
	if err != nil {
		return machines{}, "", err
	}
	cfg, err := e.aws()
	if err != nil {
		return machines{}, "", err
	}
	return machines{fleet.New(cfg)}, v[0], nil
}
