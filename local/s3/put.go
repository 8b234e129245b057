package s3

import (
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

const (
	maxPut      = 5 << 30 // of one PUT (User Guide, "Uploading objects")
	maxUserData = 2 << 10 // of x-amz-meta-…, names and values
)

func (c *call) putObject() error {
	if err := c.allow("s3:PutObject", c.key, nil); err != nil {
		return err
	}
	cond, err := c.writeCondition()
	if err != nil {
		return err
	}
	m, err := c.metadata()
	if err != nil {
		return err
	}
	staged, err := c.receive(c.b.staging, "")
	if err != nil {
		return err
	}
	defer discard(staged.path)
	m.Checksums = staged.sums
	if len(m.Checksums) > 0 {
		m.ChecksumType = fullObject
	}
	if err := c.b.commit(staged.path, c.key, staged.etag, m, cond); err != nil {
		return err
	}
	header := c.w.Header()
	header.Set("ETag", quote(staged.etag))
	writeChecksums(header, m)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// writeCondition reads If-None-Match: * and If-Match: "etag" (User Guide,
// "Conditional writes"); S3 takes no other forms.
func (c *call) writeCondition() (condition, error) {
	var cond condition
	switch v := c.HTTP.Header.Get("If-None-Match"); v {
	case "":
	case "*":
		cond.ifNoneMatch = true
	default:
		return cond, notImplemented("If-None-Match: %s when writing, only *", v)
	}
	switch v := c.HTTP.Header.Get("If-Match"); {
	case v == "*":
		return cond, notImplemented("If-Match: * when writing")
	case v != "" && cond.ifNoneMatch:
		return cond, notImplemented("If-Match together with If-None-Match")
	default:
		cond.ifMatch = unquote(v)
	}
	return cond, nil
}

// keptHeaders come back with the object as they were sent.
var keptHeaders = []string{"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires"}

func (c *call) metadata() (Metadata, error) {
	m := Metadata{Headers: map[string]string{}, User: map[string]string{}}
	for _, name := range keptHeaders {
		if v := c.HTTP.Header.Get(name); v != "" {
			m.Headers[name] = v
		}
	}
	size := 0
	for name, values := range c.HTTP.Header {
		if user, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			m.User[user] = strings.Join(values, ",")
			size += len(user) + len(m.User[user])
		}
	}
	if size > maxUserData {
		return m, &gateway.Error{Code: "MetadataTooLarge", Message: "Your metadata headers exceed the maximum allowed metadata size of 2 KB"}
	}
	return m, nil
}

// received is a body on disk whose length, signature and checksums are right.
type received struct {
	path string
	size int64
	etag string
	sums map[string]string // base64 by algorithm
}

// receive writes the body to a new file of a directory. extra names a checksum
// to compute though the request does not promise it. After an error nothing is
// left behind; otherwise the caller removes the file.
func (c *call) receive(dir, extra string) (received, error) {
	if c.HTTP.ContentLength < 0 {
		return received{}, &gateway.Error{Code: "MissingContentLength", Message: "You must provide the Content-Length HTTP header.", Status: http.StatusLengthRequired}
	}
	if c.HTTP.ContentLength > maxPut {
		return received{}, &gateway.Error{Code: "EntityTooLarge", Message: "Your proposed upload exceeds the maximum allowed object size"}
	}
	v, err := newVerifier(c.HTTP)
	if err != nil {
		return received{}, err
	}
	if extra != "" && v.sums[extra] == nil {
		v.sums[extra] = checksums[extra]()
	}
	f, err := stage(dir)
	if err != nil {
		return received{}, err
	}
	got := received{path: f.Name()}
	got.size, err = io.Copy(io.MultiWriter(f, v), c.HTTP.Body)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		got.sums, err = v.verify()
	}
	if err != nil {
		discard(f.Name())
		return received{}, err
	}
	if extra != "" {
		got.sums[extra] = encode(v.sums[extra])
	}
	got.etag = hex.EncodeToString(v.md5.Sum(nil))
	return got, nil
}

// stage makes a file that, once it is an object, its user may read.
func stage(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "object-*")
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o644); err != nil {
		f.Close()
		discard(f.Name())
		return nil, err
	}
	return f, nil
}

// discard removes a staged file. What cannot be removed is in nobody's way: it
// is no object.
func discard(name string) { _ = os.Remove(name) }

func writeChecksums(h http.Header, m Metadata) {
	for algorithm, sum := range m.Checksums {
		h.Set(checksumPrefix+algorithm, sum)
	}
	if m.ChecksumType != "" {
		h.Set("X-Amz-Checksum-Type", m.ChecksumType)
	}
}

func quote(etag string) string { return `"` + etag + `"` }

func unquote(etag string) string { return strings.Trim(etag, `"`) }
