package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// labProfile is the instance profile that AWS Academy's accounts come with; it
// holds their LabRole.
const labProfile = "LabInstanceProfile"

// account makes the roles that the parts act under. In a student account, which
// can create none, all share the one that is there: no grant of this app applies,
// nothing keeps a node from what the control functions may do, and the functions
// in the VPC may touch interfaces themselves. docs/aws.md says what is known of
// that role.
type account struct {
	lab awsiam.IRole // nil in an ordinary account
}

func newAccount(stack awscdk.Stack, o options) account {
	if o.labRole == "" {
		return account{}
	}
	return account{lab: awsiam.Role_FromRoleName(stack, jsii.String("LabRole"), jsii.String(o.labRole), &awsiam.FromRoleNameOptions{
		Mutable: jsii.Bool(false),
	})}
}

// kind is what Plan is told, so that it keeps within what such an account may run.
func (a account) kind() string {
	if a.lab != nil {
		return "student"
	}
	return "standard"
}

// newRole has its whole policy inline: it exists, complete, before whatever
// takes it on.
func (a account) newRole(scope constructs.Construct, id, service, description string, grants ...grant) awsiam.IRole {
	if a.lab != nil {
		return a.lab
	}
	role := awsiam.NewRole(scope, jsii.String(id), &awsiam.RoleProps{
		AssumedBy:      awsiam.NewServicePrincipal(jsii.String(service), nil),
		Description:    jsii.String(description),
		InlinePolicies: &map[string]awsiam.PolicyDocument{"grants": policy(grants...)},
	})
	acceptWildcards(role, grants)
	return role
}

// addPolicy is for grants that name a resource which itself needs the role: in
// the role they would be a cycle, which only the deployment would find.
func (a account) addPolicy(scope constructs.Construct, id string, role awsiam.IRole, grants ...grant) {
	if a.lab != nil {
		return
	}
	beside := awsiam.NewCfnPolicy(scope, jsii.String(id), &awsiam.CfnPolicyProps{
		PolicyName:     jsii.String(id),
		PolicyDocument: policy(grants...),
		Roles:          &[]*string{role.RoleName()},
	})
	acceptWildcards(beside, grants)
}

// profile is how instances take the role on.
func (a account) profile(scope constructs.Construct, id string, role awsiam.IRole) *awsec2.CfnLaunchTemplate_IamInstanceProfileProperty {
	if a.lab != nil {
		return &awsec2.CfnLaunchTemplate_IamInstanceProfileProperty{Name: jsii.String(labProfile)}
	}
	profile := awsiam.NewCfnInstanceProfile(scope, jsii.String(id), &awsiam.CfnInstanceProfileProps{
		Roles: &[]any{role.RoleName()},
	})
	return &awsec2.CfnLaunchTemplate_IamInstanceProfileProperty{Arn: profile.AttrArn()}
}

// synthesizer says where the programs go: to the bootstrap bucket, under the roles
// of the bootstrap, or, where there can be neither, to a bucket made by hand, with
// the credentials of who deploys.
func synthesizer(o options) awscdk.StackSynthesizer {
	if o.labRole != "" {
		return awscdk.NewCliCredentialsStackSynthesizer(&awscdk.CliCredentialsStackSynthesizerProps{
			FileAssetsBucketName: jsii.String(o.assetsBucket),
		})
	}
	return awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
		// The rule is a CloudFormation parameter and an assertion on it; the CLI
		// checks the bootstrap version by itself before it deploys.
		GenerateBootstrapVersionRule: jsii.Bool(false),
	})
}
