package ec2

import (
	"context"
	"net/netip"
	"slices"

	"github.com/fairlead/fairlead/local/gateway"
)

type vpcItem struct {
	ID      string `xml:"vpcId"`
	Owner   string `xml:"ownerId"`
	State   string `xml:"state"`
	CIDR    string `xml:"cidrBlock"`
	Tenancy string `xml:"instanceTenancy"`
	Default bool   `xml:"isDefault"`
	Tags    []tag  `xml:"tagSet"`
}

func (s *Service) describeVPCs(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		VpcID      []string `json:"VpcId"`
		Filter     []filter
		MaxResults int
		NextToken  string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeVpcs", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range in.VpcID {
		if s.vpcs[id] == nil {
			return nil, fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
		}
	}
	var items []vpcItem
	for _, v := range sorted(s.vpcs) {
		ok, err := matches(in.Filter, func(name string) ([]string, bool) {
			switch name {
			case "vpc-id":
				return []string{v.id}, true
			case "is-default", "isDefault":
				return []string{"false"}, true
			case "cidr", "cidr-block":
				return []string{v.CIDR}, true
			}
			return tagField(v.Tags, name)
		})
		if err != nil {
			return nil, err
		}
		if ok && (len(in.VpcID) == 0 || slices.Contains(in.VpcID, v.id)) {
			items = append(items, vpcItem{v.id, s.config.Account, "available", v.CIDR, "default", false, tagItems(v.Tags)})
		}
	}
	page, next, err := paginate(items, in.MaxResults, 5, 1000, in.NextToken)
	return struct {
		Items     []vpcItem `xml:"vpcSet"`
		NextToken string    `xml:"nextToken,omitempty"`
	}{page, next}, err
}

type subnetItem struct {
	ID     string `xml:"subnetId"`
	Arn    string `xml:"subnetArn"`
	Owner  string `xml:"ownerId"`
	State  string `xml:"state"`
	VPC    string `xml:"vpcId"`
	CIDR   string `xml:"cidrBlock"`
	Free   int    `xml:"availableIpAddressCount"`
	Zone   string `xml:"availabilityZone"`
	Public bool   `xml:"mapPublicIpOnLaunch"`
	Tags   []tag  `xml:"tagSet"`
}

func (s *Service) describeSubnets(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		SubnetID   []string `json:"SubnetId"`
		Filter     []filter
		MaxResults int
		NextToken  string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeSubnets", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range in.SubnetID {
		if s.subnets[id] == nil {
			return nil, fail("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
		}
	}
	var items []subnetItem
	for _, n := range sorted(s.subnets) {
		ok, err := matches(in.Filter, func(name string) ([]string, bool) {
			switch name {
			case "subnet-id":
				return []string{n.id}, true
			case "vpc-id":
				return []string{n.VPC}, true
			case "availability-zone":
				return []string{n.Zone}, true
			}
			return tagField(n.Tags, name)
		})
		if err != nil {
			return nil, err
		}
		if ok && (len(in.SubnetID) == 0 || slices.Contains(in.SubnetID, n.id)) {
			// EC2 keeps five addresses of each subnet to itself.
			free := 1<<(32-netip.MustParsePrefix(n.CIDR).Bits()) - 5
			for _, i := range s.instances {
				if i.subnet == n && i.state != terminated {
					free--
				}
			}
			items = append(items, subnetItem{n.id, s.arn("subnet", n.id), s.config.Account, "available", n.VPC, n.CIDR, free, n.Zone, n.MapPublicIPOnLaunch, tagItems(n.Tags)})
		}
	}
	page, next, err := paginate(items, in.MaxResults, 5, 1000, in.NextToken)
	return struct {
		Items     []subnetItem `xml:"subnetSet"`
		NextToken string       `xml:"nextToken,omitempty"`
	}{page, next}, err
}

type securityGroupItem struct {
	ID          string           `xml:"groupId"`
	Name        string           `xml:"groupName"`
	Description string           `xml:"groupDescription"`
	Owner       string           `xml:"ownerId"`
	VPC         string           `xml:"vpcId"`
	Ingress     []permissionItem `xml:"ipPermissions"`
	Egress      []permissionItem `xml:"ipPermissionsEgress"`
	Tags        []tag            `xml:"tagSet"`
}

type permissionItem struct {
	Protocol string      `xml:"ipProtocol"`
	From     *int        `xml:"fromPort"` // absent: all
	To       *int        `xml:"toPort"`
	Ranges   []rangeItem `xml:"ipRanges,omitempty"`
	Groups   []peerItem  `xml:"groups,omitempty"`
}

type rangeItem struct {
	CIDR        string `xml:"cidrIp"`
	Description string `xml:"description,omitempty"`
}

type peerItem struct {
	Group       string `xml:"groupId"`
	Owner       string `xml:"userId"`
	Description string `xml:"description,omitempty"`
}

func (s *Service) permissions(rules []Rule) []permissionItem {
	var items []permissionItem
	for _, r := range rules {
		item := permissionItem{Protocol: r.Protocol}
		if r.Protocol != "-1" {
			item.From, item.To = &r.FromPort, &r.ToPort
		}
		if r.CIDR != "" {
			item.Ranges = []rangeItem{{r.CIDR, r.Description}}
		} else {
			item.Groups = []peerItem{{r.Group, s.config.Account, r.Description}}
		}
		items = append(items, item)
	}
	return items
}

func (s *Service) describeSecurityGroups(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		GroupID    []string `json:"GroupId"`
		Filter     []filter
		MaxResults int
		NextToken  string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeSecurityGroups", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range in.GroupID {
		if s.groups[id] == nil {
			return nil, errNoGroup(id)
		}
	}
	var items []securityGroupItem
	for _, g := range sorted(s.groups) {
		ok, err := matches(in.Filter, func(name string) ([]string, bool) {
			switch name {
			case "group-id":
				return []string{g.id}, true
			case "group-name":
				return []string{g.Name}, true
			case "vpc-id":
				return []string{g.VPC}, true
			}
			return tagField(g.Tags, name)
		})
		if err != nil {
			return nil, err
		}
		if ok && (len(in.GroupID) == 0 || slices.Contains(in.GroupID, g.id)) {
			items = append(items, securityGroupItem{g.id, g.Name, g.Description, s.config.Account, g.VPC, s.permissions(g.Ingress), s.permissions(g.Egress), tagItems(g.Tags)})
		}
	}
	page, next, err := paginate(items, in.MaxResults, 5, 1000, in.NextToken)
	return struct {
		Items     []securityGroupItem `xml:"securityGroupInfo"`
		NextToken string              `xml:"nextToken,omitempty"`
	}{page, next}, err
}
