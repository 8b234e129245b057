package cfn

import (
	"context"
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/local/iam"
)

// S3 is the part of the object store that templates use.
type S3 interface {
	CreateBucket(name string) error
	DeleteBucket(name string) error
	PutBucketPolicy(name string, d iam.Document) error
}

type bucketProperties struct {
	BucketName                     string
	BucketEncryption               any   `noeffect:"objects are plain files"`
	LifecycleConfiguration         any   `noeffect:"objects stay until they are deleted"`
	OwnershipControls              any   `noeffect:"objects have no ACLs here, as with BucketOwnerEnforced"`
	PublicAccessBlockConfiguration any   `noeffect:"nothing is public here: unsigned requests are refused"`
	Tags                           []Tag `noeffect:"nothing here reads the tags of this type"`
}

type bucketPolicyProperties struct {
	Bucket         string         `require:"true"`
	PolicyDocument map[string]any `require:"true"`
}

func s3Types(s S3) map[string]Type {
	return map[string]Type{
		"AWS::S3::Bucket": define(Type{Attributes: []string{"Arn"}},
			func(_ context.Context, c Creation, p bucketProperties) (Physical, error) {
				name := p.BucketName
				if name == "" {
					name = strings.ToLower(c.name(63))
				}
				return Physical{ID: name, Attributes: map[string]any{"Arn": "arn:aws:s3:::" + name}}, s.CreateBucket(name)
			},
			func(_ context.Context, made Physical) error { return s.DeleteBucket(made.ID) }),
		"AWS::S3::BucketPolicy": define(Type{Ignored: map[string]string{
			"PolicyDocument": "it is evaluated, but aws:SecureTransport counts as true: the local cloud speaks plain HTTP",
		}},
			func(_ context.Context, _ Creation, p bucketPolicyProperties) (Physical, error) {
				d, err := document(p.PolicyDocument)
				if err != nil {
					return Physical{}, fmt.Errorf("PolicyDocument: %w", err)
				}
				return Physical{ID: p.Bucket}, s.PutBucketPolicy(p.Bucket, d)
			},
			func(_ context.Context, made Physical) error { return s.PutBucketPolicy(made.ID, iam.Document{}) }),
	}
}
