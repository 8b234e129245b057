package fleet

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// TypeFacts is an instance type as far as Fairlead looks.
type TypeFacts struct {
	VCPUs         int
	Architectures []string // "x86_64", "arm64"
	FreeTier      bool     // eligible for the free tier
}

// Types describes instance types. They are named in a filter, not as such: one
// that the region does not know would make the whole call fail
// (InvalidInstanceType) and is now only absent.
func (c *Client) Types(ctx context.Context, names []string) (map[string]TypeFacts, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	found := map[string]TypeFacts{}
	pages := ec2.NewDescribeInstanceTypesPaginator(c.api, &ec2.DescribeInstanceTypesInput{
		Filters: []types.Filter{{Name: aws.String("instance-type"), Values: names}}, MaxResults: aws.Int32(100),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("describe instance types: %w", err)
		}
		for _, t := range page.InstanceTypes {
			f := TypeFacts{FreeTier: aws.ToBool(t.FreeTierEligible)}
			if t.VCpuInfo != nil {
				f.VCPUs = int(aws.ToInt32(t.VCpuInfo.DefaultVCpus))
			}
			if t.ProcessorInfo != nil {
				for _, a := range t.ProcessorInfo.SupportedArchitectures {
					f.Architectures = append(f.Architectures, string(a))
				}
			}
			found[string(t.InstanceType)] = f
		}
	}
	return found, nil
}
