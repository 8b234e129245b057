package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// imageParameter is where AWS publishes the newest Amazon Linux 2023 for x86_64.
const imageParameter = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"

// fleet is what instances are launched from: a template and a role for nodes, and
// another pair for the proxy, which alone may look up instances and publish metrics.
type fleet struct {
	node, proxy instances
}

type instances struct {
	template awsec2.CfnLaunchTemplate
	role     awsiam.IRole
}

func newFleet(stack awscdk.Stack, account account, network network, backend, proxy artifact) fleet {
	return fleet{
		node: newInstances(stack, account, "Node", network.nodes, agentGrants(backend)...),
		proxy: newInstances(stack, account, "Proxy", network.proxy, append(agentGrants(proxy),
			allow("ec2:DescribeInstances").onAll(),
			allow("cloudwatch:PutMetricData").onAll().when("StringEquals", "cloudwatch:namespace", metricNamespace),
		)...),
	}
}

// agentGrants lets the SSM agent register and take commands, and the setup script
// fetch its one program. AmazonSSMManagedInstanceCore would also open every
// parameter of the account. Commands come and their results go over the control
// channel; the agent asks ec2messages only where it may not use that, and data
// channels are for sessions (Systems Manager, "Reference: ec2messages, ssmmessages").
func agentGrants(artifact artifact) []grant {
	return []grant{
		allow("ssm:UpdateInstanceInformation").onAll(),
		allow("ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel").onAll(),
		allow("s3:GetObject").on(artifact.arn()),
	}
}

func newInstances(stack awscdk.Stack, account account, id string, group awsec2.CfnSecurityGroup, grants ...grant) instances {
	role := account.newRole(stack, id+"Role", "ec2.amazonaws.com", "Fairlead instances: "+id, grants...)
	template := awsec2.NewCfnLaunchTemplate(stack, jsii.String(id+"Template"), &awsec2.CfnLaunchTemplateProps{
		// Of the template itself; the CDK's own tags do not reach it.
		TagSpecifications: &[]any{&awsec2.CfnLaunchTemplate_LaunchTemplateTagSpecificationProperty{
			ResourceType: jsii.String("launch-template"),
			Tags:         &[]*awscdk.CfnTag{{Key: jsii.String(stackTag), Value: awscdk.Aws_STACK_NAME()}},
		}},
		LaunchTemplateData: &awsec2.CfnLaunchTemplate_LaunchTemplateDataProperty{
			// EC2 looks the image up at each launch, under the caller's ssm:GetParameters.
			ImageId:            jsii.String("resolve:ssm:" + imageParameter),
			IamInstanceProfile: account.profile(stack, id+"Profile", role),
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
	return instances{template: template, role: role}
}

// arn of the launch template.
func (i instances) arn() string { return arn("ec2", "launch-template/"+*i.template.Ref()) }
