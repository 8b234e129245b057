package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/fairlead/fairlead/internal/steps"
	"github.com/fairlead/fairlead/local"
)

const results = `{"Resources": {"Results": {"Type": "AWS::S3::Bucket"}}, "Outputs": {"Results": {"Value": {"Ref": "Results"}}}}`

func localBucket(t *testing.T) *bucket {
	t.Helper()
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
	stack, err := cloud.Deploy(t.Context(), "s", []byte(results), nil)
	if err != nil {
		t.Fatal(err)
	}
	k := cloud.OperatorCredentials()
	return newBucket(aws.Config{
		Region: cloud.Region(), BaseEndpoint: aws.String(cloud.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, ""),
	}, stack.Outputs["Results"])
}

func TestBucket(t *testing.T) {
	b, ctx := localBucket(t), t.Context()
	if _, err := b.Get(ctx, "runs/r/plan.json"); !errors.Is(err, steps.ErrNotFound) {
		t.Errorf("a missing object: %v", err)
	}
	if err := b.PutIfAbsent(ctx, "runs/r/plan.json", []byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := b.PutIfAbsent(ctx, "runs/r/plan.json", []byte("two")); !errors.Is(err, steps.ErrExists) {
		t.Errorf("a second conditional put: %v", err)
	}
	if got, err := b.Get(ctx, "runs/r/plan.json"); err != nil || string(got) != "one" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := b.Put(ctx, "runs/r/plan.json", []byte("three")); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(ctx, "runs/r/plan.json"); err != nil || string(got) != "three" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := b.Put(ctx, "runs/r/empty", nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Put(ctx, "runs/r2/plan.json", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if keys, err := b.List(ctx, "runs/r/"); err != nil || !slices.Equal(keys, []string{"runs/r/empty", "runs/r/plan.json"}) {
		t.Errorf("got %q, %v", keys, err)
	}
	if keys, err := b.List(ctx, "locks/"); err != nil || len(keys) > 0 {
		t.Errorf("got %q, %v", keys, err)
	}
}

// S3 answers 409 if two conditional writes meet; the SDK does not repeat it,
// and the step must.
func TestBucketTellsAConflict(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") != "*" {
			t.Errorf("If-None-Match is %q", r.Header.Get("If-None-Match"))
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`<Error><Code>ConditionalRequestConflict</Code><Message>met another</Message></Error>`))
	}))
	defer server.Close()
	b := newBucket(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}, "results")
	if err := b.PutIfAbsent(t.Context(), "k", []byte("v")); !errors.Is(err, steps.ErrConflict) {
		t.Errorf("got %v", err)
	}
}
