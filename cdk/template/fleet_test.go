package template

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
)

func TestLaunchTemplates(t *testing.T) {
	d := parse(t)
	profiles, groups, images := map[string]bool{}, map[string]bool{}, map[string]int{}
	for id, template := range d.each("AWS::EC2::LaunchTemplate") {
		data := template.Properties["LaunchTemplateData"]
		for _, c := range []struct {
			path []any
			want string
			why  string
		}{
			{[]any{"MetadataOptions", "HttpTokens"}, "required", "IMDSv1 hands credentials to any request forger"},
			{[]any{"MetadataOptions", "HttpPutResponseHopLimit"}, "1", "only the instance itself asks"},
			{[]any{"BlockDeviceMappings", 0, "Ebs", "Encrypted"}, "true", "a volume is readable by who gets hold of it"},
			{[]any{"BlockDeviceMappings", 0, "Ebs", "DeleteOnTermination"}, "true", "or each run leaves volumes"},
			{[]any{"BlockDeviceMappings", 0, "Ebs", "VolumeType"}, "gp3", ""},
			{[]any{"Monitoring", "Enabled"}, "true", "basic metrics come every five minutes"},
			{[]any{"InstanceInitiatedShutdownBehavior"}, "terminate", "the instance's own timer shuts it down"},
			{[]any{"NetworkInterfaces"}, "", "RunInstances would refuse its SubnetId"},
			{[]any{"KeyName"}, "", "no SSH"},
			{[]any{"UserData"}, "", "it comes with each RunInstances, since it holds the expiry"},
			{[]any{"InstanceType"}, "", "the plan says it"},
		} {
			if got := text(at(data, c.path...)); got != c.want {
				t.Errorf("%s: %v = %q, want %q; %s", id, c.path, got, c.want, c.why)
			}
		}
		profiles[text(at(data, "IamInstanceProfile", "Arn"))] = true
		groups[text(at(data, "SecurityGroupIds"))] = true
		images[text(at(data, "ImageId"))]++
	}
	const image = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"
	if want := map[string]int{image + "x86_64": 2, image + "arm64": 2}; !maps.Equal(images, want) {
		t.Errorf("images %v, want %v: one each for nodes and proxy", images, want)
	}
	if len(profiles) != 2 || len(groups) != 2 {
		t.Errorf("node and proxy share a profile or a group: %v, %v", profiles, groups)
	}
}

func TestDocument(t *testing.T) {
	d := parse(t)
	for id, document := range d.each("AWS::SSM::Document") {
		if document.Properties["Name"] != nil {
			t.Errorf("%s has a fixed name and can so never be replaced", id)
		}
		parameters, _ := at(document.Properties, "Content", "parameters").(map[string]any)
		if len(parameters) != 4 {
			t.Errorf("%s has %d parameters, want 4", id, len(parameters))
		}
		for name, parameter := range parameters {
			pattern := text(at(parameter, "allowedPattern"))
			if !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") {
				t.Errorf("%s is pasted into a shell script and its pattern %q is not anchored", name, pattern)
			}
		}
	}
}

func TestResults(t *testing.T) {
	d := parse(t)
	for id, bucket := range d.each("AWS::S3::Bucket") {
		if bucket.DeletionPolicy != "Retain" {
			t.Errorf("%s goes with the stack, and the evidence with it", id)
		}
		if got := text(at(bucket.Properties, "BucketEncryption", "ServerSideEncryptionConfiguration", 0, "ServerSideEncryptionByDefault", "SSEAlgorithm")); got != "AES256" {
			t.Errorf("%s: encryption %q", id, got)
		}
		for _, block := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if at(bucket.Properties, "PublicAccessBlockConfiguration", block) != true {
				t.Errorf("%s: %s is off", id, block)
			}
		}
		if at(bucket.Properties, "LifecycleConfiguration", "Rules", 0, "AbortIncompleteMultipartUpload") == nil {
			t.Errorf("%s keeps, and bills, uploads that were never finished", id)
		}
	}
	for id, policy := range d.each("AWS::S3::BucketPolicy") {
		statement := at(policy.Properties, "PolicyDocument", "Statement", 0)
		if text(at(statement, "Effect")) != "Deny" || text(at(statement, "Condition", "Bool", "aws:SecureTransport")) != "false" {
			t.Errorf("%s does not refuse plain HTTP: %v", id, statement)
		}
	}
}

// TestWhatPlanIsTold: all that depends on the deployment, for each architecture.
func TestWhatPlanIsTold(t *testing.T) {
	d := parse(t)
	want := map[string]string{
		"FAIRLEAD_STACK":          "${AWS::StackName}",
		"FAIRLEAD_BUCKET":         "${Results}",
		"FAIRLEAD_ACCOUNT":        "standard",
		"FAIRLEAD_T0_LEAD":        "${T0Lead}",
		"FAIRLEAD_DOCUMENT":       "${Setup}",
		"FAIRLEAD_BALANCER_GROUP": "${BalancerGroup.GroupId}",
		"FAIRLEAD_SUBNETS":        "${VpcpublicSubnet1Subnet},${VpcpublicSubnet2Subnet}",
		"FAIRLEAD_ZONES":          `{"Fn::Select":[0,{"Fn::GetAZs":""}]},{"Fn::Select":[1,{"Fn::GetAZs":""}]}`,
	}
	bucket := "s3://cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}/"
	for _, a := range []struct{ variable, id, asset string }{{"X86_64", "X86", ""}, {"ARM64", "Arm", "-arm64"}} {
		for _, p := range []struct{ role, id, program, asset string }{{"NODE", "Node", "BACKEND", "backend"}, {"PROXY", "Proxy", "PROXY", "proxy"}} {
			template := "${" + p.id + "Template" + a.id
			want["FAIRLEAD_"+p.role+"_TEMPLATE_"+a.variable] = template + "}"
			want["FAIRLEAD_"+p.role+"_TEMPLATE_VERSION_"+a.variable] = template + ".LatestVersionNumber}"
			want["FAIRLEAD_"+p.program+"_URI_"+a.variable] = bucket + "assets/" + p.asset + a.asset
			for _, asset := range Assets() {
				if asset.Name == p.asset+a.asset {
					want["FAIRLEAD_"+p.program+"_SHA256_"+a.variable] = fmt.Sprintf("%x", sha256.Sum256(asset.Stub()))
				}
			}
		}
	}
	got := map[string]string{}
	variables, _ := at(d.steps()["plan"].Properties, "Environment", "Variables").(map[string]any)
	for name, value := range variables {
		got[name] = text(value)
	}
	if !maps.Equal(got, want) {
		t.Errorf("Plan's environment:\n got %v\nwant %v", got, want)
	}
}

// TestEnvironmentsFit: names and values of a function's variables are 4 KB at the
// most (Lambda quotas). What the deployment fills in is an id or a name, of 64
// characters or fewer but for few; a program's key is a hash of 64.
func TestEnvironmentsFit(t *testing.T) {
	filled := regexp.MustCompile(`\$\{[^}]*\}|assets/[a-z0-9-]+`)
	for step, function := range parse(t).steps() {
		size := 0
		variables, _ := at(function.Properties, "Environment", "Variables").(map[string]any)
		for name, value := range variables {
			size += len(name) + len(filled.ReplaceAllString(text(value), strings.Repeat("x", 64)))
		}
		if size == 0 || size > 4096 {
			t.Errorf("%s: about %d bytes of variables", step, size)
		}
	}
}
