package template

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// faults lists what must not be in the template, each by its name: what would let
// somebody in, cost money while nothing runs, or end another stack's fleet.
func faults(d document) []string {
	var all []string
	for _, id := range slices.Sorted(maps.Keys(d.Resources)) {
		r := d.Resources[id]
		fault := func(format string, values ...any) {
			all = append(all, plain(id)+": "+fmt.Sprintf(format, values...))
		}
		p := r.Properties
		switch r.Type {
		case "AWS::EC2::SecurityGroupIngress":
			ingressFaults(p, fault)
		case "AWS::EC2::SecurityGroup":
			for _, rule := range list(p["SecurityGroupIngress"]) {
				ingressFaults(rule, fault)
			}
		case "AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::EC2::Instance":
			fault("a %s costs money while nothing runs", r.Type)
		case "AWS::EC2::LaunchTemplate":
			instanceFaults(p["LaunchTemplateData"], fault)
		case "AWS::Lambda::Function":
			if step := text(p["Handler"]); p["VpcConfig"] != nil && step != "aim" && step != "shard" {
				fault("%s is in the VPC, where it reaches no AWS API but S3", step)
			}
		case "AWS::Logs::LogGroup":
			if p["RetentionInDays"] == nil {
				fault("no retention: its logs are kept, and billed, forever")
			}
		case "AWS::CloudWatch::Alarm":
			alarmFaults(p, fault)
		case "AWS::CloudWatch::Dashboard":
			for _, found := range searched.FindAllStringSubmatch(text(p["DashboardBody"]), -1) {
				if found[1] == "Fairlead" && found[2] != "Stack,Cluster" {
					fault("metrics with the dimensions %s: a new run must not be a new metric", found[2])
				}
			}
		case "AWS::IAM::Policy":
			policyFaults(p["PolicyDocument"], fault)
		case "AWS::IAM::Role":
			for _, policy := range list(p["Policies"]) {
				policyFaults(at(policy, "PolicyDocument"), fault)
			}
		}
	}
	return all
}

func ingressFaults(rule any, fault func(string, ...any)) {
	for _, open := range []string{"CidrIp", "CidrIpv6", "SourcePrefixListId"} {
		if peer := text(at(rule, open)); peer != "" {
			fault("lets %s in on port %s; only groups may be let in", peer, ports(rule))
		}
	}
	first, _ := at(rule, "FromPort").(float64)
	last, _ := at(rule, "ToPort").(float64)
	switch {
	case text(at(rule, "IpProtocol")) != "tcp":
		fault("lets in more than TCP")
	case first <= 22 && 22 <= last:
		fault("opens port 22; commands go through Systems Manager")
	case first < 8000 || last > 8002 || last < first:
		fault("opens the ports %s; the programs have 8000 to 8002", ports(rule))
	}
}

func instanceFaults(data any, fault func(string, ...any)) {
	if text(at(data, "MetadataOptions", "HttpTokens")) != "required" {
		fault("IMDSv1 is on, which hands the role's credentials to any request forger")
	}
	for _, device := range list(at(data, "BlockDeviceMappings")) {
		if at(device, "Ebs", "Encrypted") != true {
			fault("the volume is not encrypted")
		}
	}
	if at(data, "KeyName") != nil {
		fault("an SSH key")
	}
}

func alarmFaults(p map[string]any, fault func(string, ...any)) {
	if got := text(p["TreatMissingData"]); got != "notBreaching" {
		fault("missing data is %q: between runs there is none, and it would ring", got)
	}
	dimensions := list(p["Dimensions"])
	for _, query := range list(p["Metrics"]) {
		dimensions = append(dimensions, list(at(query, "MetricStat", "Metric", "Dimensions"))...)
	}
	for _, dimension := range dimensions {
		if name := text(at(dimension, "Name")); !slices.Contains([]string{"Stack", "FunctionName", "StateMachineArn"}, name) {
			fault("the dimension %s: a new run must not be a new metric", name)
		}
	}
}

// conditions are what each action must be held to, in statements that grant it on
// what runs make.
var conditions = map[string][]string{
	"ec2:TerminateInstances":                           {"aws:ResourceTag/fairlead:stack"},
	"elasticloadbalancing:DeleteLoadBalancer":          {"aws:ResourceTag/fairlead:stack"},
	"elasticloadbalancing:DeleteTargetGroup":           {"aws:ResourceTag/fairlead:stack"},
	"elasticloadbalancing:RegisterTargets":             {"aws:ResourceTag/fairlead:stack"},
	"elasticloadbalancing:ModifyTargetGroupAttributes": {"aws:ResourceTag/fairlead:stack"},
	"elasticloadbalancing:CreateLoadBalancer":          {"aws:RequestTag/fairlead:stack", "elasticloadbalancing:Scheme"},
	"elasticloadbalancing:CreateTargetGroup":           {"aws:RequestTag/fairlead:stack"},
	"elasticloadbalancing:CreateListener":              {"aws:RequestTag/fairlead:stack"},
	"elasticloadbalancing:CreateRule":                  {"aws:RequestTag/fairlead:stack"},
	"elasticloadbalancing:AddTags":                     {"elasticloadbalancing:CreateAction"},
	"ec2:CreateTags":                                   {"ec2:CreateAction"},
	"iam:PassRole":                                     {"iam:PassedToService"},
	"iam:CreateServiceLinkedRole":                      {"iam:AWSServiceName"},
	"cloudwatch:PutMetricData":                         {"cloudwatch:namespace"},
}

func policyFaults(policy any, fault func(string, ...any)) {
	for _, statement := range list(at(policy, "Statement")) {
		if text(at(statement, "Effect")) != "Allow" {
			continue
		}
		for _, action := range list(at(statement, "Action")) {
			name := text(action)
			if strings.Contains(name, "*") {
				fault("allows the action %s", name)
			}
			for _, key := range conditions[name] {
				want := ""
				if strings.HasSuffix(key, "fairlead:stack") {
					want = "${AWS::StackName}"
				}
				if key == "elasticloadbalancing:Scheme" {
					want = "internal"
				}
				got := text(at(statement, "Condition", "StringEquals", key))
				if got == "" || want != "" && got != want {
					fault("%s without the condition %s %s", name, key, want)
				}
			}
		}
	}
}
