package s3_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// putSigned makes a signed PUT whose body is not what the SDK would send here.
func (c *cloud) putSigned(t *testing.T, key, payload string, header http.Header, body string) *http.Request {
	t.Helper()
	hr, err := http.NewRequestWithContext(t.Context(), http.MethodPut, c.url+"/results/"+key, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		hr.Header[name] = values
	}
	hr.Header.Set("X-Amz-Content-Sha256", payload)
	keys := c.store.Operator()
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	if err := signer.SignHTTP(t.Context(), aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey}, hr, payload, "s3", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return hr
}

// What SDKs send over TLS: chunks without signatures, the checksum at the end.
func TestTrailingChecksum(t *testing.T) {
	c := newCloud(t)
	sum := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte("hello world"))))
	for _, test := range []struct{ body, want, why string }{
		{"6\r\nhello \r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:" + sum + "\r\n\r\n", "", "good"},
		{"6\r\nhello \r\n5\r\nw0rld\r\n0\r\nx-amz-checksum-crc32:" + sum + "\r\n\r\n", "BadDigest", "a byte is another"},
		{"6\r\nhello \r\n5\r\nworld\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", "InvalidRequest", "no CRC32 at all"},
		{"6\r\nhello \r\n5\r\nworld\r\n", "IncompleteBody", "the last chunk is missing"},
	} {
		hr := c.putSigned(t, "k", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", http.Header{
			"X-Amz-Decoded-Content-Length": {"11"}, "X-Amz-Trailer": {"x-amz-checksum-crc32"}, "Content-Encoding": {"gzip,aws-chunked"},
		}, test.body)
		response, err := http.DefaultClient.Do(hr)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		_, object, getErr := c.service.Open("results", "k")
		switch {
		case test.want == "":
			if response.StatusCode != 200 || getErr != nil || object.Size != 11 || object.Metadata.Checksums["crc32"] != sum || object.Metadata.Headers["Content-Encoding"] != "gzip" {
				t.Errorf("%s: %s %s; the object is %+v (%v)", test.why, response.Status, text, object, getErr)
			}
			client := c.operator()
			if _, err := client.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String("results"), Key: aws.String("k")}); err != nil {
				t.Fatal(err)
			}
		case !strings.Contains(string(text), "<Code>"+test.want+"</Code>") || getErr == nil:
			t.Errorf("%s: %s %s; the object is %+v", test.why, response.Status, text, object)
		}
	}
}

// A client that goes away in the middle leaves nothing.
func TestBrokenConnection(t *testing.T) {
	c := newCloud(t)
	hr := c.putSigned(t, "k", "UNSIGNED-PAYLOAD", nil, strings.Repeat("x", 1000))
	var wire bytes.Buffer
	if err := hr.Write(&wire); err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(c.url)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", address.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(wire.Bytes()[:wire.Len()-1]); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), hr)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != 400 || !strings.Contains(string(text), "IncompleteBody") {
		t.Errorf("%s %s", response.Status, text)
	}
	if left, err := os.ReadDir(c.dir); err != nil || len(left) != 0 {
		t.Errorf("left in the bucket: %v (%v)", left, err)
	}
	if left, err := os.ReadDir(filepath.Join(c.meta, "results", "staging")); err != nil || len(left) != 0 {
		t.Errorf("left in the staging directory: %v (%v)", left, err)
	}
}

func TestPresignedURLs(t *testing.T) {
	c := newCloud(t)
	presign := awss3.NewPresignClient(c.operator())
	put, err := presign.PresignPutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("results"), Key: aws.String("a b/ü")})
	if err != nil {
		t.Fatal(err)
	}
	hr, err := http.NewRequestWithContext(t.Context(), put.Method, put.URL, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	hr.Header = put.SignedHeader
	response, err := http.DefaultClient.Do(hr)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("put: %s", response.Status)
	}
	get, err := presign.PresignGetObject(t.Context(), &awss3.GetObjectInput{
		Bucket: aws.String("results"), Key: aws.String("a b/ü"), ResponseContentDisposition: aws.String(`attachment; filename="x"`),
	})
	if err != nil {
		t.Fatal(err)
	}
	response, err = http.Get(get.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || string(text) != "hello" || response.Header.Get("Content-Disposition") != `attachment; filename="x"` {
		t.Errorf("%s %s %q (%v)", response.Status, response.Header.Get("Content-Disposition"), text, err)
	}
}

// Signers may move headers into a presigned URL. They were passed over there: an
// object that was to have tags had none, and nobody was told.
func TestHeadersInAPresignedURL(t *testing.T) {
	c := newCloud(t)
	keys := c.store.Operator()
	for query, want := range map[string]int{
		"X-Amz-Meta-Colour=red":         http.StatusOK,
		"X-Amz-Tagging=a%3Db":           http.StatusNotImplemented,
		"x-amz-acl=public-read":         http.StatusNotImplemented,
		"X-Amz-Storage-Class=GLACIER":   http.StatusNotImplemented,
		"X-Amz-Checksum-Crc32=AAAAAA==": http.StatusBadRequest, // not the body's
	} {
		hr, err := http.NewRequestWithContext(t.Context(), http.MethodPut, c.url+"/results/k?X-Amz-Expires=60&"+query, strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		text, _, err := signer.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey}, hr, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if hr.URL, err = url.Parse(text); err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(hr)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s, want %d", query, response.Status, want)
		}
	}
	head, err := c.operator().HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String("results"), Key: aws.String("k")})
	if err != nil || head.Metadata["colour"] != "red" {
		t.Errorf("the metadata is %v (%v)", head, err)
	}
}

// With a name instead of an address as endpoint, SDKs put the bucket into it.
func TestVirtualHosts(t *testing.T) {
	c := newCloud(t)
	address, err := url.Parse(c.url)
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]bool{}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		hosts[to] = true
		return new(net.Dialer).DialContext(ctx, network, address.Host)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	client := c.client(c.store.Operator(), func(o *awss3.Options) {
		o.BaseEndpoint = aws.String("http://s3.localhost:" + address.Port())
		o.HTTPClient = &http.Client{Transport: transport}
	})
	if _, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String("results"), Key: aws.String("a/b"), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	if text, err := c.service.Get("results", "a/b"); err != nil || string(text) != "x" {
		t.Errorf("the object is %q (%v)", text, err)
	}
	if want := fmt.Sprintf("results.s3.localhost:%s", address.Port()); !hosts[want] {
		t.Errorf("the client asked %v, not %s", hosts, want)
	}
}

// On another file system than its metadata's, a bucket stages within itself,
// out of sight.
func TestStagingAcrossFileSystems(t *testing.T) {
	shm, err := os.MkdirTemp("/dev/shm", "fairlead-s3-*")
	if err != nil {
		t.Skip("no second file system: ", err)
	}
	t.Cleanup(func() { os.RemoveAll(shm) })
	c := newCloudIn(t, shm)
	if err := c.service.Put("results", "k", "", []byte("x")); err != nil {
		t.Fatal(err)
	}
	list, err := c.operator().ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String("results")})
	if err != nil || len(list.Contents) != 1 || *list.Contents[0].Key != "k" {
		t.Errorf("listed %+v (%v)", list, err)
	}
	if _, err := os.Stat(filepath.Join(shm, ".fairlead-staging")); err != nil {
		t.Error(err)
	}
}
