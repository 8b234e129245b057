package fleet

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Live is an instance of the region that may be anybody's.
type Live struct {
	Type     string
	State    string // Pending … Stopped
	OnDemand bool   // not a Spot instance, a Capacity Block or the like
}

// Live lists all instances of the region that are not terminated.
func (c *Client) Live(ctx context.Context) ([]Live, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var live []Live
	pages := ec2.NewDescribeInstancesPaginator(c.api, &ec2.DescribeInstancesInput{
		Filters: []types.Filter{{
			Name: aws.String("instance-state-name"), Values: []string{Pending, Running, ShuttingDown, Stopping, Stopped},
		}},
		MaxResults: aws.Int32(1000),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe instances: %w", err)
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				l := Live{Type: string(i.InstanceType), OnDemand: i.InstanceLifecycle == ""}
				if i.State != nil {
					l.State = string(i.State.Name)
				}
				live = append(live, l)
			}
		}
	}
	return live, nil
}
