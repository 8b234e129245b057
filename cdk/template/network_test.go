package template

import (
	"maps"
	"slices"
	"testing"
)

func TestIngressIsFromGroupsOnly(t *testing.T) {
	d := parse(t)
	for id, group := range d.each("AWS::EC2::SecurityGroup") {
		if group.Properties["SecurityGroupIngress"] != nil {
			t.Errorf("%s has ingress rules of its own; they belong beside it, where this test reads them", id)
		}
	}
	got := map[string]bool{}
	for id, rule := range d.each("AWS::EC2::SecurityGroupIngress") {
		for _, open := range []string{"CidrIp", "CidrIpv6", "SourcePrefixListId"} {
			if rule.Properties[open] != nil {
				t.Errorf("%s lets addresses in: %s = %s", id, open, text(rule.Properties[open]))
			}
		}
		got[text(rule.Properties["GroupId"])+" from "+text(rule.Properties["SourceSecurityGroupId"])+" "+
			text(rule.Properties["IpProtocol"])+" "+ports(rule.Properties)] = true
	}
	want := []string{
		"${BalancerGroup.GroupId} from ${WorkersGroup.GroupId} tcp 8000-8002",
		"${NodesGroup.GroupId} from ${BalancerGroup.GroupId} tcp 8000",
		"${NodesGroup.GroupId} from ${ProxyGroup.GroupId} tcp 8000",
		"${NodesGroup.GroupId} from ${WorkersGroup.GroupId} tcp 8000",
		"${ProxyGroup.GroupId} from ${AdminGroup.GroupId} tcp 8001",
		"${ProxyGroup.GroupId} from ${WorkersGroup.GroupId} tcp 8000",
	}
	if found := slices.Sorted(maps.Keys(got)); !slices.Equal(found, want) {
		t.Errorf("ingress:\n got %q\nwant %q", found, want)
	}
}

func TestEgress(t *testing.T) {
	d := parse(t)
	want := map[string][]string{
		"NodesGroup":    {"0.0.0.0/0 443"},
		"ProxyGroup":    {"0.0.0.0/0 443", "${NodesGroup.GroupId} 8000"},
		"BalancerGroup": {"${NodesGroup.GroupId} 8000"},
		"WorkersGroup":  {"0.0.0.0/0 443", "${NodesGroup.GroupId} 8000", "${ProxyGroup.GroupId} 8000", "${BalancerGroup.GroupId} 8000-8002"},
		"AdminGroup":    {"${ProxyGroup.GroupId} 8001"},
	}
	got := map[string][]string{}
	for id, group := range d.each("AWS::EC2::SecurityGroup") {
		// An empty list would not do: EC2 gives such a group a rule that lets all out.
		for _, rule := range list(group.Properties["SecurityGroupEgress"]) {
			peer := text(at(rule, "CidrIp"))
			if peer == "" {
				peer = text(at(rule, "DestinationSecurityGroupId"))
			}
			if text(at(rule, "IpProtocol")) != "tcp" {
				t.Errorf("%s: %v is not for TCP", id, rule)
			}
			got[plain(id)] = append(got[plain(id)], peer+" "+ports(rule))
		}
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("egress:\n got %v\nwant %v", got, want)
	}
	for id := range d.each("AWS::EC2::SecurityGroupEgress") {
		t.Errorf("%s stands beside its group, where this test does not read it", id)
	}
}

// ports of a rule: one, or the first and the last.
func ports(rule any) string {
	first, last := text(at(rule, "FromPort")), text(at(rule, "ToPort"))
	if first == last {
		return first
	}
	return first + "-" + last
}

func TestSubnetsAreInTwoZonesAndPublic(t *testing.T) {
	d := parse(t)
	zones := map[string]bool{}
	for id, subnet := range d.each("AWS::EC2::Subnet") {
		if subnet.Properties["MapPublicIpOnLaunch"] != true {
			t.Errorf("%s gives instances no public address, and there is no NAT gateway", id)
		}
		zones[text(subnet.Properties["AvailabilityZone"])] = true
	}
	if len(zones) != 2 {
		t.Errorf("the subnets are in %d zones, want 2", len(zones))
	}
}

func TestFunctionsInTheVPCReachS3(t *testing.T) {
	d := parse(t)
	for _, endpoint := range d.each("AWS::EC2::VPCEndpoint") {
		if text(endpoint.Properties["ServiceName"]) == "com.amazonaws.${AWS::Region}.s3" &&
			text(endpoint.Properties["VpcEndpointType"]) == "Gateway" && len(list(endpoint.Properties["RouteTableIds"])) == 2 {
			return
		}
	}
	t.Error("no S3 gateway endpoint serves both subnets; functions in the VPC have no other way to S3")
}
