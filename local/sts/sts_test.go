package sts_test

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
	localsts "github.com/fairlead/fairlead/local/sts"
)

// cloud is a gateway with the service, and clients for it.
type cloud struct {
	store *iam.Store
	url   string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{store: iam.NewStore("000000000000")}
	g := gateway.New(c.store, "us-east-1")
	g.Register("sts", localsts.New(c.store))
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *cloud) client(keys iam.Credentials) *sts.Client {
	return sts.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(c.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
}

func TestCallerIdentity(t *testing.T) {
	c := newCloud(t)
	client := c.client(c.store.Operator())
	out, err := client.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != "000000000000" || *out.Arn != "arn:aws:iam::000000000000:user/operator" || *out.UserId == "" {
		t.Errorf("identity = %s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
	_, err = client.GetSessionToken(t.Context(), &sts.GetSessionTokenInput{})
	wantError(t, err, "InvalidAction", "sts:GetSessionToken")
	_, err = client.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::000000000000:role/x"), RoleSessionName: aws.String("s"), ExternalId: aws.String("e"),
	})
	wantError(t, err, "ValidationError", `"ExternalId"`)
}

func TestAssumeRoleGivesWorkingCredentials(t *testing.T) {
	c := newCloud(t)
	trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"arn:aws:iam::000000000000:root"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.store.PutRole(iam.Role{Name: "reader", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	out, err := c.client(c.store.Operator()).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::000000000000:role/reader"), RoleSessionName: aws.String("morning"), DurationSeconds: aws.Int32(900),
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(*out.Credentials.Expiration); left < 14*time.Minute || left > 15*time.Minute {
		t.Errorf("expires in %s, want 15 minutes", left)
	}
	session := c.client(iam.Credentials{
		AccessKeyID: *out.Credentials.AccessKeyId, SecretAccessKey: *out.Credentials.SecretAccessKey, SessionToken: *out.Credentials.SessionToken,
	})
	me, err := session.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if *me.Arn != "arn:aws:sts::000000000000:assumed-role/reader/morning" {
		t.Errorf("the session is %s", *me.Arn)
	}
	// The role has no policy, so it may not go on to another role.
	_, err = session.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::000000000000:role/reader"), RoleSessionName: aws.String("again"),
	})
	wantError(t, err, "AccessDenied", "is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::000000000000:role/reader")
}

// What AWS refuses before it looks at any permission.
func TestAssumeRoleInput(t *testing.T) {
	c := newCloud(t)
	const role = "arn:aws:iam::000000000000:role/reader"
	for _, test := range []struct {
		role, session string
		seconds       int32
		code, text    string
	}{
		{"reader", "s1", 900, "ValidationError", "ARN of a role"},
		{role, "s", 900, "ValidationError", "RoleSessionName"},
		{role, "a b", 900, "ValidationError", "RoleSessionName"},
		{role, "s1", 899, "ValidationError", "DurationSeconds is 899"},
		{role, "s1", 3601, "ValidationError", "exceeds the MaxSessionDuration"},
		{role, "s1", 43201, "ValidationError", "DurationSeconds is 43201"},
		{role, "s1", 900, "AccessDenied", "sts:AssumeRole on resource: " + role}, // there is no such role
	} {
		_, err := c.client(c.store.Operator()).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &test.role, RoleSessionName: &test.session, DurationSeconds: &test.seconds})
		wantError(t, err, test.code, test.text)
	}
}

func wantError(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("error = %v, want the API error %s", err, code)
		return
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("error = %s: %s; want %s with %q", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}
