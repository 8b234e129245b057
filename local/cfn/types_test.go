package cfn

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/local/iam"
)

// TestInstanceProfilesGo: what a stack made ends with it.
func TestInstanceProfilesGo(t *testing.T) {
	store := iam.NewStore("000000000000")
	e := &Engine{Region: "us-east-1", Account: "000000000000", Types: iamTypes(store)}
	stack, err := e.Deploy(t.Context(), "stack", []byte(`{"Resources":{
		"R":{"Type":"AWS::IAM::Role","DeletionPolicy":"Retain","Properties":{"AssumeRolePolicyDocument":{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}}},
		"P":{"Type":"AWS::IAM::InstanceProfile","Properties":{"InstanceProfileName":"p","Roles":[{"Ref":"R"}]}}}}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := store.InstanceProfileRole("p"); !ok {
		t.Error("the profile was not made")
	}
	if err := stack.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := store.InstanceProfileRole("p"); ok {
		t.Error("the profile outlived its stack")
	}
}

func TestWhatIsRefusedOrListed(t *testing.T) {
	e := &Engine{Region: "us-east-1", Account: "000000000000", Types: Types(Services{IAM: iam.NewStore("000000000000")}, "us-east-1", "000000000000")}
	for _, test := range []struct{ why, template, problem, noEffect string }{
		{"an endpoint's policy denies on AWS", `{"Resources":{"E":{"Type":"AWS::EC2::VPCEndpoint","Properties":{"PolicyDocument":{}}}}}`, "Resources.E.Properties.PolicyDocument: this property is not implemented", ""},
		{"choices that are no list", `{"Parameters":{"P":{"Type":"String","Default":"x","AllowedValues":"a"}},"Resources":{"G":{"Type":"AWS::EC2::InternetGateway"}}}`, "Parameters.P.AllowedValues: is not a list", ""},
		{"a pattern that is no text", `{"Parameters":{"P":{"Type":"String","Default":"","AllowedPattern":1}},"Resources":{"G":{"Type":"AWS::EC2::InternetGateway"}}}`, "Parameters.P.AllowedPattern: is not a string", ""},
		{"flow logs", `{"Resources":{"F":{"Type":"AWS::EC2::FlowLog","Properties":{"ResourceId":"vpc-1","ResourceType":"VPC","TrafficType":"REJECT","LogGroupName":"g","DeliverLogsPermissionArn":"r","Tags":[]}}}}`, "", "F (AWS::EC2::FlowLog): packets"},
		{"an alarm on an expression", `{"Resources":{"A":{"Type":"AWS::CloudWatch::Alarm","Properties":{"ComparisonOperator":"GreaterThanThreshold","EvaluationPeriods":1,"Threshold":3600,"TreatMissingData":"notBreaching","Metrics":[{"Id":"a","Expression":"b*2"}]}}}}`, "", "A (AWS::CloudWatch::Alarm): metrics are kept"},
		{"a target's role", `{"Resources":{"R":{"Type":"AWS::Events::Rule","Properties":{"ScheduleExpression":"rate(1 minute)","Targets":[{"Arn":"a","Id":"i","RoleArn":"r"}]}}}}`, "Resources.R.Properties.Targets[0].RoleArn: this property is not implemented", ""},
		{"versions of objects", `{"Resources":{"B":{"Type":"AWS::S3::Bucket","Properties":{"VersioningConfiguration":{"Status":"Enabled"}}}}}`, "Resources.B.Properties.VersioningConfiguration: this property is not implemented", ""},
		{"public addresses", `{"Resources":{"S":{"Type":"AWS::EC2::Subnet","Properties":{"VpcId":"v","CidrBlock":"10.0.0.0/24","MapPublicIpOnLaunch":true}}}}`, "", "S (AWS::EC2::Subnet) MapPublicIpOnLaunch: "},
		{"hops", `{"Resources":{"L":{"Type":"AWS::EC2::LaunchTemplate","Properties":{"LaunchTemplateData":{"MetadataOptions":{"HttpPutResponseHopLimit":1}}}}}}`, "", "L (AWS::EC2::LaunchTemplate) LaunchTemplateData.MetadataOptions.HttpPutResponseHopLimit: "},
	} {
		p, err := e.check("stack", []byte(test.template), nil)
		if test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) || test.problem == "" && err != nil {
			t.Errorf("%s: %v, want %q", test.why, err, test.problem)
		}
		if test.noEffect != "" && (len(p.noEffect) != 1 || !strings.HasPrefix(p.noEffect[0].String(), test.noEffect)) {
			t.Errorf("%s: %v is listed, want %q", test.why, p.noEffect, test.noEffect)
		}
	}
}
