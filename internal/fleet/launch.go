package fleet

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// LaunchRequest is one RunInstances call: all of Count in one subnet, or none.
//
// Token makes it idempotent: the same token with the same fields answers with
// the instances of the first call; with other fields EC2 refuses
// (IdempotentParameterMismatch). With a subnet the token holds per zone.
type LaunchRequest struct {
	Token    string // ≤ 64 ASCII characters, required: the SDK would make a random one
	Template string // launch template id
	Version  string // a number: "$Latest" may mean something else at the retry
	Type     string
	Subnet   string
	Count    int
	Tags     map[string]string // of the instances and their volumes
	UserData string            // a script, run at first boot
}

// Launch starts instances. They are pending, and other calls may not know their
// ids for some seconds.
func (c *Client) Launch(ctx context.Context, r LaunchRequest) ([]Instance, error) {
	if r.Token == "" || len(r.Token) > 64 {
		return nil, fmt.Errorf("launch: a client token of 1 to 64 characters is needed, not %q", r.Token)
	}
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	tags := make([]types.Tag, 0, len(r.Tags))
	for _, k := range slices.Sorted(maps.Keys(r.Tags)) { // sorted: a retry must be the same call
		tags = append(tags, types.Tag{Key: aws.String(k), Value: aws.String(r.Tags[k])})
	}
	out, err := c.api.RunInstances(ctx, &ec2.RunInstancesInput{
		ClientToken:    aws.String(r.Token),
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: aws.String(r.Template), Version: aws.String(r.Version)},
		InstanceType:   types.InstanceType(r.Type),
		SubnetId:       aws.String(r.Subnet),
		MinCount:       aws.Int32(int32(r.Count)),
		MaxCount:       aws.Int32(int32(r.Count)),
		UserData:       aws.String(base64.StdEncoding.EncodeToString([]byte(r.UserData))),
		TagSpecifications: []types.TagSpecification{
			{ResourceType: types.ResourceTypeInstance, Tags: tags},
			{ResourceType: types.ResourceTypeVolume, Tags: tags},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("run %d × %s in %s: %w", r.Count, r.Type, r.Subnet, err)
	}
	return instances(out.Instances), nil
}
