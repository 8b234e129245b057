// Package fleet is Fairlead's view of EC2: which instances there are, start
// some, end some, and what EC2's errors mean. It is the only package that
// imports the EC2 SDK, which takes longer to compile than all the rest.
package fleet

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Deadlines of one call with all its retries. RunInstances answers in 3–5 s
// with four or so instances; Launch as a whole has 60 s.
const (
	readTimeout      = 15 * time.Second
	launchTimeout    = 40 * time.Second
	terminateTimeout = 20 * time.Second
)

// Client calls EC2. It is safe for concurrent use.
type Client struct{ api *ec2.Client }

// New makes a client from the default configuration of the process.
func New(cfg aws.Config) *Client {
	return &Client{api: ec2.NewFromConfig(cfg, func(o *ec2.Options) { o.Retryer = newRetryer() })}
}

// newRetryer tries throttled and broken calls four times in all, but never one
// that EC2 refused for want of capacity: that answer carries status 500, so the
// SDK would repeat it, where the remedy is another zone.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 4
		o.MaxBackoff = 5 * time.Second
		refused := retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			if IsNoCapacity(err) {
				return aws.FalseTernary
			}
			return aws.UnknownTernary
		})
		o.Retryables = append([]retry.IsErrorRetryable{refused}, o.Retryables...)
	})
}
