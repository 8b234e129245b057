package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// bucket is the results bucket in an account.
type bucket struct {
	api  *s3.Client
	name string
}

func (b bucket) has(ctx context.Context, key string) (bool, error) {
	_, err := b.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if answer := new(awshttp.ResponseError); errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// fetch brings all objects below a prefix into a folder, in the bucket's layout.
func (b bucket) fetch(ctx context.Context, prefix, folder string) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(16)
	pages := s3.NewListObjectsV2Paginator(b.api, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return errors.Join(fmt.Errorf("fetching the results: list s3://%s/%s: %w", b.name, prefix, err), all.Wait())
		}
		for _, o := range page.Contents {
			all.Go(func() error {
				if err := b.get(ctx, aws.ToString(o.Key), folder); err != nil {
					return fmt.Errorf("fetching the results: s3://%s/%s: %w", b.name, aws.ToString(o.Key), err)
				}
				return nil
			})
		}
	}
	return all.Wait()
}

// get writes one object, whole or not at all.
func (b bucket) get(ctx context.Context, key, folder string) error {
	name := filepath.FromSlash(key)
	if !filepath.IsLocal(name) { // whoever may write to the bucket must not write anywhere here
		return errors.New("the key leads out of the results folder")
	}
	o, err := b.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return err
	}
	defer o.Body.Close()
	path := filepath.Join(folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".fetch-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, o.Body)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
