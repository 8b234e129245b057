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
// nothing runs; nothing gets in, because no rule names an address.
type network struct {
	vpc     awsec2.Vpc
	nodes   awsec2.SecurityGroup
	proxy   awsec2.SecurityGroup
	workers awsec2.SecurityGroup // Aim and Shard: the load
	admin   awsec2.SecurityGroup // Aim alone: the proxy's admin port
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
	group := func(id, description string) awsec2.SecurityGroup {
		return awsec2.NewSecurityGroup(stack, jsii.String(id), &awsec2.SecurityGroupProps{
			Vpc:              vpc,
			Description:      jsii.String(description),
			AllowAllOutbound: jsii.Bool(false),
		})
	}
	n := network{
		vpc:     vpc,
		nodes:   group("NodesGroup", "Fairlead nodes"),
		proxy:   group("ProxyGroup", "Fairlead proxy"),
		workers: group("WorkersGroup", "Fairlead load workers"),
		admin:   group("AdminGroup", "Fairlead: who may steer the proxy"),
	}
	connect(n.workers, n.nodes, backendPort, "direct load and path proof")
	connect(n.proxy, n.nodes, backendPort, "forwarded requests and health probes")
	connect(n.workers, n.proxy, proxyPort, "load")
	connect(n.admin, n.proxy, adminPort, "strategy, reset, statistics")

	// AWS's own APIs have no security group to name, and the gateway endpoint is
	// reached at S3's public addresses.
	for _, caller := range []awsec2.SecurityGroup{n.nodes, n.proxy, n.workers} {
		caller.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)), jsii.String("AWS APIs"), nil)
	}
	return n
}

// connect opens one port from one group to another, on both sides.
func connect(from, to awsec2.SecurityGroup, port float64, why string) {
	from.AddEgressRule(to, awsec2.Port_Tcp(&port), &why, jsii.Bool(true))
	to.AddIngressRule(from, awsec2.Port_Tcp(&port), &why, jsii.Bool(true))
}

// subnetIDs lists the subnets, one a zone.
func (n network) subnetIDs() []string {
	var ids []string
	for _, subnet := range *n.vpc.PublicSubnets() {
		ids = append(ids, *subnet.SubnetId())
	}
	return ids
}
