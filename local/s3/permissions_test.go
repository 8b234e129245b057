package s3_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/fairlead/fairlead/local/iam"
)

func document(t *testing.T, statements string) iam.Document {
	t.Helper()
	d, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":` + statements + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// as returns a client with a fresh role that has one policy.
func (c *cloud) as(t *testing.T, name, statements string) *awss3.Client {
	t.Helper()
	trust := document(t, `[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]`)
	if err := c.store.PutRole(iam.Role{Name: name, Trust: trust, Policies: map[string]iam.Document{"p": document(t, statements)}}); err != nil {
		t.Fatal(err)
	}
	keys, _, err := c.store.AssumeRole("arn:aws:iam::000000000000:role/"+name, "s", "lambda.amazonaws.com", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return c.client(keys)
}

func TestPermissions(t *testing.T) {
	c := newCloud(t)
	for _, key := range []string{"runs/r/plan.json", "locks/l"} {
		if err := c.service.Put("results", key, "", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	get := func(key string) func(*awss3.Client) error {
		return func(client *awss3.Client) error {
			out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("results"), Key: &key})
			if err == nil {
				out.Body.Close()
			}
			return err
		}
	}
	list := func(prefix string) func(*awss3.Client) error {
		return func(client *awss3.Client) error {
			_, err := client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String("results"), Prefix: &prefix})
			return err
		}
	}
	const (
		runs      = `[{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::results/runs/*"}]`
		prefix    = `[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::results","Condition":{"StringLike":{"s3:prefix":"runs/*"}}}]`
		getOrList = `[{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::results","arn:aws:s3:::results/*"]}]`
		nothing   = `[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::other/*"}]`
	)
	for i, test := range []struct {
		policy string
		do     func(*awss3.Client) error
		code   string
		text   string
		why    string
	}{
		{runs, get("runs/r/plan.json"), "", "", "granted"},
		{runs, get("locks/l"), "AccessDenied", "s3:GetObject on resource: arn:aws:s3:::results/locks/l because no identity-based policy allows", "another prefix"},
		{runs, get("runs/r/none"), "AccessDenied", "s3:ListBucket on resource: arn:aws:s3:::results", "who may not list does not learn that a key is missing"},
		{getOrList, get("runs/r/none"), "NoSuchKey", "", "who may list does"},
		{prefix, list("runs/r/"), "", "", "the prefix is granted"},
		{prefix, list(""), "AccessDenied", "s3:ListBucket", "all of it is not"},
		{prefix, list("locks/"), "AccessDenied", "s3:ListBucket", "nor another"},
		{runs, func(client *awss3.Client) error {
			_, err := client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String("results"), Key: aws.String("runs/r/plan.json")})
			return err
		}, "AccessDenied", "s3:DeleteObject", "reading and writing is not deleting"},
		{nothing, func(client *awss3.Client) error {
			_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("results"), Key: aws.String("x"), Body: strings.NewReader("x")})
			return err
		}, "AccessDenied", "s3:PutObject", "nothing granted"},
		{nothing, func(client *awss3.Client) error {
			_, err := client.ListBuckets(t.Context(), &awss3.ListBucketsInput{})
			return err
		}, "AccessDenied", "s3:ListAllMyBuckets", "nor the buckets' names"},
		{runs, func(client *awss3.Client) error {
			_, err := client.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: aws.String("results"), Key: aws.String("runs/copy"), CopySource: aws.String("results/locks/l")})
			return err
		}, "AccessDenied", "results/locks/l", "a copy reads its source"},
	} {
		err := test.do(c.as(t, "role"+string(rune('a'+i)), test.policy))
		if test.code == "" {
			if err != nil {
				t.Errorf("%s: %v", test.why, err)
			}
			continue
		}
		t.Log(test.why)
		wantError(t, err, test.code, test.text)
	}
}

func TestDeleteObjectsAsksForEachKey(t *testing.T) {
	c := newCloud(t)
	client := c.as(t, "r", `[{"Effect":"Allow","Action":"s3:DeleteObject","Resource":"arn:aws:s3:::results/mine/*"}]`)
	out, err := client.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String("results"), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("mine/a")}, {Key: aws.String("yours/a")}},
	}})
	if err != nil || len(out.Deleted) != 1 || len(out.Errors) != 1 || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("deleted %+v (%v)", out, err)
	}
}

func TestBucketPolicy(t *testing.T) {
	c := newCloud(t)
	if err := c.service.Put("results", "k", "", []byte("x")); err != nil {
		t.Fatal(err)
	}
	read := func(client *awss3.Client) error {
		_, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("results"), Key: aws.String("k")})
		return err
	}
	put := func(statements string) {
		t.Helper()
		if err := c.service.PutBucketPolicy("results", document(t, statements)); err != nil {
			t.Fatal(err)
		}
	}
	granted := c.as(t, "granted", `[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]`)
	bare := c.as(t, "bare", `[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]`)

	// What CDK's enforceSSL writes.
	put(`[{"Effect":"Deny","Action":"s3:*","Principal":{"AWS":"*"},"Resource":["arn:aws:s3:::results","arn:aws:s3:::results/*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]`)
	if err := read(granted); err != nil {
		t.Errorf("the local port counts as secure: %v", err)
	}
	wantError(t, read(bare), "Forbidden", "")

	put(`[{"Effect":"Deny","Action":"s3:GetObject","Principal":"*","Resource":"arn:aws:s3:::results/*"}]`)
	wantError(t, read(granted), "Forbidden", "")
	wantError(t, read(c.operator()), "Forbidden", "") // an administrator, too

	put(`[{"Effect":"Allow","Action":"s3:GetObject","Principal":{"AWS":"arn:aws:iam::000000000000:role/bare"},"Resource":"arn:aws:s3:::results/*"}]`)
	if err := read(bare); err != nil {
		t.Errorf("the bucket's policy alone may allow: %v", err)
	}

	for why, statements := range map[string]string{
		"no principal":        `[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]`,
		"no resource":         `[{"Effect":"Deny","Action":"s3:*","Principal":"*"}]`,
		"a service principal": `[{"Effect":"Allow","Action":"s3:*","Resource":"*","Principal":{"Service":"delivery.logs.amazonaws.com"}}]`,
	} {
		if err := c.service.PutBucketPolicy("results", document(t, statements)); err == nil {
			t.Errorf("a policy with %s was accepted", why)
		}
	}
}
