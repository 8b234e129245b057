package cfn

import (
	"context"
	"fmt"

	"github.com/fairlead/fairlead/local/ec2"
)

// EC2 is the part of EC2 that templates use.
type EC2 interface {
	CreateVPC(ec2.VPC) (id string, err error)
	DeleteVPC(id string) error
	CreateSubnet(ec2.Subnet) (id string, err error)
	DeleteSubnet(id string) error
	CreateSecurityGroup(ec2.SecurityGroup) (id string, err error)
	DeleteSecurityGroup(id string) error
	AddRule(groupID string, ingress bool, rule ec2.Rule) error
	RemoveRule(groupID string, ingress bool, rule ec2.Rule) error
	CreateLaunchTemplate(name string, data ec2.LaunchTemplateData, tags map[string]string) (id string, err error)
	DeleteLaunchTemplate(id string) error
}

type vpcProperties struct {
	CidrBlock          string `require:"true"`
	EnableDnsHostnames any    `noeffect:"names are resolved by this machine"`
	EnableDnsSupport   any    `noeffect:"names are resolved by this machine"`
	InstanceTenancy    any    `noeffect:"all instances are on this machine"`
	Tags               []Tag
}

type subnetProperties struct {
	VpcId               string `require:"true"`
	CidrBlock           string `require:"true"`
	AvailabilityZone    string
	MapPublicIpOnLaunch bool `noeffect:"instances are reached at their private addresses and have no public ones"`
	Tags                []Tag
}

// groupRule is a rule inside of a group: its peer is a source in an ingress
// rule and a destination in an egress rule.
type groupRule struct {
	IpProtocol                 string `require:"true"`
	FromPort, ToPort           *int
	CidrIp                     string
	SourceSecurityGroupId      string
	DestinationSecurityGroupId string
	Description                string
}

type groupProperties struct {
	GroupName            string
	GroupDescription     string      `require:"true"`
	VpcId                string      `require:"true"`
	SecurityGroupIngress []groupRule `noeffect:"rules are validated and shown; packets between addresses of this machine pass"`
	SecurityGroupEgress  []groupRule `noeffect:"rules are validated and shown; packets between addresses of this machine pass"`
	Tags                 []Tag
}

type launchTemplateProperties struct {
	LaunchTemplateName string
	LaunchTemplateData ec2.LaunchTemplateData `require:"true"`
	VersionDescription any                    `noeffect:"a text for people"`
	TagSpecifications  []struct {
		ResourceType string `require:"true"`
		Tags         []Tag
	}
}

type ingressProperties struct {
	GroupId               string `require:"true"`
	IpProtocol            string `require:"true"`
	FromPort, ToPort      *int
	CidrIp                string
	SourceSecurityGroupId string
	Description           string
}

type egressProperties struct {
	GroupId                    string `require:"true"`
	IpProtocol                 string `require:"true"`
	FromPort, ToPort           *int
	CidrIp                     string
	DestinationSecurityGroupId string
	Description                string
}

func ec2Types(s EC2) map[string]Type {
	return map[string]Type{
		"AWS::EC2::VPC": define(Type{Attributes: []string{"VpcId", "CidrBlock"}},
			func(_ context.Context, c Creation, p vpcProperties) (Physical, error) {
				id, err := s.CreateVPC(ec2.VPC{CIDR: p.CidrBlock, Tags: c.tagMap(p.Tags)})
				return Physical{ID: id, Attributes: map[string]any{"VpcId": id, "CidrBlock": p.CidrBlock}}, err
			},
			func(_ context.Context, made Physical) error { return s.DeleteVPC(made.ID) }),
		"AWS::EC2::Subnet": define(Type{Attributes: []string{"SubnetId", "AvailabilityZone"}},
			func(_ context.Context, c Creation, p subnetProperties) (Physical, error) {
				id, err := s.CreateSubnet(ec2.Subnet{VPC: p.VpcId, CIDR: p.CidrBlock, Zone: p.AvailabilityZone, MapPublicIPOnLaunch: p.MapPublicIpOnLaunch, Tags: c.tagMap(p.Tags)})
				return Physical{ID: id, Attributes: map[string]any{"SubnetId": id, "AvailabilityZone": p.AvailabilityZone}}, err
			},
			func(_ context.Context, made Physical) error { return s.DeleteSubnet(made.ID) }),
		"AWS::EC2::SecurityGroup": define(Type{Attributes: []string{"GroupId", "VpcId"}},
			func(_ context.Context, c Creation, p groupProperties) (Physical, error) { return createGroup(s, c, p) },
			func(_ context.Context, made Physical) error { return s.DeleteSecurityGroup(made.ID) }),
		"AWS::EC2::SecurityGroupIngress": define(Type{},
			func(_ context.Context, c Creation, p ingressProperties) (Physical, error) {
				return addRule(s, c, true, p.GroupId, rule(p.IpProtocol, p.FromPort, p.ToPort, p.CidrIp, p.SourceSecurityGroupId, p.Description))
			}, removeRule(s)),
		"AWS::EC2::SecurityGroupEgress": define(Type{},
			func(_ context.Context, c Creation, p egressProperties) (Physical, error) {
				return addRule(s, c, false, p.GroupId, rule(p.IpProtocol, p.FromPort, p.ToPort, p.CidrIp, p.DestinationSecurityGroupId, p.Description))
			}, removeRule(s)),
		"AWS::EC2::LaunchTemplate": define(Type{
			Attributes: []string{"LaunchTemplateId", "LatestVersionNumber", "DefaultVersionNumber"},
			Ignored: map[string]string{
				"LaunchTemplateData.BlockDeviceMappings":                     "an instance's files are a folder of this machine; volumes are only asked for permission",
				"LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit": "nothing lies between an instance and its metadata service",
				"LaunchTemplateData.EbsOptimized":                            "an instance's files are a folder of this machine",
				"LaunchTemplateData.CreditSpecification":                     "instances have no CPU credits here",
			},
		},
			func(_ context.Context, c Creation, p launchTemplateProperties) (Physical, error) {
				return createLaunchTemplate(s, c, p)
			},
			func(_ context.Context, made Physical) error { return s.DeleteLaunchTemplate(made.ID) }),
	}
}

func createLaunchTemplate(s EC2, c Creation, p launchTemplateProperties) (Physical, error) {
	name := p.LaunchTemplateName
	if name == "" {
		name = c.name(128)
	}
	var tags []Tag
	for _, t := range p.TagSpecifications {
		if t.ResourceType != "launch-template" {
			return Physical{}, fmt.Errorf("TagSpecifications of %s: a launch template itself takes those of launch-template", t.ResourceType)
		}
		tags = append(tags, t.Tags...)
	}
	id, err := s.CreateLaunchTemplate(name, p.LaunchTemplateData, c.tagMap(tags))
	return Physical{ID: id, Attributes: map[string]any{"LaunchTemplateId": id, "LatestVersionNumber": "1", "DefaultVersionNumber": "1"}}, err
}

func createGroup(s EC2, c Creation, p groupProperties) (Physical, error) {
	g := ec2.SecurityGroup{VPC: p.VpcId, Name: p.GroupName, Description: p.GroupDescription, Tags: c.tagMap(p.Tags)}
	if g.Name == "" {
		g.Name = c.name(255)
	}
	for _, r := range p.SecurityGroupIngress {
		if r.DestinationSecurityGroupId != "" {
			return Physical{}, fmt.Errorf("an ingress rule has a source, not a destination")
		}
		g.Ingress = append(g.Ingress, rule(r.IpProtocol, r.FromPort, r.ToPort, r.CidrIp, r.SourceSecurityGroupId, r.Description))
	}
	for _, r := range p.SecurityGroupEgress {
		if r.SourceSecurityGroupId != "" {
			return Physical{}, fmt.Errorf("an egress rule has a destination, not a source")
		}
		g.Egress = append(g.Egress, rule(r.IpProtocol, r.FromPort, r.ToPort, r.CidrIp, r.DestinationSecurityGroupId, r.Description))
	}
	id, err := s.CreateSecurityGroup(g)
	return Physical{ID: id, Attributes: map[string]any{"GroupId": id, "VpcId": p.VpcId}}, err
}

// rule leaves out ports as EC2 does for protocols that have none: -1.
func rule(protocol string, from, to *int, cidr, group, description string) ec2.Rule {
	r := ec2.Rule{Protocol: protocol, FromPort: -1, ToPort: -1, CIDR: cidr, Group: group, Description: description}
	if from != nil {
		r.FromPort = *from
	}
	if to != nil {
		r.ToPort = *to
	}
	return r
}

// ruleKey is where a separate rule keeps what its removal needs.
const ruleKey = "rule"

type placedRule struct {
	group   string
	ingress bool
	rule    ec2.Rule
}

func addRule(s EC2, c Creation, ingress bool, group string, r ec2.Rule) (Physical, error) {
	made := Physical{ID: c.id("sgr"), Attributes: map[string]any{ruleKey: placedRule{group, ingress, r}}}
	return made, s.AddRule(group, ingress, r)
}

func removeRule(s EC2) func(context.Context, Physical) error {
	return func(_ context.Context, made Physical) error {
		p := made.Attributes[ruleKey].(placedRule)
		return s.RemoveRule(p.group, p.ingress, p.rule)
	}
}
