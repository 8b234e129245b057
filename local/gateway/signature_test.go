package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// echo answers with the body that it was given, or with the error at its end.
type echo struct{}

func (echo) ServeAWS(w http.ResponseWriter, r *gateway.Request) {
	body, err := io.ReadAll(r.HTTP.Body)
	if err != nil {
		gateway.WriteError(w, r, err)
		return
	}
	fmt.Fprintf(w, "%s %s: %s", r.Service, r.Caller.ARN, body)
}

// sign makes a signed POST to a path of a service, as an SDK would.
func (c *cloud) sign(t *testing.T, keys iam.Credentials, service, path, body string, at time.Time, header http.Header) *http.Request {
	t.Helper()
	hr, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		hr.Header[name] = values
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	if given := hr.Header.Get("X-Amz-Content-Sha256"); given != "" {
		hash = given
	} else if service == "s3" {
		hr.Header.Set("X-Amz-Content-Sha256", hash)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	if err := signer.SignHTTP(t.Context(), awsKeys(keys), hr, hash, service, region, at); err != nil {
		t.Fatal(err)
	}
	return hr
}

func awsKeys(keys iam.Credentials) aws.Credentials {
	return aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken}
}

func send(t *testing.T, hr *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(hr)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func TestSignatures(t *testing.T) {
	c := newCloud(t)
	for _, service := range []string{"s3", "lambda", "states", "ec2", "sts"} {
		c.Register(service, echo{})
	}
	now := time.Now()
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	target := http.Header{"X-Amz-Target": {"AWSStepFunctions.ListStateMachines"}, "Content-Type": {"application/x-amz-json-1.0"}}
	for _, test := range []struct {
		service string
		header  http.Header
		path    string
		at      time.Time
		change  func(*http.Request)
		want    string // part of the answer
		why     string
	}{
		{"s3", nil, "/b/k", now, nil, "s3 arn:aws:iam::000000000000:user/operator: Action=X", "a good signature"},
		{"lambda", nil, "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations", now, nil, "lambda arn", "the path is encoded twice"},
		{"s3", nil, "/b/a%20b%2Bc%3Dd~%C3%BC", now, nil, "s3 arn", "S3's path is encoded once"},
		{"s3", nil, "/b?list-type=2&prefix=a%2Fb%20c&delimiter=", now, nil, "s3 arn", "the query is part of it"},
		{"s3", nil, "/b/k", now.Add(-14 * time.Minute), nil, "s3 arn", "clocks may differ"},
		{"s3", nil, "/b/k", now.Add(-16 * time.Minute), nil, "RequestTimeTooSkewed", "but not by more than 15 minutes"},
		{"states", target, "/", now.Add(16 * time.Minute), nil, "InvalidSignatureException", "nor into the future"},
		{"s3", nil, "/b/k", now, func(r *http.Request) { r.URL.Path = "/b/other" }, "SignatureDoesNotMatch", "another path"},
		{"s3", nil, "/b/k", now, func(r *http.Request) { r.URL.RawQuery = "acl" }, "SignatureDoesNotMatch", "another query"},
		{"s3", nil, "/b/k", now, func(r *http.Request) { r.Method = http.MethodPut }, "SignatureDoesNotMatch", "another method"},
		{"s3", nil, "/b/k", now, func(r *http.Request) { r.Header.Set("X-Amz-Acl", "public-read") }, "AccessDenied", "a header beside the signature"},
		{"s3", nil, "/b/k", now, func(r *http.Request) { replaceBody(r, "Action=Y") }, "XAmzContentSHA256Mismatch", "another body"},
		{"s3", nil, "/b/k", now, func(r *http.Request) { r.Header.Del("Authorization") }, "AccessDenied", "no signature"},
		{"states", target, "/", now, func(r *http.Request) { replaceBody(r, "Action=Y") }, `"__type":"InvalidSignatureException"`, "another body, hashed by the front"},
		{"states", target, "/", now, func(r *http.Request) { r.Header.Set("X-Amz-Target", "AWSStepFunctions.DeleteStateMachine") }, "InvalidSignatureException", "another operation"},
		{"states", target, "/", now, func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException", "no signature, in JSON"},
		{"states", target, "/", now, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, "IncompleteSignature", "another scheme"},
		{"states", target, "/", now, func(r *http.Request) { edit(r, region, "eu-west-1") }, "valid region: the local cloud is us-east-1, not eu-west-1", "another region"},
		{"states", target, "/", now, func(r *http.Request) { edit(r, "AKIA", "AKIB") }, "UnrecognizedClientException", "an unknown key"},
		{"states", target, "/", now, func(r *http.Request) { edit(r, "/states/", "/ssm/") }, "InvalidSignatureException", "another service in the scope"},
		{"logs", target, "/", now, nil, `no service \"logs\"; it has ec2, lambda, s3, states, sts`, "a service that is not there"},
		{"ec2", form, "/", now, func(r *http.Request) { replaceBody(r, "Action=Y") }, "<Response><Errors><Error><Code>AuthFailure</Code>", "EC2's own words"},
		{"sts", form, "/", now, func(r *http.Request) { replaceBody(r, "Action=Y") }, "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code>", "Query's own words"},
	} {
		hr := c.sign(t, c.store.Operator(), test.service, test.path, "Action=X", test.at, test.header)
		if test.change != nil {
			test.change(hr)
		}
		if status, text := send(t, hr); !strings.Contains(text, test.want) {
			t.Errorf("%s: %d %s; want %q", test.why, status, text, test.want)
		}
	}
}

func replaceBody(r *http.Request, body string) {
	r.Body, r.GetBody, r.ContentLength = io.NopCloser(strings.NewReader(body)), nil, int64(len(body))
}

func edit(r *http.Request, old, new string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, new, 1))
}

func TestSessionCredentials(t *testing.T) {
	c := newCloud(t)
	c.Register("s3", echo{})
	trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.store.PutRole(iam.Role{Name: "f", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		ttl    time.Duration
		change func(*iam.Credentials)
		want   string
		why    string
	}{
		{time.Hour, func(*iam.Credentials) {}, "assumed-role/f/s", "all three parts"},
		{-time.Second, func(*iam.Credentials) {}, "ExpiredToken", "past their time"},
		{time.Hour, func(k *iam.Credentials) { k.SessionToken = "" }, "InvalidAccessKeyId", "without the token"},
		{time.Hour, func(k *iam.Credentials) { k.SessionToken = "x" }, "InvalidAccessKeyId", "with another token"},
		{time.Hour, func(k *iam.Credentials) { k.SecretAccessKey = "x" }, "SignatureDoesNotMatch", "with another secret"},
	} {
		keys, _, err := c.store.AssumeRole("arn:aws:iam::000000000000:role/f", "s", "lambda.amazonaws.com", test.ttl)
		if err != nil {
			t.Fatal(err)
		}
		test.change(&keys)
		if _, text := send(t, c.sign(t, keys, "s3", "/b/k", "x", time.Now(), nil)); !strings.Contains(text, test.want) {
			t.Errorf("%s: %s; want %q", test.why, text, test.want)
		}
	}
}

func TestPresigned(t *testing.T) {
	c := newCloud(t)
	c.Register("s3", echo{})
	presign := func(at time.Time, seconds string) *url.URL {
		hr, err := http.NewRequest(http.MethodGet, c.url+"/b/k?X-Amz-Expires="+seconds, nil)
		if err != nil {
			t.Fatal(err)
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		text, _, err := signer.PresignHTTP(context.Background(), awsKeys(c.store.Operator()), hr, "UNSIGNED-PAYLOAD", "s3", region, at)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	for _, test := range []struct {
		at      time.Time
		seconds string
		path    string
		want    string
		why     string
	}{
		{time.Now().Add(-time.Hour), "7200", "/b/k", "user/operator", "good for two hours, one of them gone"},
		{time.Now().Add(-time.Hour), "1800", "/b/k", "Request has expired", "good for half an hour"},
		{time.Now().Add(time.Hour), "1800", "/b/k", "Request has expired", "not good yet"},
		{time.Now(), "604801", "/b/k", "AuthorizationQueryParametersError", "a week at most"},
		{time.Now(), "60", "/b/other", "SignatureDoesNotMatch", "for another key"},
	} {
		u := presign(test.at, test.seconds)
		u.Path = test.path
		hr, err := http.NewRequest(http.MethodGet, u.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, text := send(t, hr); !strings.Contains(text, test.want) {
			t.Errorf("%s: %s; want %q", test.why, text, test.want)
		}
	}
}

// What an SDK sends in the body is not looked for in the URL.
func TestParametersInTheURLOfAPost(t *testing.T) {
	c := newCloud(t)
	c.Register("ec2", gateway.Table(map[string]gateway.Operation{
		"Do": func(_ context.Context, r *gateway.Request) (any, error) { return nil, r.Decode(&struct{}{}) },
	}))
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for path, want := range map[string]int{"/": 200, "/?DryRun=true": 400} {
		if status, text := send(t, c.sign(t, c.store.Operator(), "ec2", path, "Action=Do", time.Now(), form)); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, text, want)
		}
	}
}

func TestBodyLimits(t *testing.T) {
	c := newCloud(t)
	c.Register("monitoring", gateway.Table(map[string]gateway.Operation{
		"PutMetricData": func(_ context.Context, r *gateway.Request) (any, error) {
			var in struct{ Namespace string }
			return nil, r.Decode(&in)
		},
	}))
	cbor := http.Header{"Smithy-Protocol": {"rpc-v2-cbor"}}
	path := "/service/GraniteServiceVersion20100801/operation/PutMetricData"
	for _, test := range []struct {
		body   string
		status int
		why    string
	}{
		{"", 200, "no body is the empty input"},
		{"\xa1\x69Namespace\x61x", 200, "a map of one"},
		{"\xa1\x61q\x61x", 400, "an unknown member"},
		{"\xa1\x69Namespace\x01", 400, "a number for text"},
		{"\xff", 400, "no CBOR"},
		{"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", 400, "a length beyond memory"},
		{"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", 400, "a list beyond memory"},
		{strings.Repeat("\x81", 1<<20), 400, "a list in a list in a list, 1,048,576 deep"},
		{strings.Repeat("\x81", 1<<20+1), 413, "more than CloudWatch takes"},
	} {
		if status, text := send(t, c.sign(t, c.store.Operator(), "monitoring", path, test.body, time.Now(), cbor)); status != test.status {
			t.Errorf("%s: %d %s, want %d", test.why, status, text, test.status)
		}
	}
	big := bytes.Repeat([]byte("x"), 17<<20)
	if status, text := send(t, c.sign(t, c.store.Operator(), "monitoring", path, string(big), time.Now(), cbor)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("17 MiB: %d %s", status, text)
	}
}
