package template

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestLocalCloudCanDeployIt keeps the template within what the local cloud reads:
// without conditions, mappings or rules, and with these types and intrinsics.
func TestLocalCloudCanDeployIt(t *testing.T) {
	var sections map[string]json.RawMessage
	if err := json.Unmarshal(golden, &sections); err != nil {
		t.Fatal(err)
	}
	for section := range sections {
		if !slices.Contains([]string{"Description", "Parameters", "Resources", "Outputs"}, section) {
			t.Errorf("the template has a section %s", section)
		}
	}
	types := []string{
		"AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::InstanceProfile", "AWS::Lambda::Function", "AWS::Lambda::Permission",
		"AWS::StepFunctions::StateMachine", "AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::SSM::Document", "AWS::Events::Rule",
		"AWS::EC2::LaunchTemplate", "AWS::EC2::VPC", "AWS::EC2::Subnet", "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress",
		"AWS::EC2::InternetGateway", "AWS::EC2::VPCGatewayAttachment", "AWS::EC2::RouteTable", "AWS::EC2::Route",
		"AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPCEndpoint",
		"AWS::Logs::LogGroup", "AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard",
	}
	d := parse(t)
	for id, r := range d.Resources {
		// A custom resource, a NAT gateway or an address of its own would show here, too.
		if !slices.Contains(types, r.Type) {
			t.Errorf("%s is a %s", id, r.Type)
		}
	}
	intrinsics := []string{"Fn::GetAtt", "Fn::Join", "Fn::Sub", "Fn::Select", "Fn::GetAZs", "Fn::Base64"}
	for _, found := range regexp.MustCompile(`"(Fn::\w+|Condition)": [{["]`).FindAllSubmatch(golden, -1) {
		if name := string(found[1]); strings.HasPrefix(name, "Fn::") && !slices.Contains(intrinsics, name) {
			t.Errorf("the template uses %s", name)
		}
	}
}

func TestParametersAndOutputs(t *testing.T) {
	d := parse(t)
	if got := slices.Sorted(maps.Keys(d.Parameters)); !slices.Equal(got, []string{"T0Lead"}) {
		t.Errorf("parameters %v", got)
	}
	want := map[string]string{
		"StateMachineArn": "${Benchmark.Arn}",
		"StartCommand":    "aws stepfunctions start-execution --state-machine-arn ${Benchmark.Arn} --input '{}' --region ${AWS::Region}",
		"ConsoleUrl":      "https://${AWS::Region}.console.aws.amazon.com/states/home?region=${AWS::Region}#/statemachines/view/${Benchmark.Arn}",
		"DashboardUrl":    "https://${AWS::Region}.console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${Dashboard}",
		"ResultsBucket":   "${Results}",
		"JudgeFunction":   "${FunctionsJudge}",
		"SweepFunction":   "${FunctionsSweep}",
	}
	got := map[string]string{}
	for id, output := range d.Outputs {
		got[id] = text(at(output, "Value"))
		if text(at(output, "Description")) == "" {
			t.Errorf("%s does not say what it is for", id)
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("outputs:\n got %v\nwant %v", got, want)
	}
}

// TestTags: costs are told apart by the tag. The listed types take none, or cost
// nothing and are found through their parents.
func TestTags(t *testing.T) {
	untagged := []string{
		"AWS::IAM::Policy", "AWS::IAM::InstanceProfile", "AWS::Lambda::Permission", "AWS::S3::BucketPolicy",
		"AWS::EC2::SecurityGroupIngress", "AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation",
		"AWS::EC2::VPCGatewayAttachment",
	}
	d := parse(t)
	for id, r := range d.Resources {
		tags := append(list(r.Properties["Tags"]), list(at(r.Properties, "TagSpecifications", 0, "Tags"))...)
		tagged := slices.ContainsFunc(tags, func(tag any) bool {
			return text(at(tag, "Key")) == "fairlead:stack" && text(at(tag, "Value")) == "${AWS::StackName}"
		})
		if tagged == slices.Contains(untagged, r.Type) {
			t.Errorf("%s (%s): tagged with the stack: %v", id, r.Type, tagged)
		}
	}
}

func TestNoCycles(t *testing.T) {
	if err := order(parse(t)); err != nil {
		t.Error(err)
	}
}

// TestCyclesAreFound tries the finder on the mistake that synth accepts: a role
// whose own policy names the machine that takes it on.
func TestCyclesAreFound(t *testing.T) {
	d := document{Resources: map[string]resource{
		"Role":    {Properties: map[string]any{"Policies": []any{map[string]any{"Fn::Sub": "${Machine.Arn}"}}}},
		"Machine": {Properties: map[string]any{"RoleArn": map[string]any{"Fn::GetAtt": []any{"Role", "Arn"}}}},
	}}
	if err := order(d); err == nil || !strings.Contains(err.Error(), "Machine") {
		t.Errorf("the cycle was not found: %v", err)
	}
	d.Resources["Role"] = resource{DependsOn: []string{"Nobody"}}
	if err := order(d); err == nil || !strings.Contains(err.Error(), "Nobody") {
		t.Errorf("the dangling reference was not found: %v", err)
	}
}

// order sorts the resources by what they need and fails where that is impossible.
func order(d document) error {
	const visiting, done = 1, 2
	state := map[string]int{}
	var visit func(id string, path []string) error
	visit = func(id string, path []string) error {
		path = append(path, id)
		switch state[id] {
		case done:
			return nil
		case visiting:
			return fmt.Errorf("a cycle: %s", strings.Join(path, " → "))
		}
		r, ok := d.Resources[id]
		if !ok {
			return fmt.Errorf("a reference to nothing: %s", strings.Join(path, " → "))
		}
		state[id] = visiting
		for _, need := range slices.Concat(r.DependsOn, references(r.Properties, d)) {
			if err := visit(need, path); err != nil {
				return err
			}
		}
		state[id] = done
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(d.Resources)) {
		if err := visit(id, nil); err != nil {
			return err
		}
	}
	return nil
}

var substituted = regexp.MustCompile(`\$\{([A-Za-z0-9]+)(\.[A-Za-z0-9.]+)?\}`)

// references lists the resources that a value names.
func references(v any, d document) []string {
	var all []string
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			all = append(all, references(item, d)...)
		}
	case map[string]any:
		for key, value := range v {
			switch key {
			case "Ref":
				if id := text(value); !strings.HasPrefix(id, "AWS::") && d.Parameters[id] == nil {
					all = append(all, id)
				}
			case "Fn::GetAtt":
				all = append(all, text(at(value, 0)))
			case "Fn::Sub":
				for _, found := range substituted.FindAllStringSubmatch(text(value), -1) {
					all = append(all, found[1])
				}
			default:
				all = append(all, references(value, d)...)
			}
		}
	}
	return all
}
