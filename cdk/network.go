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

	// An Application Load Balancer has one listener for each algorithm of a plan.
	firstListener = 8000
	lastListener  = 8002
)

// network is a VPC of the stack's own, with a public subnet in each of two zones,
// or one that exists; and one security group per part. Public addresses, because a
// NAT gateway costs while nothing runs; nothing gets in, because no rule lets an
// address in.
type network struct {
	vpc      awsec2.IVpc
	zones    []string // of the subnets; none in a given VPC, whose zones only the account knows
	nodes    awsec2.CfnSecurityGroup
	proxy    awsec2.CfnSecurityGroup
	balancer awsec2.CfnSecurityGroup // the load balancer that a run makes
	workers  awsec2.CfnSecurityGroup // Aim and Shard: the load
	admin    awsec2.CfnSecurityGroup // Aim alone: the proxy's admin port
}

// ownVPC costs nothing while nothing runs.
func ownVPC(stack awscdk.Stack) awsec2.IVpc {
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
	accept(vpc, "VPC7", "no flow log: it is billed by the gigabyte that the load makes, and the results record each request")
	return vpc
}

// givenVPC takes a VPC as the options describe it: Vpc.fromLookup would ask an
// account while the template is made. What the stack cannot see, the note tells.
func givenVPC(stack awscdk.Stack, o options) awsec2.IVpc {
	awscdk.Annotations_Of(stack).AddInfo(jsii.String("the given VPC needs an S3 gateway endpoint in the route tables of the given subnets: " +
		"functions there have no other way to the results. Each subnet must be in a zone of its own, which a load balancer asks for, " +
		"have a route to an internet gateway and give instances public addresses. The VPC must resolve names."))
	var subnets, zones []*string
	for i, id := range o.subnetIDs {
		subnets = append(subnets, jsii.String(id))
		// Asked for and used nowhere: a subnet that exists is in its zone already.
		zones = append(zones, awscdk.Fn_Select(jsii.Number(i), awscdk.Fn_GetAzs(nil)))
	}
	vpc := awsec2.Vpc_FromVpcAttributes(stack, jsii.String("Vpc"), &awsec2.VpcAttributes{
		VpcId:             jsii.String(o.vpcID),
		AvailabilityZones: &zones,
		PublicSubnetIds:   &subnets,
	})
	awscdk.Annotations_Of(vpc).AcknowledgeWarning(jsii.String("@aws-cdk/aws-ec2:noSubnetRouteTableId"),
		jsii.String("the stack adds no route to another's network"))
	return vpc
}

func newNetwork(stack awscdk.Stack, o options) network {
	var vpc awsec2.IVpc
	if o.vpcID == "" {
		vpc = ownVPC(stack)
	} else {
		vpc = givenVPC(stack, o)
	}
	group := func(id, description string, egress ...any) awsec2.CfnSecurityGroup {
		return awsec2.NewCfnSecurityGroup(stack, jsii.String(id), &awsec2.CfnSecurityGroupProps{
			VpcId:            vpc.VpcId(),
			GroupDescription: jsii.String(description),
			// In the group, not beside it: a group made without any lets everything out.
			SecurityGroupEgress: &egress,
		})
	}
	n := network{vpc: vpc}
	if o.vpcID == "" {
		for _, subnet := range *vpc.PublicSubnets() {
			n.zones = append(n.zones, *subnet.AvailabilityZone())
		}
	}
	n.nodes = group("NodesGroup", "Fairlead nodes", toAWS())
	n.proxy = group("ProxyGroup", "Fairlead proxy", toAWS(), to(n.nodes, backendPort, backendPort, "forwarded requests and health probes"))
	n.balancer = group("BalancerGroup", "Fairlead load balancers", to(n.nodes, backendPort, backendPort, "forwarded requests and health checks"))
	n.workers = group("WorkersGroup", "Fairlead load workers", toAWS(),
		to(n.nodes, backendPort, backendPort, "direct load and path proof"),
		to(n.proxy, proxyPort, proxyPort, "load"),
		to(n.balancer, firstListener, lastListener, "load and path proof"))
	n.admin = group("AdminGroup", "Fairlead: who may steer the proxy", to(n.proxy, adminPort, adminPort, "strategy, reset, statistics"))

	ingress := func(id string, group, from awsec2.CfnSecurityGroup, first, last float64, why string) {
		awsec2.NewCfnSecurityGroupIngress(stack, jsii.String(id), &awsec2.CfnSecurityGroupIngressProps{
			GroupId:               group.AttrGroupId(),
			SourceSecurityGroupId: from.AttrGroupId(),
			IpProtocol:            jsii.String("tcp"),
			FromPort:              &first,
			ToPort:                &last,
			Description:           &why,
		})
	}
	ingress("NodesFromProxy", n.nodes, n.proxy, backendPort, backendPort, "forwarded requests and health probes")
	ingress("NodesFromBalancer", n.nodes, n.balancer, backendPort, backendPort, "forwarded requests and health checks")
	ingress("NodesFromWorkers", n.nodes, n.workers, backendPort, backendPort, "direct load and path proof")
	ingress("ProxyFromWorkers", n.proxy, n.workers, proxyPort, proxyPort, "load")
	ingress("ProxyFromAdmin", n.proxy, n.admin, adminPort, adminPort, "strategy, reset, statistics")
	ingress("BalancerFromWorkers", n.balancer, n.workers, firstListener, lastListener, "load and path proof")
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

func to(group awsec2.CfnSecurityGroup, first, last float64, why string) any {
	return &awsec2.CfnSecurityGroup_EgressProperty{
		DestinationSecurityGroupId: group.AttrGroupId(),
		IpProtocol:                 jsii.String("tcp"),
		FromPort:                   &first,
		ToPort:                     &last,
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
