package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// architecture is a processor's, under the name that EC2 has for it.
type architecture struct {
	name string // "x86_64" or "arm64"
	id   string // in logical ids
}

// architectures are those that a plan's instance types may have.
func architectures() []architecture {
	return []architecture{{"x86_64", "X86"}, {"arm64", "Arm"}}
}

// imageParameter is where AWS publishes the newest Amazon Linux 2023 (its user
// guide: "Launch AL2023 using the SSM parameter and AWS CLI").
func (a architecture) imageParameter() string {
	return "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-" + a.name
}

// asset is the name of a program for this architecture, in template.Assets.
func (a architecture) asset(program string) string {
	if a.name == "x86_64" {
		return program
	}
	return program + "-" + a.name
}

// fleet is what instances are launched from: for nodes a role, and a template for
// each architecture; the same again for the proxy, which alone may look up
// instances and publish metrics.
type fleet struct {
	node, proxy instances
}

type instances struct {
	template map[architecture]awsec2.CfnLaunchTemplate
	program  map[architecture]artifact
	role     awsiam.IRole
}

func newFleet(stack awscdk.Stack, account account, network network, backend, proxy map[architecture]artifact) fleet {
	return fleet{
		node: newInstances(stack, account, "Node", network.nodes, backend, agentGrants(backend)...),
		proxy: newInstances(stack, account, "Proxy", network.proxy, proxy, append(agentGrants(proxy),
			allow("ec2:DescribeInstances").onAll().because(noResource),
			publishGrant(),
		)...),
	}
}

// publishGrant lets metrics be written to this app's namespace alone.
func publishGrant() grant {
	return allow("cloudwatch:PutMetricData").onAll().when("StringEquals", "cloudwatch:namespace", metricNamespace).
		because("metrics have no ARN; the condition names the namespace")
}

// agentGrants lets the SSM agent register and take commands, and the setup script
// fetch its program, of either architecture. AmazonSSMManagedInstanceCore would
// also open every parameter of the account. Commands come and their results go over
// the control channel; the agent asks ec2messages only where it may not use that,
// and data channels are for sessions (Systems Manager, "Reference: ec2messages,
// ssmmessages").
func agentGrants(program map[architecture]artifact) []grant {
	var arns []string
	for _, a := range architectures() {
		arns = append(arns, program[a].arn())
	}
	return []grant{
		allow("ssm:UpdateInstanceInformation").onAll().because("an instance cannot be named in the role that it starts with"),
		allow("ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel").onAll().because(noResource),
		allow("s3:GetObject").on(arns...),
	}
}

func newInstances(stack awscdk.Stack, account account, id string, group awsec2.CfnSecurityGroup, program map[architecture]artifact, grants ...grant) instances {
	role := account.newRole(stack, id+"Role", "ec2.amazonaws.com", "Fairlead instances: "+id, grants...)
	profile := account.profile(stack, id+"Profile", role)
	templates := map[architecture]awsec2.CfnLaunchTemplate{}
	for _, a := range architectures() {
		templates[a] = newTemplate(stack, id+"Template"+a.id, a, profile, group)
	}
	return instances{template: templates, program: program, role: role}
}

func newTemplate(stack awscdk.Stack, id string, a architecture, profile *awsec2.CfnLaunchTemplate_IamInstanceProfileProperty, group awsec2.CfnSecurityGroup) awsec2.CfnLaunchTemplate {
	template := awsec2.NewCfnLaunchTemplate(stack, jsii.String(id), &awsec2.CfnLaunchTemplateProps{
		// Of the template itself; the CDK's own tags do not reach it.
		TagSpecifications: &[]any{&awsec2.CfnLaunchTemplate_LaunchTemplateTagSpecificationProperty{
			ResourceType: jsii.String("launch-template"),
			Tags:         &[]*awscdk.CfnTag{{Key: jsii.String(stackTag), Value: awscdk.Aws_STACK_NAME()}},
		}},
		LaunchTemplateData: &awsec2.CfnLaunchTemplate_LaunchTemplateDataProperty{
			// EC2 looks the image up at each launch, under the caller's ssm:GetParameters.
			ImageId:            jsii.String("resolve:ssm:" + a.imageParameter()),
			IamInstanceProfile: profile,
			// At the top level, not in NetworkInterfaces: with those, RunInstances refuses
			// a SubnetId. Public addresses come from the subnets.
			SecurityGroupIds: &[]*string{group.AttrGroupId()},
			MetadataOptions: &awsec2.CfnLaunchTemplate_MetadataOptionsProperty{
				HttpEndpoint:            jsii.String("enabled"),
				HttpTokens:              jsii.String("required"),
				HttpPutResponseHopLimit: jsii.Number(1),
			},
			BlockDeviceMappings: &[]any{&awsec2.CfnLaunchTemplate_BlockDeviceMappingProperty{
				DeviceName: jsii.String("/dev/xvda"),
				Ebs: &awsec2.CfnLaunchTemplate_EbsProperty{
					VolumeType:          jsii.String("gp3"),
					VolumeSize:          jsii.Number(8),
					Encrypted:           jsii.Bool(true),
					DeleteOnTermination: jsii.Bool(true),
				},
			}},
			Monitoring: &awsec2.CfnLaunchTemplate_MonitoringProperty{Enabled: jsii.Bool(true)},
			// The instance's own timer shuts it down when its time is up; this makes that its end.
			InstanceInitiatedShutdownBehavior: jsii.String("terminate"),
		},
	})
	awscdk.Validations_Of(template).Acknowledge(&awscdk.Acknowledgment{
		Id:     jsii.String("CloudFormation-Validate::E1152"),
		Reason: jsii.String("launch templates take resolve:ssm: in place of an image id"),
	})
	return template
}

// arns of the launch templates.
func (i instances) arns() []string {
	var all []string
	for _, a := range architectures() {
		all = append(all, arn("ec2", "launch-template/"+*i.template[a].Ref()))
	}
	return all
}
