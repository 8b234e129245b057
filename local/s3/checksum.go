package s3

import (
	"crypto/md5"  // #nosec G501 -- an ETag is an MD5 by definition
	"crypto/sha1" // #nosec G505 -- one of the checksums that S3 offers
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"net/http"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// checksums are S3's algorithms by the name in the header x-amz-checksum-<name>
// (User Guide, "Checking object integrity").
var checksums = map[string]func() hash.Hash{
	"crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"crc64nvme": func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) }, // reversed polynomial
	"sha1":      sha1.New,
	"sha256":    sha256.New,
}

const checksumPrefix = "x-amz-checksum-"

// declared are the checksums that a request promises: by algorithm, with the
// value where a header gives it and "" where a trailer will.
func declared(h http.Header) (map[string]string, error) {
	found := map[string]string{}
	for name, values := range h {
		algorithm, ok := strings.CutPrefix(strings.ToLower(name), checksumPrefix)
		if !ok || algorithm == "mode" || algorithm == "type" || algorithm == "algorithm" {
			continue
		}
		if checksums[algorithm] == nil {
			return nil, notImplemented("the checksum %s", algorithm)
		}
		found[algorithm] = values[0]
	}
	for name := range strings.SplitSeq(h.Get("X-Amz-Trailer"), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		algorithm, ok := strings.CutPrefix(name, checksumPrefix)
		if name != "" && (!ok || checksums[algorithm] == nil) {
			return nil, notImplemented("the trailer %s", name)
		}
		if ok {
			found[algorithm] = ""
		}
	}
	if len(found) > 1 {
		return nil, &gateway.Error{Code: "InvalidRequest", Message: "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."}
	}
	if name := strings.ToLower(h.Get("X-Amz-Sdk-Checksum-Algorithm")); name != "" && len(found) == 0 {
		return nil, &gateway.Error{Code: "InvalidRequest", Message: "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found."}
	}
	return found, nil
}

// verifier hashes a body in every way that the request promised.
type verifier struct {
	header   http.Header
	trailer  func() http.Header // known after the body's end
	promised map[string]string
	md5      hash.Hash
	sums     map[string]hash.Hash
}

func newVerifier(hr *http.Request) (*verifier, error) {
	promised, err := declared(hr.Header)
	if err != nil {
		return nil, err
	}
	v := &verifier{header: hr.Header, trailer: func() http.Header { return hr.Trailer }, promised: promised, md5: md5.New(), sums: map[string]hash.Hash{}} // #nosec G401
	for algorithm := range promised {
		v.sums[algorithm] = checksums[algorithm]()
	}
	return v, nil
}

func (v *verifier) Write(p []byte) (int, error) {
	v.md5.Write(p)
	for _, h := range v.sums {
		h.Write(p)
	}
	return len(p), nil
}

// verify compares, after the body's end, and returns the checksums in base64.
func (v *verifier) verify() (map[string]string, error) {
	if want := v.header.Get("Content-Md5"); want != "" {
		if raw, err := base64.StdEncoding.DecodeString(want); err != nil || len(raw) != md5.Size {
			return nil, &gateway.Error{Code: "InvalidDigest", Message: "The Content-MD5 you specified was invalid."}
		}
		if have := encode(v.md5); have != want {
			return nil, &gateway.Error{Code: "BadDigest", Message: fmt.Sprintf("The Content-MD5 you specified did not match what we received: %s, not %s.", have, want)}
		}
	}
	sums := map[string]string{}
	for algorithm, want := range v.promised {
		if want == "" {
			want = v.trailer().Get(checksumPrefix + algorithm)
		}
		have := encode(v.sums[algorithm])
		if raw, err := base64.StdEncoding.DecodeString(want); err != nil || len(raw) != v.sums[algorithm].Size() {
			return nil, &gateway.Error{Code: "InvalidRequest", Message: fmt.Sprintf("Value for %s%s header is invalid.", checksumPrefix, algorithm)}
		}
		if have != want {
			return nil, &gateway.Error{Code: "BadDigest", Message: fmt.Sprintf("The %s you specified did not match the calculated checksum: %s, not %s.", strings.ToUpper(algorithm), have, want)}
		}
		sums[algorithm] = have
	}
	return sums, nil
}

func encode(h hash.Hash) string { return base64.StdEncoding.EncodeToString(h.Sum(nil)) }
