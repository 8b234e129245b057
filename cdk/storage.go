package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// newResults is where the evidence goes. It outlives the stack unless told
// otherwise: measurements cost money to repeat. With keepResults=false it goes with
// the stack, once it has been emptied by hand (the output EmptyCommand): to empty a
// bucket on deletion takes a custom resource, and to expire what is in it would lose
// the reports of a stack that stays.
func newResults(stack awscdk.Stack, o options) awss3.Bucket {
	removal := awscdk.RemovalPolicy_RETAIN
	if !o.keepResults {
		removal = awscdk.RemovalPolicy_DESTROY
	}
	results := awss3.NewBucket(stack, jsii.String("Results"), &awss3.BucketProps{
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		EnforceSSL:        jsii.Bool(true),
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("unfinished-uploads"),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(1)),
		}},
		RemovalPolicy: removal,
	})
	accept(results, "S1", "no access log: it needs a second bucket that outlives the stack, to say who read a benchmark's results")
	return results
}

// objects names the bucket's objects under a prefix such as "runs/*".
func objects(bucket awss3.Bucket, prefix string) string {
	return *bucket.BucketArn() + "/" + prefix
}
