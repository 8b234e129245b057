package s3

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// call is one request to one operation.
type call struct {
	*gateway.Request
	s     *Service
	w     http.ResponseWriter
	query url.Values
	name  string // of the bucket
	b     *bucket
	key   string
}

// operation is what the local cloud has of S3. A query parameter or an amz
// header that is not named here is refused: S3 would act on it.
type operation struct {
	serve   func(*call) error
	params  []string
	headers []string // beside the common ones; "x-amz-meta-" stands for the family
}

// maxDrain is how much of a refused body is read; S3, too, closes the
// connection on a client that goes on.
const maxDrain = 64 << 20

// Headers of the signature, the transfer and the SDKs' own bookkeeping.
var commonHeaders = []string{
	"x-amz-content-sha256", "x-amz-date", "x-amz-security-token", "x-amz-user-agent", "x-amz-te",
	"x-amz-decoded-content-length", "x-amz-trailer", "x-amz-sdk-checksum-algorithm", "x-amz-expected-bucket-owner",
	checksumPrefix + "crc32", checksumPrefix + "crc32c", checksumPrefix + "crc64nvme", checksumPrefix + "sha1", checksumPrefix + "sha256",
}

var (
	writeHeaders = []string{"x-amz-meta-", "x-amz-storage-class", "if-none-match", "if-match"}
	readHeaders  = []string{"x-amz-checksum-mode", "range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"}
	readParams   = []string{"response-content-type", "response-content-language", "response-expires", "response-cache-control", "response-content-disposition", "response-content-encoding"}
	listParams   = []string{"prefix", "delimiter", "max-keys", "encoding-type"}
)

var operations = map[string]operation{
	"ListBuckets":       {serve: (*call).listBuckets},
	"CreateBucket":      {serve: (*call).createBucket},
	"HeadBucket":        {serve: (*call).headBucket},
	"GetBucketLocation": {serve: (*call).bucketLocation, params: []string{"location"}},
	"ListObjects":       {serve: (*call).listV1, params: append([]string{"marker"}, listParams...)},
	"ListObjectsV2":     {serve: (*call).listV2, params: append([]string{"list-type", "start-after", "continuation-token", "fetch-owner"}, listParams...)},
	"DeleteObjects":     {serve: (*call).deleteObjects, params: []string{"delete"}},

	"PutObject":    {serve: (*call).putObject, headers: writeHeaders},
	"CopyObject":   {serve: (*call).copyObject, headers: []string{"x-amz-meta-", "x-amz-storage-class", "x-amz-copy-source", "x-amz-metadata-directive"}},
	"GetObject":    {serve: (*call).getObject, params: readParams, headers: readHeaders},
	"HeadObject":   {serve: (*call).getObject, params: readParams, headers: readHeaders},
	"DeleteObject": {serve: (*call).deleteObject},

	"CreateMultipartUpload":   {serve: (*call).createUpload, params: []string{"uploads"}, headers: []string{"x-amz-meta-", "x-amz-storage-class", "x-amz-checksum-algorithm", "x-amz-checksum-type"}},
	"UploadPart":              {serve: (*call).uploadPart, params: []string{"uploadId", "partNumber"}},
	"CompleteMultipartUpload": {serve: (*call).completeUpload, params: []string{"uploadId"}, headers: []string{"x-amz-checksum-type", "x-amz-mp-object-size", "if-none-match", "if-match"}},
	"AbortMultipartUpload":    {serve: (*call).abortUpload, params: []string{"uploadId"}},
	"ListParts":               {serve: (*call).listParts, params: []string{"uploadId"}},
}

// ServeAWS answers one S3 request.
func (s *Service) ServeAWS(w http.ResponseWriter, r *gateway.Request) {
	c := &call{Request: r, s: s, w: w, query: r.HTTP.URL.Query()}
	c.unhoist()
	if err := c.answer(); err != nil {
		// A client that is still sending does not read the answer when the
		// connection closes under it, so what it sends is taken off first.
		_, _ = io.CopyN(io.Discard, r.HTTP.Body, maxDrain)
		gateway.WriteError(w, r, c.shape(err))
	}
}

var _ gateway.Service = (*Service)(nil)

func (c *call) answer() error {
	c.name, c.key = split(c.HTTP)
	c.Operation = c.operation()
	op, ok := operations[c.Operation]
	if !ok {
		return gateway.UnknownOperation(c.Request, c.Operation)
	}
	if err := c.checkNothingUnknown(op); err != nil {
		return err
	}
	c.w.Header().Set("X-Amz-Request-Id", c.ID)
	if c.name == "" || c.Operation == "CreateBucket" {
		return op.serve(c)
	}
	var err error
	if c.b, err = c.s.bucket(c.name); err != nil {
		return err
	}
	if owner := c.HTTP.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != c.s.config.Owner {
		return &gateway.Error{Code: "AccessDenied", Message: "Access Denied: the bucket is not owned by " + owner, Status: http.StatusForbidden}
	}
	if c.key != "" {
		if err := checkKey(c.key); err != nil {
			return err
		}
	}
	return op.serve(c)
}

// unhoist puts back the headers that a signer moved into a presigned URL
// (X-Amz-Tagging=…), so that they are acted on, or refused, as headers are.
func (c *call) unhoist() {
	if !c.query.Has("X-Amz-Signature") {
		return
	}
	for name, values := range c.query {
		if strings.HasPrefix(strings.ToLower(name), "x-amz-") {
			delete(c.query, name)
			if !gateway.SignatureParameter(name) && c.HTTP.Header.Get(name) == "" {
				c.HTTP.Header[http.CanonicalHeaderKey(name)] = values
			}
		}
	}
}

// split finds bucket and key: /bucket/key, or bucket.s3.localhost/key.
func split(hr *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(hr.URL.Path, "/")
	host := hr.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if name, ok := strings.CutSuffix(host, ".localhost"); ok && name != "s3" {
		return strings.TrimSuffix(name, ".s3"), path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// operation names what is asked, by method, path and query (S3 API Reference).
func (c *call) operation() string {
	has := c.query.Has
	method := c.HTTP.Method
	for _, sub := range subresources {
		if has(sub) {
			return c.subresource(sub)
		}
	}
	switch {
	case c.name == "":
		return map[string]string{"GET": "ListBuckets"}[method]
	case c.key == "":
		switch {
		case method == "GET" && has("location"):
			return "GetBucketLocation"
		case method == "GET" && c.query.Get("list-type") == "2":
			return "ListObjectsV2"
		case method == "GET" && has("uploads"):
			return "ListMultipartUploads"
		case method == "POST" && has("delete"):
			return "DeleteObjects"
		}
		return cmp.Or(map[string]string{"GET": "ListObjects", "PUT": "CreateBucket", "HEAD": "HeadBucket", "DELETE": "DeleteBucket", "POST": "PostObject"}[method], method)
	}
	source := c.HTTP.Header.Get("X-Amz-Copy-Source") != ""
	switch {
	case method == "PUT" && has("uploadId") && source:
		return "UploadPartCopy"
	case method == "PUT" && has("uploadId"):
		return "UploadPart"
	case method == "PUT" && source:
		return "CopyObject"
	case method == "POST" && has("uploads"):
		return "CreateMultipartUpload"
	case method == "POST" && has("uploadId"):
		return "CompleteMultipartUpload"
	case method == "DELETE" && has("uploadId"):
		return "AbortMultipartUpload"
	case method == "GET" && has("uploadId"):
		return "ListParts"
	}
	return cmp.Or(map[string]string{"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[method], method)
}

// subresources turn a request into another operation, all of them refused.
var subresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory", "legal-hold",
	"lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus",
	"publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "session", "tagging",
	"torrent", "versioning", "versions", "website",
}

// subresource makes a name such as GetBucketPolicy out of GET ?policy.
func (c *call) subresource(sub string) string {
	verb := map[string]string{"GET": "Get", "HEAD": "Head", "PUT": "Put", "DELETE": "Delete", "POST": "Post"}[c.HTTP.Method]
	level := "Bucket"
	if c.key != "" {
		level = "Object"
	}
	return fmt.Sprintf("%s%s%s%s (?%s)", verb, level, strings.ToUpper(sub[:1]), sub[1:], sub)
}

func (c *call) checkNothingUnknown(op operation) error {
	for name := range c.query {
		// x-id repeats the operation's name.
		if name != "x-id" && !slices.Contains(op.params, name) {
			return notImplemented("the parameter %q of %s", name, c.Operation)
		}
	}
	for name := range c.HTTP.Header {
		name = strings.ToLower(name)
		family := strings.HasPrefix(name, "x-amz-meta-") && slices.Contains(op.headers, "x-amz-meta-")
		acted := strings.HasPrefix(name, "x-amz-") || strings.HasPrefix(name, "if-") || name == "range"
		if acted && !family && !slices.Contains(op.headers, name) && !slices.Contains(commonHeaders, name) {
			return notImplemented("the header %q of %s", name, c.Operation)
		}
	}
	if class := c.HTTP.Header.Get("X-Amz-Storage-Class"); class != "" && class != "STANDARD" {
		return notImplemented("the storage class %q", class)
	}
	return nil
}

// allow asks the caller's policies and the bucket's for an action on an object,
// or on the bucket when key is empty.
func (c *call) allow(action, key string, keys iam.Keys) error {
	return c.allowIn(c.b, action, key, keys)
}

func (c *call) allowIn(b *bucket, action, key string, keys iam.Keys) error {
	arn := "arn:aws:s3:::" + b.name
	if key != "" {
		arn += "/" + key
	}
	b.mu.RLock()
	policy := b.policy
	b.mu.RUnlock()
	return c.AuthorizeWith(policy, action, arn, keys)
}

// shape gives the package's own errors their code in S3.
func (c *call) shape(err error) error {
	if errors.Is(err, ErrNoBucket) {
		return &gateway.Error{Code: "NoSuchBucket", Message: "The specified bucket does not exist: " + c.name, Status: http.StatusNotFound}
	}
	return err
}

func notImplemented(format string, args ...any) error {
	return &gateway.Error{Code: "NotImplemented", Message: "the local cloud does not implement " + fmt.Sprintf(format, args...), Status: http.StatusNotImplemented}
}
