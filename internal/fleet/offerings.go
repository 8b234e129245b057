package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Offered gives where each instance type is offered, sorted: in which of the
// zones, or, if none is named, in the region. Types offered in none are absent.
func (c *Client) Offered(ctx context.Context, names, zones []string) (map[string][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	in := &ec2.DescribeInstanceTypeOfferingsInput{
		LocationType: types.LocationTypeRegion,
		Filters:      []types.Filter{{Name: aws.String("instance-type"), Values: names}},
		MaxResults:   aws.Int32(1000),
	}
	if len(zones) > 0 {
		in.LocationType = types.LocationTypeAvailabilityZone
		in.Filters = append(in.Filters, types.Filter{Name: aws.String("location"), Values: zones})
	}
	found := map[string][]string{}
	pages := ec2.NewDescribeInstanceTypeOfferingsPaginator(c.api, in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe instance type offerings: %w", err)
		}
		for _, o := range page.InstanceTypeOfferings {
			t := string(o.InstanceType)
			found[t] = append(found[t], aws.ToString(o.Location))
		}
	}
	for _, where := range found {
		slices.Sort(where)
	}
	return found, nil
}
