package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// ownUse is a use that AWS itself makes of a role: no code of ours calls these
// actions. What in the template makes AWS call them must be there, or the grant
// is one too many. (What our code calls, the test over the local runs knows.)
type ownUse struct {
	role    string // "functions" for each of them
	actions []string
	because string
	implied func(d document, role string) bool
	source  string // in AWS's documentation
}

func ownUses() []ownUse {
	return []ownUse{
		{
			"MachineRole", []string{"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery",
				"logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"},
			"the machine's LoggingConfiguration",
			func(d document, _ string) bool {
				logging := machineProperty(d, "LoggingConfiguration")
				level := text(at(logging, "Level"))
				return level != "" && level != "OFF" && len(list(at(logging, "Destinations"))) == 1
			},
			"docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html, IAM policies for logging",
		},
		{
			"MachineRole", []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"},
			"the machine's TracingConfiguration",
			func(d document, _ string) bool {
				return at(machineProperty(d, "TracingConfiguration"), "Enabled") == true
			},
			"docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html",
		},
		{
			"MachineRole", []string{"states:StartExecution", "states:DescribeExecution", "states:StopExecution"},
			"a Distributed Map",
			func(d document, _ string) bool {
				return strings.Contains(text(machineProperty(d, "DefinitionString")), `"DISTRIBUTED"`)
			},
			"docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html",
		},
		{
			"functions", []string{"logs:CreateLogStream", "logs:PutLogEvents"},
			"the function's LoggingConfig",
			func(d document, role string) bool { return d.functionHas(role, "LoggingConfig") },
			"docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html, required permissions",
		},
		{
			"functions", strings.Split(interfaces, ","),
			"the function's VpcConfig",
			func(d document, role string) bool { return d.functionHas(role, "VpcConfig") },
			"docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, required IAM permissions",
		},
		{
			"FunctionsLaunchRole", []string{"iam:PassRole"},
			"the launch templates' IamInstanceProfile",
			func(d document, _ string) bool { return d.launchTemplatesHave("IamInstanceProfile", "") },
			"docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html",
		},
		{
			"FunctionsLaunchRole", []string{"ssm:GetParameters"},
			"the launch templates' ImageId of resolve:ssm:",
			func(d document, _ string) bool { return d.launchTemplatesHave("ImageId", "resolve:ssm:") },
			"docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-launch-template.html, Systems Manager parameter instead of an AMI id",
		},
		{
			"FunctionsLaunchRole", []string{"ec2:CreateTags"},
			"RunInstances that must carry the tag",
			func(d document, role string) bool {
				return d.granted(role, "ec2:RunInstances", "aws:RequestTag/fairlead:stack")
			},
			"docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html",
		},
		{
			"FunctionsBalanceRole", []string{"elasticloadbalancing:AddTags"},
			"CreateLoadBalancer that must carry the tag",
			func(d document, role string) bool {
				return d.granted(role, "elasticloadbalancing:CreateLoadBalancer", "aws:RequestTag/fairlead:stack")
			},
			"docs.aws.amazon.com/elasticloadbalancing/latest/userguide/tagging-resources-during-creation.html",
		},
		{
			"FunctionsBalanceRole", []string{"ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeInternetGateways",
				"ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:DescribeInstances",
				"ec2:GetSecurityGroupsForVpc", "iam:CreateServiceLinkedRole"},
			"CreateLoadBalancer and RegisterTargets, which ask EC2 as their caller",
			func(d document, role string) bool {
				return d.granted(role, "elasticloadbalancing:CreateLoadBalancer", "") && d.granted(role, "elasticloadbalancing:RegisterTargets", "")
			},
			"docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-permissions.html; …/elb-service-linked-roles.html; " +
				"docs.aws.amazon.com/aws-managed-policy/latest/reference/ElasticLoadBalancingFullAccess.html",
		},
		{
			"NodeRole", []string{"ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel"},
			"the setup document, which the agent runs", document.hasDocument,
			"docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-setting-up-messageAPIs.html",
		},
		{
			"ProxyRole", []string{"ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel"},
			"the setup document, which the agent runs", document.hasDocument,
			"docs.aws.amazon.com/systems-manager/latest/userguide/systems-manager-setting-up-messageAPIs.html",
		},
	}
}

func machineProperty(d document, property string) any {
	for _, machine := range d.each("AWS::StepFunctions::StateMachine") {
		return machine.Properties[property]
	}
	return nil
}

func (d document) functionHas(role, property string) bool {
	for _, function := range d.steps() {
		if plain(text(at(function.Properties, "Role", "Fn::GetAtt", 0))) == role {
			return function.Properties[property] != nil
		}
	}
	return false
}

func (d document) launchTemplatesHave(property, prefix string) bool {
	found := false
	for _, template := range d.each("AWS::EC2::LaunchTemplate") {
		value := text(at(template.Properties, "LaunchTemplateData", property))
		if value == "" || !strings.HasPrefix(value, prefix) {
			return false
		}
		found = true
	}
	return found
}

// granted tells whether the role may do the action, under a condition on the key
// if one is given.
func (d document) granted(role, action, key string) bool {
	return slices.ContainsFunc(statements(d)[role], func(line string) bool {
		actions, rest, _ := strings.Cut(line, " on ")
		return slices.Contains(strings.Split(actions, ","), action) && strings.Contains(rest, key)
	})
}

func (d document) hasDocument(string) bool {
	for range d.each("AWS::SSM::Document") {
		return true
	}
	return false
}

// ownFaults names the uses that nothing implies any more, and those whose grant
// is missing, which only AWS would find.
func ownFaults(d document) []string {
	type grant struct{ role, action string }
	implied, without := map[grant]bool{}, map[grant]string{}
	var all []string
	for _, use := range ownUses() {
		roles := []string{use.role}
		if use.role == "functions" {
			roles = nil
			for _, function := range d.steps() {
				roles = append(roles, plain(text(at(function.Properties, "Role", "Fn::GetAtt", 0))))
			}
		}
		for _, role := range roles {
			needed := use.implied(d, role)
			for _, action := range use.actions {
				granted := d.granted(role, action, "")
				switch {
				case needed && !granted:
					all = append(all, fmt.Sprintf("%s: %s is missing, which %s asks for", role, action, use.because))
				case needed:
					implied[grant{role, action}] = true
				case granted:
					without[grant{role, action}] = use.because
				}
			}
		}
	}
	for g, because := range without {
		// The same action can have two causes.
		if !implied[g] {
			all = append(all, fmt.Sprintf("%s: %s is granted without %s", g.role, g.action, because))
		}
	}
	slices.Sort(all)
	return all
}

func TestAWSsOwnUses(t *testing.T) {
	for _, fault := range ownFaults(parse(t)) {
		t.Error(fault)
	}
}

// TestAWSsOwnUsesAreHeld makes each mistake in turn.
func TestAWSsOwnUsesAreHeld(t *testing.T) {
	for _, c := range []struct {
		mistake string
		make    func(document)
		want    string
	}{
		{"no log", func(d document) { delete(d.properties("Benchmark"), "LoggingConfiguration") }, "MachineRole: logs:CreateLogDelivery is granted without"},
		{"a log that is off", func(d document) { put(d.properties("Benchmark"), "OFF", "LoggingConfiguration", "Level") }, "MachineRole: logs:PutResourcePolicy is granted without"},
		{"no traces", func(d document) { put(d.properties("Benchmark"), false, "TracingConfiguration", "Enabled") }, "MachineRole: xray:PutTraceSegments is granted without"},
		{"only inline Maps", func(d document) {
			d.properties("Benchmark")["DefinitionString"] = strings.ReplaceAll(text(d.properties("Benchmark")["DefinitionString"]), `"DISTRIBUTED"`, `"INLINE"`)
		}, "MachineRole: states:StartExecution is granted without"},
		{"a function out of the VPC", func(d document) { delete(d.steps()["shard"].Properties, "VpcConfig") }, "FunctionsShardRole: ec2:CreateNetworkInterface is granted without"},
		{"a function in the VPC", func(d document) { d.steps()["merge"].Properties["VpcConfig"] = map[string]any{} }, "FunctionsMergeRole: ec2:CreateNetworkInterface is missing"},
		{"no log of a function", func(d document) { delete(d.steps()["plan"].Properties, "LoggingConfig") }, "FunctionsPlanRole: logs:PutLogEvents is granted without"},
		{"instances without a role", func(d document) {
			delete(d.properties("NodeTemplateArm")["LaunchTemplateData"].(map[string]any), "IamInstanceProfile")
		}, "FunctionsLaunchRole: iam:PassRole is granted without"},
		{"an image by its id", func(d document) { put(d.properties("NodeTemplateX86"), "ami-1", "LaunchTemplateData", "ImageId") }, "FunctionsLaunchRole: ssm:GetParameters is granted without"},
		{"no agent's command", func(d document) { delete(d.Resources, "Setup") }, "NodeRole: ssmmessages:OpenControlChannel is granted without"},
		{"tags that nobody asks for", func(d document) { d.unconditional("launch", "ec2:RunInstances") }, "FunctionsLaunchRole: ec2:CreateTags is granted without"},
		{"no load balancer", func(d document) {
			put(d.statement("balance", "elasticloadbalancing:CreateLoadBalancer"), "elasticloadbalancing:Gone", "Action")
		}, "FunctionsBalanceRole: iam:CreateServiceLinkedRole is granted without"},
	} {
		d := parse(t)
		c.make(d)
		if found := ownFaults(d); !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.want) }) {
			t.Errorf("%s: nothing says %q, but %q", c.mistake, c.want, found)
		}
	}
}

// TestEachOwnUseHasASource, since no run of ours can show it.
func TestEachOwnUseHasASource(t *testing.T) {
	said := map[string]bool{}
	for _, use := range ownUses() {
		if !strings.HasPrefix(use.source, "docs.aws.amazon.com/") || use.because == "" {
			t.Errorf("%s: %v has no source or reason", use.role, use.actions)
		}
		for _, action := range use.actions {
			key := use.role + " " + action
			if said[key] {
				t.Errorf("%s is listed twice", key)
			}
			said[key] = true
		}
	}
	if len(said) < 30 {
		t.Errorf("only %d uses: %v", len(said), slices.Sorted(maps.Keys(said)))
	}
}
