package template

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// searched are a dashboard's searches: namespace and dimensions.
var searched = regexp.MustCompile(`SEARCH\('\{([A-Za-z/]+),([A-Za-z,]+)\}`)

func TestNoFaults(t *testing.T) {
	for name, raw := range map[string][]byte{"template.json": golden, "student.json": student} {
		var d document
		if err := json.Unmarshal(raw, &d); err != nil {
			t.Fatal(err)
		}
		for _, fault := range faults(d) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// TestFaultsAreFound makes each mistake in turn: the test that would catch it must
// name it.
func TestFaultsAreFound(t *testing.T) {
	for _, c := range []struct {
		mistake string
		make    func(document)
		want    string
	}{
		{"a public port", func(d document) { d.properties("NodesFromWorkers")["CidrIp"] = "0.0.0.0/0" },
			"NodesFromWorkers: lets 0.0.0.0/0 in on port 8000"},
		{"the same over IPv6", func(d document) { d.properties("NodesFromWorkers")["CidrIpv6"] = "::/0" },
			"lets ::/0 in"},
		{"a public port in the group itself", func(d document) {
			d.properties("NodesGroup")["SecurityGroupIngress"] = []any{map[string]any{"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 443.0, "ToPort": 443.0}}
		}, "NodesGroup: lets 0.0.0.0/0 in on port 443"},
		{"SSH", func(d document) {
			d.properties("NodesFromWorkers")["FromPort"], d.properties("NodesFromWorkers")["ToPort"] = 22.0, 22.0
		}, "NodesFromWorkers: opens port 22"},
		{"SSH in a range", func(d document) { d.properties("NodesFromWorkers")["FromPort"] = 1.0 }, "opens port 22"},
		{"all ports above", func(d document) { d.properties("BalancerFromWorkers")["ToPort"] = 65535.0 }, "opens the ports 8000-65535"},
		{"all protocols", func(d document) { d.properties("NodesFromWorkers")["IpProtocol"] = "-1" }, "lets in more than TCP"},
		{"a NAT gateway", func(d document) { d.Resources["Nat"] = resource{Type: "AWS::EC2::NatGateway"} }, "Nat: a AWS::EC2::NatGateway costs money"},
		{"a load balancer of the stack", func(d document) {
			d.Resources["Alb"] = resource{Type: "AWS::ElasticLoadBalancingV2::LoadBalancer"}
		}, "Alb: a AWS::ElasticLoadBalancingV2::LoadBalancer costs money"},
		{"IMDSv1", func(d document) {
			put(d.properties("NodeTemplateArm"), "optional", "LaunchTemplateData", "MetadataOptions", "HttpTokens")
		}, "NodeTemplateArm: IMDSv1 is on"},
		{"IMDS by default", func(d document) {
			put(d.properties("ProxyTemplateX86"), nil, "LaunchTemplateData", "MetadataOptions")
		}, "ProxyTemplateX86: IMDSv1 is on"},
		{"a plain volume", func(d document) {
			put(d.properties("ProxyTemplateArm"), false, "LaunchTemplateData", "BlockDeviceMappings", 0, "Ebs", "Encrypted")
		}, "ProxyTemplateArm: the volume is not encrypted"},
		{"a key", func(d document) { put(d.properties("NodeTemplateX86"), "mine", "LaunchTemplateData", "KeyName") }, "NodeTemplateX86: an SSH key"},
		{"a control function in the VPC", func(d document) {
			d.steps()["teardown"].Properties["VpcConfig"] = map[string]any{}
		}, "FunctionsTeardown: teardown is in the VPC"},
		{"logs forever", func(d document) {
			for _, group := range d.each("AWS::Logs::LogGroup") {
				delete(group.Properties, "RetentionInDays")
				return
			}
		}, "no retention"},
		{"an alarm between runs", func(d document) { d.properties("FleetTooOld")["TreatMissingData"] = "breaching" }, `FleetTooOld: missing data is "breaching"`},
		{"the default of an alarm", func(d document) { delete(d.properties("RunFailed"), "TreatMissingData") }, `RunFailed: missing data is ""`},
		{"a run as an alarm's dimension", func(d document) { put(d.properties("FleetTooOld"), "Run", "Dimensions", 0, "Name") }, "FleetTooOld: the dimension Run"},
		{"a run as an alarm's inner dimension", func(d document) {
			put(d.properties("RunFailed"), "Run", "Metrics", 0, "MetricStat", "Metric", "Dimensions", 0, "Name")
		}, "RunFailed: the dimension Run"},
		{"a run as the dashboard's dimension", func(d document) {
			d.properties("Dashboard")["DashboardBody"] = strings.ReplaceAll(text(d.properties("Dashboard")["DashboardBody"]), "{Fairlead,Stack,Cluster}", "{Fairlead,Stack,Cluster,Run}")
		}, "Dashboard: metrics with the dimensions Stack,Cluster,Run"},
		{"anybody's instances", func(d document) { d.unconditional("teardown", "ec2:TerminateInstances") },
			"FunctionsTeardownRole: ec2:TerminateInstances without the condition aws:ResourceTag/fairlead:stack"},
		{"instances of any stack", func(d document) {
			put(d.statement("sweep", "ec2:TerminateInstances"), "*", "Condition", "StringEquals", "aws:ResourceTag/fairlead:stack")
		}, "FunctionsSweepRole: ec2:TerminateInstances without the condition"},
		{"anybody's load balancers", func(d document) { d.unconditional("sweep", "elasticloadbalancing:DeleteLoadBalancer") },
			"FunctionsSweepRole: elasticloadbalancing:DeleteLoadBalancer without the condition"},
		{"anybody's target groups", func(d document) { d.unconditional("teardown", "elasticloadbalancing:DeleteTargetGroup") },
			"elasticloadbalancing:DeleteTargetGroup without the condition"},
		{"a public load balancer", func(d document) {
			put(d.statement("balance", "elasticloadbalancing:CreateLoadBalancer"), "internet-facing", "Condition", "StringEquals", "elasticloadbalancing:Scheme")
		}, "elasticloadbalancing:CreateLoadBalancer without the condition elasticloadbalancing:Scheme internal"},
		{"tags on anything", func(d document) { d.unconditional("balance", "elasticloadbalancing:AddTags") },
			"elasticloadbalancing:AddTags without the condition elasticloadbalancing:CreateAction"},
		{"a role for any service", func(d document) { d.unconditional("launch", "iam:PassRole") }, "iam:PassRole without the condition iam:PassedToService"},
		{"a wildcard", func(d document) { put(d.statement("ready", "ec2:DescribeInstances"), "ec2:*", "Action", 0) }, "FunctionsReadyRole: allows the action ec2:*"},
	} {
		d := parse(t)
		c.make(d)
		if found := faults(d); !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.want) }) {
			t.Errorf("%s: nothing says %q, but %q", c.mistake, c.want, found)
		}
	}
}

func (d document) properties(id string) map[string]any { return d.Resources[id].Properties }

// statement is the one of a step's role that grants the action.
func (d document) statement(step, action string) map[string]any {
	role := d.Resources[text(at(d.steps()[step].Properties, "Role", "Fn::GetAtt", 0))]
	for _, policy := range list(role.Properties["Policies"]) {
		for _, statement := range list(at(policy, "PolicyDocument", "Statement")) {
			if slices.ContainsFunc(list(at(statement, "Action")), func(a any) bool { return a == action }) {
				return statement.(map[string]any)
			}
		}
	}
	return nil
}

func (d document) unconditional(step, action string) { delete(d.statement(step, action), "Condition") }

// put sets what a path of keys and list indexes leads to.
func put(v any, value any, path ...any) {
	last := len(path) - 1
	switch into, key := at(v, path[:last]...), path[last]; into := into.(type) {
	case map[string]any:
		into[key.(string)] = value
	case []any:
		into[key.(int)] = value
	}
}
