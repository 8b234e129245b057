package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
	"github.com/fairlead/fairlead/local/s3"
)

// cloud is a store behind a gateway, with one bucket named "results".
type cloud struct {
	store   *iam.Store
	service *s3.Service
	url     string
	dir     string // of the bucket's objects
	meta    string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	return newCloudIn(t, filepath.Join(t.TempDir(), "out"))
}

// newCloudIn has the bucket's objects in dir.
func newCloudIn(t *testing.T, dir string) *cloud {
	t.Helper()
	base := t.TempDir()
	c := &cloud{store: iam.NewStore("000000000000"), dir: dir, meta: filepath.Join(base, "meta")}
	var err error
	c.service, err = s3.New(s3.Config{Region: "us-east-1", Owner: "000000000000", Meta: c.meta, Directory: func(bucket string) string {
		if bucket == "results" {
			return c.dir
		}
		return filepath.Join(base, "buckets", bucket)
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.service.CreateBucket("results"); err != nil {
		t.Fatal(err)
	}
	g := gateway.New(c.store, "us-east-1")
	g.Register("s3", c.service)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *cloud) client(keys iam.Credentials, options ...func(*awss3.Options)) *awss3.Client {
	return awss3.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(c.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	}, options...)
}

func (c *cloud) operator() *awss3.Client { return c.client(c.store.Operator()) }

func TestPutGetHeadDelete(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	body := []byte("the quick brown fox")
	for _, algorithm := range append(types.ChecksumAlgorithmCrc32.Values()[:5:5], "") {
		if algorithm == types.ChecksumAlgorithmMd5 {
			continue
		}
		t.Run("checksum "+string(algorithm), func(t *testing.T) {
			key := "runs/r1/" + strings.ToLower(string(algorithm)) + "plan.json"
			put, err := client.PutObject(t.Context(), &awss3.PutObjectInput{
				Bucket: aws.String("results"), Key: &key, Body: bytes.NewReader(body), ChecksumAlgorithm: algorithm,
				ContentType: aws.String("application/json"), CacheControl: aws.String("no-store"), Metadata: map[string]string{"owner": "me"},
			})
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.ReadFile(filepath.Join(c.dir, key))
			if err != nil || !bytes.Equal(file, body) {
				t.Fatalf("the file holds %q (%v)", file, err)
			}
			got, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("results"), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			text, err := io.ReadAll(got.Body) // the SDK compares the checksum
			if err != nil || !bytes.Equal(text, body) {
				t.Fatalf("got %q (%v)", text, err)
			}
			if *got.ETag != *put.ETag || *got.ContentType != "application/json" || *got.CacheControl != "no-store" || got.Metadata["owner"] != "me" {
				t.Errorf("got ETag %s, type %s, %s, %v", *got.ETag, *got.ContentType, *got.CacheControl, got.Metadata)
			}
			head, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("results"), Key: &key})
			if err != nil || *head.ContentLength != int64(len(body)) {
				t.Fatalf("head: %v", err)
			}
			if _, err := client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String("results"), Key: &key}); err != nil {
				t.Fatal(err)
			}
			_, err = client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("results"), Key: &key})
			wantError(t, err, "NoSuchKey", "")
			_, err = client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("results"), Key: &key})
			wantError(t, err, "NotFound", "")
		})
	}
	// The last deletion took the empty directories along.
	if left, err := os.ReadDir(c.dir); err != nil || len(left) != 0 {
		t.Errorf("left in the bucket's directory: %v (%v)", left, err)
	}
}

func TestRangesAndConditions(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	if err := c.service.Put("results", "digits", "text/plain", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
	head, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("results"), Key: aws.String("digits")})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		in   awss3.GetObjectInput
		want string // body, or error code
		why  string
	}{
		{awss3.GetObjectInput{Range: aws.String("bytes=2-4")}, "234", "both ends are included"},
		{awss3.GetObjectInput{Range: aws.String("bytes=7-")}, "789", "open end"},
		{awss3.GetObjectInput{Range: aws.String("bytes=-3")}, "789", "suffix"},
		{awss3.GetObjectInput{Range: aws.String("bytes=-30")}, "0123456789", "a suffix longer than the object is all of it"},
		{awss3.GetObjectInput{Range: aws.String("bytes=5-99")}, "56789", "the end is cut to the object's"},
		{awss3.GetObjectInput{Range: aws.String("bytes=4-2")}, "0123456789", "an invalid range is ignored"},
		{awss3.GetObjectInput{Range: aws.String("bytes=10-")}, "InvalidRange", "nothing there"},
		{awss3.GetObjectInput{Range: aws.String("bytes=-0")}, "InvalidRange", "no last bytes asked"},
		{awss3.GetObjectInput{Range: aws.String("bytes=1-2,4-5")}, "NotImplemented", "multipart answers are not made"},
		{awss3.GetObjectInput{IfMatch: head.ETag}, "0123456789", "same"},
		{awss3.GetObjectInput{IfMatch: aws.String(`"x"`)}, "PreconditionFailed", "another"},
		{awss3.GetObjectInput{IfNoneMatch: head.ETag}, "NotModified", "the client has it"},
		{awss3.GetObjectInput{IfNoneMatch: aws.String(`"x"`)}, "0123456789", "the client has another"},
		{awss3.GetObjectInput{IfModifiedSince: aws.Time(time.Now().Add(time.Hour))}, "NotModified", "not newer"},
		{awss3.GetObjectInput{IfUnmodifiedSince: aws.Time(time.Now().Add(-time.Hour))}, "PreconditionFailed", "newer"},
		{awss3.GetObjectInput{VersionId: aws.String("1")}, "NotImplemented", "there are no versions"},
		{awss3.GetObjectInput{PartNumber: aws.Int32(1)}, "NotImplemented", "parts are not kept"},
	} {
		test.in.Bucket, test.in.Key = aws.String("results"), aws.String("digits")
		out, err := client.GetObject(t.Context(), &test.in)
		var got string
		if err != nil {
			var api smithy.APIError
			var status interface{ HTTPStatusCode() int }
			switch {
			case errors.As(err, &status) && status.HTTPStatusCode() == http.StatusNotModified:
				got = "NotModified"
			case errors.As(err, &api):
				got = api.ErrorCode()
			default:
				got = err.Error()
			}
		} else {
			text, err := io.ReadAll(out.Body)
			out.Body.Close()
			if got = string(text); err != nil {
				got = err.Error()
			}
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.why, got, test.want)
		}
	}
}

// The lease of a shard: exactly one writer may win.
func TestConditionalPutHasOneWinner(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	const leases, writers = 50, 16
	var wins, losses atomic.Int64
	for lease := range leases {
		key := fmt.Sprintf("runs/r/trials/1-a/shard-%d.lease", lease)
		winner := make(chan string, writers)
		var group sync.WaitGroup
		for writer := range writers {
			group.Go(func() {
				mine := fmt.Sprintf("writer %d", writer)
				_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{
					Bucket: aws.String("results"), Key: &key, Body: strings.NewReader(mine), IfNoneMatch: aws.String("*"),
				})
				var api smithy.APIError
				switch {
				case err == nil:
					wins.Add(1)
					winner <- mine
				case errors.As(err, &api) && api.ErrorCode() == "PreconditionFailed":
					losses.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		close(winner)
		held, err := c.service.Get("results", key)
		if want := <-winner; err != nil || string(held) != want {
			t.Errorf("lease %d is held by %q (%v), the winner was told %q", lease, held, err, want)
		}
	}
	if wins.Load() != leases || losses.Load() != leases*(writers-1) {
		t.Errorf("%d wins and %d losses", wins.Load(), losses.Load())
	}
	if left, err := os.ReadDir(filepath.Join(c.meta, "results", "staging")); err != nil || len(left) != 0 {
		t.Errorf("the losers left %d files behind (%v)", len(left), err)
	}
}

func TestPutIfMatch(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	put := func(text, etag string) (*awss3.PutObjectOutput, error) {
		return client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("results"), Key: aws.String("k"), Body: strings.NewReader(text), IfMatch: &etag})
	}
	_, err := put("a", `"none"`)
	wantError(t, err, "NoSuchKey", "")
	if err := c.service.Put("results", "k", "", []byte("a")); err != nil {
		t.Fatal(err)
	}
	_, err = put("b", `"none"`)
	wantError(t, err, "PreconditionFailed", "")
	if _, err = put("b", `"0cc175b9c0f1b6a831c399e269772661"`); err != nil { // MD5 of "a"
		t.Error(err)
	}
}

// Results of an earlier run, or files put there by hand, are objects too.
func TestFilesWithoutMetadata(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	name := filepath.Join(c.dir, "runs", "old", "report.json")
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ text, etag, why string }{
		{"a", `"0cc175b9c0f1b6a831c399e269772661"`, "the ETag is the MD5"},
		{"abc", `"900150983cd24fb0d6963f7d28e17f72"`, "and is computed anew when the file has changed"},
	} {
		if err := os.WriteFile(name, []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		list, err := client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String("results")})
		if err != nil || len(list.Contents) != 1 || *list.Contents[0].ETag != test.etag {
			t.Fatalf("%s: %+v (%v)", test.why, list, err)
		}
		head, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("results"), Key: aws.String("runs/old/report.json")})
		if err != nil || *head.ETag != test.etag || *head.ContentLength != int64(len(test.text)) {
			t.Fatalf("%s: %+v (%v)", test.why, head, err)
		}
	}
	left, err := filepath.Glob(filepath.Join(c.dir, "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("metadata among the objects: %v", left)
	}
}

func TestCopyAndDeleteObjects(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	if err := c.service.Put("results", "a b", "text/css", []byte("x")); err != nil {
		t.Fatal(err)
	}
	copied, err := client.CopyObject(t.Context(), &awss3.CopyObjectInput{Bucket: aws.String("results"), Key: aws.String("c/d"), CopySource: aws.String("results/a%20b")})
	if err != nil {
		t.Fatal(err)
	}
	head, err := client.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("results"), Key: aws.String("c/d")})
	if err != nil || *head.ContentType != "text/css" || *head.ETag != *copied.CopyObjectResult.ETag {
		t.Errorf("the copy is %+v (%v)", head, err)
	}
	out, err := client.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String("results"), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("a b")}, {Key: aws.String("c/d")}, {Key: aws.String("none")}, {Key: aws.String("../x")}},
	}})
	if err != nil || len(out.Deleted) != 3 || len(out.Errors) != 1 || *out.Errors[0].Key != "../x" {
		t.Errorf("deleted %+v (%v)", out, err)
	}
	_, err = client.DeleteObjects(t.Context(), &awss3.DeleteObjectsInput{Bucket: aws.String("results"), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{{Key: aws.String("a"), VersionId: aws.String("1")}},
	}})
	wantError(t, err, "NotImplemented", "<VersionId>")
}

func TestKeysThatAreNoFiles(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	if err := c.service.Put("results", "a/b", "", nil); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(c.dir, "link")); err != nil {
		t.Fatal(err)
	}
	for key, why := range map[string]string{
		"../x": "it would leave the bucket", "a/../../x": "as well", "a//b": "is a/b as a file", "a/": "is a directory",
		"a": "is the directory of a/b", "a/b/c": "a/b is a file", "link/x": "the link leads out of the bucket",
		".fairlead-staging/x": "would mix with uploads", strings.Repeat("x", 300): "is too long for a file name",
	} {
		_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("results"), Key: &key, Body: strings.NewReader("x")})
		var api smithy.APIError
		if !errors.As(err, &api) {
			t.Errorf("key %.40q %s: error = %v", key, why, err)
		} else if api.ErrorCode() != "InvalidArgument" && !strings.HasPrefix(key, "link") {
			t.Errorf("key %.40q %s: error = %v", key, why, err)
		}
	}
	if left, _ := os.ReadDir(outside); len(left) != 0 {
		t.Error("an object was written outside of the bucket")
	}
}

func TestRefusesWhatItDoesNotDo(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	b, k := aws.String("results"), aws.String("k")
	_, err := client.GetBucketPolicy(t.Context(), &awss3.GetBucketPolicyInput{Bucket: b})
	wantError(t, err, "NotImplemented", "s3:GetBucketPolicy")
	_, err = client.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: b, Key: k})
	wantError(t, err, "NotImplemented", "s3:GetObjectTagging")
	_, err = client.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: b})
	wantError(t, err, "NotImplemented", "s3:ListMultipartUploads")
	_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), ACL: types.ObjectCannedACLPublicRead})
	wantError(t, err, "NotImplemented", "x-amz-acl")
	_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), ServerSideEncryption: types.ServerSideEncryptionAwsKms})
	wantError(t, err, "NotImplemented", "x-amz-server-side-encryption")
	_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), StorageClass: types.StorageClassGlacier})
	wantError(t, err, "NotImplemented", "GLACIER")
	_, err = client.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String("no-such-bucket")})
	wantError(t, err, "NoSuchBucket", "no-such-bucket")
	_, err = client.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: b, ExpectedBucketOwner: aws.String("111111111111")})
	wantError(t, err, "Forbidden", "")
	wrong := aws.String("AAAAAA==")
	_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), ChecksumCRC32: wrong})
	wantError(t, err, "BadDigest", "CRC32")
	_, err = client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: b, Key: k, Body: strings.NewReader("x"), ContentMD5: aws.String("1B2M2Y8AsgTpgAmY7PhCfg==")})
	wantError(t, err, "BadDigest", "Content-MD5")
	if objects, err := c.service.List("results", ""); err != nil || len(objects) != 0 {
		t.Errorf("a refused request left %v (%v)", objects, err)
	}
}

func TestBuckets(t *testing.T) {
	c := newCloud(t)
	client := c.operator()
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("second")}); err != nil {
		t.Fatal(err)
	}
	out, err := client.ListBuckets(t.Context(), &awss3.ListBucketsInput{})
	if err != nil || len(out.Buckets) != 2 || *out.Buckets[1].Name != "second" {
		t.Errorf("buckets %+v (%v)", out, err)
	}
	if _, err := client.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: aws.String("second")}); err != nil {
		t.Error(err)
	}
	location, err := client.GetBucketLocation(t.Context(), &awss3.GetBucketLocationInput{Bucket: aws.String("second")})
	if err != nil || location.LocationConstraint != "" {
		t.Errorf("location %+v (%v)", location, err)
	}
	_, err = client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String("third"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-west-1"}})
	wantError(t, err, "IllegalLocationConstraintException", "eu-west-1")
	if _, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("second"), Key: aws.String("a/b"), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	if err := c.service.DeleteBucket("second"); !errors.Is(err, s3.ErrNotEmpty) {
		t.Errorf("a bucket with an object is deleted: %v", err)
	}
	if _, err := client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String("second"), Key: aws.String("a/b")}); err != nil {
		t.Fatal(err)
	}
	if err := c.service.DeleteBucket("second"); err != nil {
		t.Fatal(err)
	}
	_, err = client.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: aws.String("second")})
	wantError(t, err, "NotFound", "")
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
