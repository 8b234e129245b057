package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/fairlead/fairlead/internal/steps"
)

func TestBucketVersions(t *testing.T) {
	b, ctx := localBucket(t), t.Context()
	const key = "locks/run"
	if _, _, err := b.GetVersion(ctx, key); !errors.Is(err, steps.ErrNotFound) {
		t.Errorf("a missing object: %v", err)
	}
	if err := b.PutIfAbsent(ctx, key, []byte("one")); err != nil {
		t.Fatal(err)
	}
	body, first, err := b.GetVersion(ctx, key)
	if err != nil || string(body) != "one" || first == "" {
		t.Fatalf("%q of version %q, %v", body, first, err)
	}
	if err := b.PutIfVersion(ctx, key, first, []byte("two")); err != nil {
		t.Fatal(err)
	}
	if err := b.PutIfVersion(ctx, key, first, []byte("three")); !errors.Is(err, steps.ErrChanged) {
		t.Errorf("over another's write: %v", err)
	}
	body, second, err := b.GetVersion(ctx, key)
	if err != nil || string(body) != "two" || second == first {
		t.Errorf("%q of version %q, %v", body, second, err)
	}
	if err := b.PutIfVersion(ctx, "locks/none", second, []byte("x")); !errors.Is(err, steps.ErrChanged) {
		t.Errorf("over an object that was removed: %v", err)
	}
}

func TestBucketTellsAConflictOfVersions(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match") != `"v1"` {
			t.Errorf("If-Match is %q", r.Header.Get("If-Match"))
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`<Error><Code>ConditionalRequestConflict</Code><Message>met a deletion</Message></Error>`))
	}))
	defer server.Close()
	b := newBucket(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}, "results")
	if err := b.PutIfVersion(t.Context(), "k", `"v1"`, []byte("v")); !errors.Is(err, steps.ErrConflict) {
		t.Errorf("got %v", err)
	}
}
