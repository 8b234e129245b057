package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"
)

// Ports of the programs.
const (
	backendPort = 8000
	proxyPort   = 8000
	adminPort   = 8001
)

// network is a VPC of its own with a public subnet in each of two zones, and one
// security group per part. Public addresses, because a NAT gateway costs while
// nothing runs; nothing gets in, because no rule lets an address in.
type network struct {
	vpc     awsec2.Vpc
	nodes   awsec2.CfnSecurityGroup
	proxy   awsec2.CfnSecurityGroup
	workers awsec2.CfnSecurityGroup // Aim and Shard: the load
	admin   awsec2.CfnSecurityGroup // Aim alone: the proxy's admin port
}

func newNetwork(stack awscdk.Stack) network {
	vpc := awsec2.NewVpc(stack, jsii.String("Vpc"), &awsec2.VpcProps{
		IpAddresses: awsec2.IpAddresses_Cidr(jsii.String("10.0.0.0/16")),
		MaxAzs:      jsii.Number(2),
		NatGateways: jsii.Number(0),
		SubnetConfiguration: &[]*awsec2.SubnetConfiguration{{
			Name:                jsii.String("public"),
			SubnetType:          awsec2.SubnetType_PUBLIC,
			CidrMask:            jsii.Number(20),
			MapPublicIpOnLaunch: jsii.Bool(true),
		}},
		// Functions in the VPC have no public address: this is their way to S3.
		GatewayEndpoints: &map[string]*awsec2.GatewayVpcEndpointOptions{
			"S3": {Service: awsec2.GatewayVpcEndpointAwsService_S3()},
		},
		// True would bring a custom resource, a Node.js function, into the stack. Nothing
		// uses the default group.
		RestrictDefaultSecurityGroup: jsii.Bool(false),
	})
	group := func(id, description string, egress ...any) awsec2.CfnSecurityGroup {
		return awsec2.NewCfnSecurityGroup(stack, jsii.String(id), &awsec2.CfnSecurityGroupProps{
			VpcId:            vpc.VpcId(),
			GroupDescription: jsii.String(description),
			// In the group, not beside it: a group made without any lets everything out.
			SecurityGroupEgress: &egress,
		})
	}
	n := network{vpc: vpc}
	n.nodes = group("NodesGroup", "Fairlead nodes", toAWS())
	n.proxy = group("ProxyGroup", "Fairlead proxy", toAWS(), to(n.nodes, backendPort, "forwarded requests and health probes"))
	n.workers = group("WorkersGroup", "Fairlead load workers", toAWS(),
		to(n.nodes, backendPort, "direct load and path proof"), to(n.proxy, proxyPort, "load"))
	n.admin = group("AdminGroup", "Fairlead: who may steer the proxy", to(n.proxy, adminPort, "strategy, reset, statistics"))

	ingress := func(id string, group, from awsec2.CfnSecurityGroup, port float64, why string) {
		awsec2.NewCfnSecurityGroupIngress(stack, jsii.String(id), &awsec2.CfnSecurityGroupIngressProps{
			GroupId:               group.AttrGroupId(),
			SourceSecurityGroupId: from.AttrGroupId(),
			IpProtocol:            jsii.String("tcp"),
			FromPort:              &port,
			ToPort:                &port,
			Description:           &why,
		})
	}
	ingress("NodesFromProxy", n.nodes, n.proxy, backendPort, "forwarded requests and health probes")
	ingress("NodesFromWorkers", n.nodes, n.workers, backendPort, "direct load and path proof")
	ingress("ProxyFromWorkers", n.proxy, n.workers, proxyPort, "load")
	ingress("ProxyFromAdmin", n.proxy, n.admin, adminPort, "strategy, reset, statistics")
	return n
}

// toAWS is the one rule that names addresses: AWS's APIs have no group, and the
// gateway endpoint is reached at S3's public ones.
func toAWS() any {
	return &awsec2.CfnSecurityGroup_EgressProperty{
		CidrIp:      jsii.String("0.0.0.0/0"),
		IpProtocol:  jsii.String("tcp"),
		FromPort:    jsii.Number(443),
		ToPort:      jsii.Number(443),
		Description: jsii.String("AWS APIs"),
	}
}

func to(group awsec2.CfnSecurityGroup, port float64, why string) any {
	return &awsec2.CfnSecurityGroup_EgressProperty{
		DestinationSecurityGroupId: group.AttrGroupId(),
		IpProtocol:                 jsii.String("tcp"),
		FromPort:                   &port,
		ToPort:                     &port,
		Description:                &why,
	}
}

// subnetIDs lists the subnets, one a zone.
func (n network) subnetIDs() []string {
	var ids []string
	for _, subnet := range *n.vpc.PublicSubnets() {
		ids = append(ids, *subnet.SubnetId())
	}
	return ids
}
