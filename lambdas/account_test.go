package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local"
)

// What the local cloud's account says of itself.
func TestAccount(t *testing.T) {
	cloud, err := local.Start(t.Context(), local.Config{Registry: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := cloud.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	k := cloud.OperatorCredentials()
	a := newAccount(aws.Config{
		Region: cloud.Region(), BaseEndpoint: aws.String(cloud.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, ""),
	})
	ctx := t.Context()
	if n, err := a.VCPUQuota(ctx); err != nil || n < 1 {
		t.Errorf("vCPU quota %d, %v", n, err)
	}
	if n, err := a.ConcurrentExecutions(ctx); err != nil || n < 1 {
		t.Errorf("concurrency %d, %v", n, err)
	}
	if where, err := a.Offered(ctx, []string{"t2.micro"}, []string{"us-east-1a"}); err != nil || !slices.Equal(where["t2.micro"], []string{"us-east-1a"}) {
		t.Errorf("offered %v, %v", where, err)
	}
	if facts, err := a.TypeFacts(ctx, []string{"t3.micro"}); err != nil || facts["t3.micro"].VCPUs != 2 || !facts["t3.micro"].FreeTier {
		t.Errorf("facts %v, %v", facts, err)
	}
	if live, err := a.Live(ctx); err != nil || len(live) != 0 {
		t.Errorf("live %v, %v", live, err)
	}
}

// A check's line holds the code of a refusal, not the SDK's sentence about it.
func TestARefusalInShort(t *testing.T) {
	a := newAccount(answering(t, 400, `{"__type": "AccessDeniedException", "message": "User: arn:aws:sts::0:assumed-role/plan is not authorized"}`))
	_, err := a.VCPUQuota(t.Context())
	if err == nil || err.Error() != "AWS answered AccessDeniedException" {
		t.Errorf("got %v", err)
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Error("the log loses the cause")
	}
	for what, body := range map[string]string{"no quota": `{}`, "no value": `{"Quota": {}}`} {
		if n, err := newAccount(answering(t, 200, body)).VCPUQuota(t.Context()); err == nil {
			t.Errorf("%s: %d", what, n)
		}
	}
	if n, err := newAccount(answering(t, 200, `{"AccountLimit": {"ConcurrentExecutions": 10}}`)).ConcurrentExecutions(t.Context()); err == nil {
		t.Errorf("no limit told: %d", n)
	}
}
