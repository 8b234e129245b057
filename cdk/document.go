package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"

	"github.com/fairlead/fairlead/cdk/setup"
)

// newDocument is the setup command. CloudFormation names it, since a document
// with a name of its own cannot be replaced.
func newDocument(stack awscdk.Stack) awsssm.CfnDocument {
	return awsssm.NewCfnDocument(stack, jsii.String("Setup"), &awsssm.CfnDocumentProps{
		Content:        setup.Document(),
		DocumentType:   jsii.String("Command"),
		DocumentFormat: jsii.String("JSON"),
		TargetType:     jsii.String("/AWS::EC2::Instance"),
	})
}
