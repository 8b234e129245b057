package gateway

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/iam"
)

const (
	// maxBody bounds what is held in memory: Lambda's payload of 6 MB is the
	// largest that a service other than S3 takes, and base64 may wrap it.
	maxBody = 16 << 20
	// maxCBOR is CloudWatch's limit for PutMetricData.
	maxCBOR = 1 << 20

	unsignedPayload  = "UNSIGNED-PAYLOAD"
	signedChunks     = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	signedTrailer    = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	unsignedTrailer  = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
	decodedLengthKey = "X-Amz-Decoded-Content-Length"
)

// bufferBody reads the whole body and leaves it to be read again.
func bufferBody(hr *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(hr.Body, maxBody+1))
	if err != nil {
		return nil, &Error{Code: "IncompleteBody", Message: "the body ended early: " + err.Error()}
	}
	if len(body) > maxBody {
		return nil, &Error{Code: "RequestEntityTooLargeException", Message: "the body is larger than " + strconv.Itoa(maxBody) + " bytes", Status: http.StatusRequestEntityTooLarge}
	}
	hr.Body = io.NopCloser(bytes.NewReader(body))
	return body, nil
}

// readBody is the body of any service but S3, checked and decompressed.
func readBody(r *Request, s signature) ([]byte, error) {
	body, err := bufferBody(r.HTTP)
	if err != nil {
		return nil, err
	}
	// Without the header, verify has hashed the body into the signature.
	if s.payload != "" && s.payload != unsignedPayload && s.payload != hexSHA256(body) {
		return nil, r.fail(codeBadSignature, http.StatusBadRequest, "The provided x-amz-content-sha256 does not match the body.")
	}
	switch encoding := r.HTTP.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip": // SDKs compress PutMetricData above 10 KiB
		zip, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, err = io.ReadAll(io.LimitReader(zip, maxBody+1))
		}
		if err != nil || len(body) > maxBody {
			return nil, r.fail(codeBadInput, http.StatusBadRequest, "the gzip body is damaged or larger than %d bytes", maxBody)
		}
	default:
		return nil, r.fail(codeBadInput, http.StatusBadRequest, "the local cloud does not decode the content encoding %q", encoding)
	}
	if r.Protocol == CBOR && len(body) > maxCBOR {
		return nil, &Error{Code: "RequestEntityTooLarge", Message: "the CBOR body is larger than 1 MiB", Status: http.StatusRequestEntityTooLarge}
	}
	return body, nil
}

// streamBody replaces an S3 body by a reader that gives the object's bytes and
// ends in io.EOF only if length, hashes and signatures were right. What has
// been read before that is not yet proven: keep it aside until io.EOF.
func streamBody(r *Request, s signature, c iam.Credentials) error {
	hr := r.HTTP
	switch s.payload {
	case unsignedPayload:
		hr.Body = readCloser{&lengthReader{hr.Body}, hr.Body}
	case signedChunks, signedTrailer, unsignedTrailer:
		length, err := strconv.ParseInt(hr.Header.Get(decodedLengthKey), 10, 64)
		if err != nil || length < 0 {
			return &Error{Code: "MissingContentLength", Message: "a streaming body needs x-amz-decoded-content-length", Status: http.StatusLengthRequired}
		}
		chunks := newChunkReader(hr, s, c, length)
		hr.Body = readCloser{chunks, hr.Body}
		hr.ContentLength = length
		// aws-chunked is of the transfer, not of the object.
		var kept []string
		for name := range strings.SplitSeq(hr.Header.Get("Content-Encoding"), ",") {
			if name = strings.TrimSpace(name); name != "" && name != "aws-chunked" {
				kept = append(kept, name)
			}
		}
		hr.Header.Del("Content-Encoding")
		if len(kept) > 0 {
			hr.Header.Set("Content-Encoding", strings.Join(kept, ","))
		}
	default:
		want, err := hex.DecodeString(s.payload)
		if err != nil || len(want) != sha256.Size {
			return &Error{Code: "InvalidArgument", Message: "the local cloud does not read x-amz-content-sha256 " + strconv.Quote(s.payload)}
		}
		hr.Body = readCloser{&hashReader{from: hr.Body, hash: sha256.New(), want: want}, hr.Body}
	}
	return nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// hashReader passes a body on and fails instead of ending when its hash is not
// the signed one.
type hashReader struct {
	from io.Reader
	hash hash.Hash
	want []byte
}

func (h *hashReader) Read(p []byte) (int, error) {
	n, err := h.from.Read(p)
	h.hash.Write(p[:n])
	if err == io.EOF && !bytes.Equal(h.hash.Sum(nil), h.want) {
		return n, &Error{Code: "XAmzContentSHA256Mismatch", Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	return n, bodyError(err)
}

// lengthReader passes a body on and names its truncation.
type lengthReader struct{ from io.Reader }

func (l *lengthReader) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	return n, bodyError(err)
}

// bodyError names a body that ended before its time.
func bodyError(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Code: "IncompleteBody", Message: "You did not provide the number of bytes specified by the Content-Length HTTP header"}
	}
	return err
}
