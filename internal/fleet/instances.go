package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// States of an instance, as EC2 names them.
const (
	Pending      = "pending"
	Running      = "running"
	ShuttingDown = "shutting-down"
	Stopping     = "stopping"
	Stopped      = "stopped"
	Terminated   = "terminated"
)

// Instance is an EC2 instance as far as Fairlead looks.
type Instance struct {
	ID               string
	Type             string
	State            string // Pending … Terminated
	StateReason      string // why it left running, "Server.SpotInstanceTermination: …"; empty while it runs
	PrivateIP        string // empty before running and after terminated
	AvailabilityZone string
	Tags             map[string]string
	Launched         time.Time
}

// Instances lists the instances that match all filters; one filter matches any
// of its values. Names are EC2's: "tag:fairlead:run", "instance-state-name",
// "instance-id". Unlike asking by id, a filter never fails on an id that EC2
// does not know yet. All pages are read; the order is EC2's.
func (c *Client) Instances(ctx context.Context, filters map[string][]string) ([]Instance, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	in := &ec2.DescribeInstancesInput{MaxResults: aws.Int32(1000)}
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		in.Filters = append(in.Filters, types.Filter{Name: aws.String(name), Values: filters[name]})
	}
	var found []Instance
	pages := ec2.NewDescribeInstancesPaginator(c.api, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe instances: %w", err)
		}
		for _, r := range page.Reservations {
			found = append(found, instances(r.Instances)...)
		}
	}
	return found, nil
}

func instances(list []types.Instance) []Instance {
	out := make([]Instance, 0, len(list))
	for _, i := range list {
		n := Instance{
			ID:        aws.ToString(i.InstanceId),
			Type:      string(i.InstanceType),
			PrivateIP: aws.ToString(i.PrivateIpAddress),
			Launched:  aws.ToTime(i.LaunchTime),
			Tags:      make(map[string]string, len(i.Tags)),
		}
		if i.State != nil {
			n.State = string(i.State.Name)
		}
		if i.StateReason != nil {
			n.StateReason = aws.ToString(i.StateReason.Message)
		}
		if i.Placement != nil {
			n.AvailabilityZone = aws.ToString(i.Placement.AvailabilityZone)
		}
		for _, t := range i.Tags {
			n.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
		out = append(out, n)
	}
	return out
}
