package fleet

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// Terminate asks EC2 to end the instances; ending takes further seconds, and
// asking again is harmless. It is all or nothing: one unknown id (IsNotFound)
// and none is ended.
func (c *Client) Terminate(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, terminateTimeout)
	defer cancel()
	if _, err := c.api.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}); err != nil {
		return fmt.Errorf("terminate %d instances: %w", len(ids), err)
	}
	return nil
}
