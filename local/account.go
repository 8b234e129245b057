package local

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/fairlead/fairlead/local/cfn"
	"github.com/fairlead/fairlead/local/ec2"
	"github.com/fairlead/fairlead/local/iam"
)

// What an account may have before any stack: roles that somebody else made, as
// in accounts whose users may make none, and a network that is given.

// Quotas are the account's limits. Service Quotas tells them, and the services
// hold to them.
type Quotas struct {
	VCPUs int // of Standard instances that run at once; 0 means 64
}

// PutRole makes a role, arn:aws:iam::<account>:role/<name>, that services such as
// "lambda.amazonaws.com" may assume, or replaces the one of that name. The policy
// is a policy document in JSON: all that the role may do.
func (c *Cloud) PutRole(name string, trustedServices []string, policyJSON []byte) error {
	if len(trustedServices) == 0 {
		return fmt.Errorf("role %s: no service may assume it", name)
	}
	trust, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": map[string]any{"Service": trustedServices},
	}}})
	if err != nil {
		return err
	}
	role := iam.Role{Name: name, Policies: map[string]iam.Document{}}
	if role.Trust, err = iam.ParseDocument(trust); err != nil {
		return fmt.Errorf("role %s: trusted services: %w", name, err)
	}
	if role.Policies[name], err = iam.ParseDocument(policyJSON); err != nil {
		return fmt.Errorf("role %s: policy: %w", name, err)
	}
	return c.store.PutRole(role)
}

// PutInstanceProfile makes an instance profile that holds a role, by its name.
func (c *Cloud) PutInstanceProfile(name, role string) error {
	prefix := "arn:aws:iam::" + c.config.Account + ":"
	if _, ok := c.store.Role(prefix + "role/" + role); !ok {
		return fmt.Errorf("instance profile %s: there is no role %q", name, role)
	}
	c.store.PutInstanceProfile(name, prefix+"instance-profile/"+name, role)
	return nil
}

// CreateVPC makes a network that is no stack's, with a public subnet for each of
// the CIDRs, each in the zone after the other's.
func (c *Cloud) CreateVPC(cidr string, subnetCIDRs ...string) (vpc string, subnets []string, err error) {
	if vpc, err = c.ec2.CreateVPC(ec2.VPC{CIDR: cidr}); err != nil {
		return "", nil, err
	}
	zones := ec2.Zones(c.config.Region)
	for i, s := range subnetCIDRs {
		id, err := c.ec2.CreateSubnet(ec2.Subnet{VPC: vpc, CIDR: s, Zone: zones[i%len(zones)], MapPublicIPOnLaunch: true})
		if err != nil {
			return vpc, subnets, err
		}
		subnets = append(subnets, id)
	}
	return vpc, subnets, nil
}

// Expire makes a running execution meet its state machine's TimeoutSeconds now:
// it ends TIMED_OUT, with the history and the event of one whose time ran out.
// The call returns when it has ended.
func (c *Cloud) Expire(executionARN string) error { return c.states.Expire(executionARN) }

// deployed are copies of the stacks, by name. While one is being deployed or
// deleted the call waits, so that no stack is seen halfway.
func (c *Cloud) deployed() []cfn.Stack {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []cfn.Stack{}
	for _, name := range slices.Sorted(maps.Keys(c.stacks)) {
		s := *c.stacks[name]
		s.Resources = slices.Clone(s.Resources)
		all = append(all, s)
	}
	return all
}
