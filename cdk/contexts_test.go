package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestContexts(t *testing.T) {
	for _, c := range []struct {
		why   string
		given map[string]any
		want  options
	}{
		{"nothing is said", nil, options{stack: "fairlead", keepResults: true}},
		{"the CLI and the CDK add their own", map[string]any{"aws:cdk:bundling-stacks": []any{"**"}, "@aws-cdk/core:x": true, "team": "blue"},
			options{stack: "fairlead", keepResults: true}},
		{"from the command line", map[string]any{"stack": "second", "keepResults": "false"}, options{stack: "second"}},
		{"cdk.json knows true and false", map[string]any{"keepResults": false}, options{stack: "fairlead"}},
		{"a network that exists", map[string]any{"vpcId": "vpc-0123456789abcdef0", "subnetIds": "subnet-01234567,subnet-89abcdef"},
			options{stack: "fairlead", keepResults: true, vpcID: "vpc-0123456789abcdef0", subnetIDs: []string{"subnet-01234567", "subnet-89abcdef"}}},
		{"a student account", map[string]any{"labRole": "LabRole", "assetsBucket": "my-programs"},
			options{stack: "fairlead", keepResults: true, labRole: "LabRole", assetsBucket: "my-programs"}},
	} {
		got, err := parseOptions(c.given)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v and %v, want %+v", c.why, got, err, c.want)
		}
	}
}

func TestContextsRefused(t *testing.T) {
	for _, c := range []struct {
		why   string
		given map[string]any
		want  []string // one part of each line
	}{
		{"CloudFormation would refuse it after the build", map[string]any{"stack": "my_stack"}, []string{"context stack=my_stack: want a CloudFormation stack name"}},
		{"an empty name is not the default", map[string]any{"stack": ""}, []string{"context stack=: want"}},
		{"a name in place of an id", map[string]any{"vpcId": "main", "subnetIds": "subnet-01234567,subnet-89abcdef"}, []string{"context vpcId=main: want the id of a VPC"}},
		{"nothing can be looked up", map[string]any{"vpcId": "vpc-01234567"}, []string{"context vpcId: say which of its public subnets"}},
		{"subnets of which VPC?", map[string]any{"subnetIds": "subnet-01234567,subnet-89abcdef"}, []string{"context subnetIds: say which VPC"}},
		{"one zone is no place for a load balancer", map[string]any{"vpcId": "vpc-01234567", "subnetIds": "subnet-01234567"}, []string{"at least two different subnets"}},
		{"the same subnet twice is one zone", map[string]any{"vpcId": "vpc-01234567", "subnetIds": "subnet-01234567,subnet-01234567"}, []string{"at least two different subnets"}},
		{"a list with spaces", map[string]any{"vpcId": "vpc-01234567", "subnetIds": "subnet-01234567, subnet-89abcdef"}, []string{"context subnetIds=subnet-01234567, subnet-89abcdef: want ids"}},
		{"no is not false", map[string]any{"keepResults": "no"}, []string{"context keepResults=no: want true or false"}},
		{"an ARN is not a name", map[string]any{"labRole": "arn:aws:iam::123456789012:role/LabRole", "assetsBucket": "my-programs"}, []string{"want the name of a role that exists, such as LabRole"}},
		{"no bucket to put the programs in", map[string]any{"labRole": "LabRole"}, []string{"aws s3 mb s3://NAME"}},
		{"a bucket that nothing would use", map[string]any{"assetsBucket": "my-programs"}, []string{"context assetsBucket: it is for accounts with labRole"}},
		{"a bucket that S3 would refuse", map[string]any{"labRole": "LabRole", "assetsBucket": "My_Programs"}, []string{"context assetsBucket=My_Programs: want the name of an S3 bucket"}},
		{"in another case", map[string]any{"labrole": "LabRole"}, []string{"context labrole: there is none of this name; labRole is"}},
		{"singular, hyphenated", map[string]any{"subnet-id": "subnet-01234567"}, []string{"context subnet-id: there is none of this name; subnetIds is"}},
		{"all at once", map[string]any{"stack": "1", "keepResults": "", "keep_results": "x", "vpcId": "x"},
			[]string{"context keepResults=: want", "context keep_results: there is none", "context stack=1", "context vpcId=x", "context vpcId: say which"}},
	} {
		_, err := parseOptions(c.given)
		if err == nil {
			t.Errorf("%s: accepted", c.why)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(c.want) {
			t.Errorf("%s: %d mistakes, want %d:\n%v", c.why, len(lines), len(c.want), err)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%s: %q does not say %q", c.why, lines[i], want)
			}
		}
	}
}

func TestEachContextSaysWhatIsRight(t *testing.T) {
	for key := range keys {
		if right[key] == "" {
			t.Errorf("%s: a wrong value would be refused without a word", key)
		}
	}
	for key := range right {
		if keys[key] == nil {
			t.Errorf("%s is explained and not known", key)
		}
	}
}
