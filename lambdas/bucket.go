package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/internal/steps"
)

// objectTime is the deadline of one call with its retries. The largest object
// is a log of a few megabytes.
const objectTime = 30 * time.Second

// bucket is the results bucket as the steps' Store.
type bucket struct {
	api  *s3.Client
	name string
}

var _ steps.Store = (*bucket)(nil)

func newBucket(cfg aws.Config, name string) *bucket {
	return &bucket{api: s3.NewFromConfig(cfg), name: name}
}

func (b *bucket) Get(ctx context.Context, key string) ([]byte, error) {
	body, _, err := b.GetVersion(ctx, key)
	return body, err
}

func (b *bucket) Put(ctx context.Context, key string, body []byte) error {
	return b.put(ctx, key, body, condition{})
}

// PutIfAbsent is a conditional write (S3 user guide, "Add preconditions to S3
// operations": 412 if the key exists, 409 if another write is under way).
func (b *bucket) PutIfAbsent(ctx context.Context, key string, body []byte) error {
	err := b.put(ctx, key, body, condition{noneMatch: aws.String("*")})
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "PreconditionFailed":
			return fmt.Errorf("%w: %s", steps.ErrExists, key)
		case "ConditionalRequestConflict":
			return fmt.Errorf("%w: %s", steps.ErrConflict, key)
		}
	}
	return err
}

// condition is what must hold for a write.
type condition struct{ noneMatch, match *string }

func (b *bucket) put(ctx context.Context, key string, body []byte, c condition) error {
	ctx, cancel := context.WithTimeout(ctx, objectTime)
	defer cancel()
	_, err := b.api.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &b.name, Key: &key, Body: bytes.NewReader(body),
		ContentType: aws.String(contentType(key)), IfNoneMatch: c.noneMatch, IfMatch: c.match,
	})
	return err
}

func (b *bucket) List(ctx context.Context, prefix string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, objectTime)
	defer cancel()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(b.api, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys, nil
}

// contentType lets a browser show what the console opens.
func contentType(key string) string {
	switch path.Ext(key) {
	case ".json", ".lease":
		return "application/json"
	case ".html":
		return "text/html; charset=utf-8"
	case ".csv":
		return "text/csv; charset=utf-8"
	}
	return "text/plain; charset=utf-8" // histogram logs are text
}
