package local

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// sweepTime is how long the functions that an aborted execution wakes (through
// EventBridge) may take before the instances are ended over their heads.
const sweepTime = 20 * time.Second

// Close takes the cloud down and returns when nothing of it runs: executions
// are aborted, the functions that their end wakes get some seconds, load
// balancers close, instances are terminated, functions killed. ctx bounds the graceful part alone. The
// error also tells what could not be handled in time.
func (c *Cloud) Close(ctx context.Context) error {
	c.closing.Do(func() { c.closed = c.close(ctx) })
	return c.closed
}

func (c *Cloud) close(ctx context.Context) error {
	var errs []error
	c.states.AbortAll("The local cloud is shutting down.")
	errs = append(errs, c.events.Close()) // what has been published is delivered
	sweep, cancel := context.WithTimeout(ctx, sweepTime)
	errs = append(errs, c.lambda.Drain(sweep))
	cancel()
	c.elb.Close() // while the addresses that it gives back are the host's
	c.ssm.Close()
	if err := c.ec2.Close(ctx); err != nil {
		errs = append(errs, fmt.Errorf("terminate instances: %w", err))
	}
	errs = append(errs, c.lambda.Close(), c.states.Close(), c.cloudwatch.Close())
	// Past its deadline the host still kills what is left.
	errs = append(errs, c.host.Close(ctx))
	errs = append(errs, c.front.Close(), c.runtime.Close())
	c.serving.Wait()
	return errors.Join(append(errs, c.release())...)
}
