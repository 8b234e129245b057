package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// stackTag is on everything; Teardown and Sweep may end only instances that carry
// it with this stack's name.
const stackTag = "fairlead:stack"

// grant is one statement of a policy, written as it reads:
// allow("s3:GetObject").on(runs).when("StringEquals", key, value).because("…").
type grant struct {
	effect     awsiam.Effect
	actions    []string
	resources  []string
	conditions map[string]any
	why        string
}

func allow(actions ...string) grant {
	return grant{effect: awsiam.Effect_ALLOW, actions: actions}
}

func deny(actions ...string) grant {
	return grant{effect: awsiam.Effect_DENY, actions: actions}
}

func (g grant) on(resources ...string) grant {
	g.resources = resources
	return g
}

// onAll is for actions that AWS authorizes on no particular resource. Each stands
// with its reason in cdk/template/grants_test.go, too.
func (g grant) onAll() grant { return g.on("*") }

// because says why a resource has a wildcard in it. Without, the test with cdk-nag
// fails.
func (g grant) because(why string) grant {
	g.why = why
	return g
}

// when adds a condition; several must all hold, and one value of each suffices.
func (g grant) when(operator, key string, values ...string) grant {
	conditions := map[string]any{}
	for had, keys := range g.conditions {
		conditions[had] = keys
	}
	keys := map[string]any{key: anys(values)}
	if had, ok := conditions[operator].(map[string]any); ok {
		for k, v := range had {
			keys[k] = v
		}
	}
	conditions[operator] = keys
	g.conditions = conditions
	return g
}

func policy(grants ...grant) awsiam.PolicyDocument {
	var statements []awsiam.PolicyStatement
	for _, g := range grants {
		props := &awsiam.PolicyStatementProps{
			Effect:    g.effect,
			Actions:   jsii.Strings(g.actions...),
			Resources: jsii.Strings(g.resources...),
		}
		if len(g.conditions) > 0 {
			props.Conditions = &g.conditions
		}
		statements = append(statements, awsiam.NewPolicyStatement(props))
	}
	return awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements})
}

// arn names a resource of this account and region.
func arn(service, resource string) string {
	return "arn:" + *awscdk.Aws_PARTITION() + ":" + service + ":" + *awscdk.Aws_REGION() + ":" + *awscdk.Aws_ACCOUNT_ID() + ":" + resource
}

func anys(values []string) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}
