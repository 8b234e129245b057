package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/internal/steps"
)

// GetVersion gives the ETag as the version.
func (b *bucket) GetVersion(ctx context.Context, key string) ([]byte, string, error) {
	ctx, cancel := context.WithTimeout(ctx, objectTime)
	defer cancel()
	out, err := b.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		if missing := new(types.NoSuchKey); errors.As(err, &missing) {
			return nil, "", fmt.Errorf("%w: %s", steps.ErrNotFound, key)
		}
		return nil, "", err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(out.Body)
	return body, aws.ToString(out.ETag), err
}

// PutIfVersion is a conditional write with If-Match (S3 user guide, "How to
// prevent object overwrites with conditional writes": 412 if the ETag is
// another, 404 if the object has been deleted, 409 if a deletion is under way).
func (b *bucket) PutIfVersion(ctx context.Context, key, version string, body []byte) error {
	err := b.put(ctx, key, body, condition{match: &version})
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "PreconditionFailed", "NoSuchKey":
			return fmt.Errorf("%w: %s", steps.ErrChanged, key)
		case "ConditionalRequestConflict":
			return fmt.Errorf("%w: %s", steps.ErrConflict, key)
		}
	}
	return err
}
