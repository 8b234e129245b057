package gateway

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/iam"
)

// chunkReader decodes aws-chunked bodies (S3 API Reference, "Signature
// Calculations: Transferring Payload in Multiple Chunks" and "… with trailers"):
//
//	1000;chunk-signature=<hex>\r\n <0x1000 bytes> \r\n
//	…
//	0;chunk-signature=<hex>\r\n
//	x-amz-checksum-crc32:<base64>\r\n
//	x-amz-trailer-signature:<hex>\r\n
//	\r\n
//
// Each signature covers the one before it, so nothing can be left out. The
// trailers are put into the request's Trailer when the end has been reached.
type chunkReader struct {
	from     *bufio.Reader
	request  *http.Request
	signed   bool
	declared map[string]bool // trailer names, in lower case
	length   int64           // decoded bytes promised
	total    int64           // decoded bytes seen

	stamp, scope, last string // of the signature chain
	key                []byte

	left int64     // bytes left of the current chunk
	want string    // its signature
	hash hash.Hash // of its data
	err  error
}

// The longest line: a size, a name and a signature, or one trailer.
const maxChunkLine = 4096

func newChunkReader(hr *http.Request, s signature, c iam.Credentials, length int64) *chunkReader {
	r := &chunkReader{
		from: bufio.NewReaderSize(hr.Body, maxChunkLine), request: hr, length: length, declared: map[string]bool{},
		signed: s.payload != unsignedTrailer,
		stamp:  s.time.Format(timeFormat), scope: s.scope(), last: s.value, key: signingKey(c, s), hash: sha256.New(),
	}
	if s.payload != signedChunks {
		for name := range strings.SplitSeq(hr.Header.Get("X-Amz-Trailer"), ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
				r.declared[name] = true
			}
		}
	}
	return r
}

func (r *chunkReader) Read(p []byte) (int, error) {
	if r.err == nil && r.left == 0 {
		r.err = r.next()
	}
	if r.err != nil {
		return 0, r.err
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.from.Read(p)
	r.hash.Write(p[:n])
	r.left -= int64(n)
	r.total += int64(n)
	if err != nil {
		r.err = truncated(err)
	} else if r.left == 0 {
		r.err = r.endChunk()
	}
	// Data that came with a bad end is not handed on.
	if r.err != nil {
		return 0, r.err
	}
	return n, nil
}

// next reads a chunk's header; after the last chunk it returns io.EOF.
func (r *chunkReader) next() error {
	line, err := r.line()
	if err != nil {
		return err
	}
	size, extension, _ := strings.Cut(line, ";")
	if r.left, err = strconv.ParseInt(size, 16, 64); err != nil || r.left < 0 {
		return malformed("chunk size %q", size)
	}
	if r.total+r.left > r.length {
		return malformed("the chunks hold more than the promised %d bytes", r.length)
	}
	r.want = strings.TrimPrefix(extension, "chunk-signature=")
	if r.signed && r.want == extension {
		return malformed("a chunk without a signature")
	}
	r.hash.Reset()
	if r.left > 0 {
		return nil
	}
	if err := r.checkChunk(); err != nil {
		return err
	}
	if r.total != r.length {
		return &Error{Code: "IncompleteBody", Message: fmt.Sprintf("the chunks hold %d bytes, promised were %d", r.total, r.length)}
	}
	return r.trailers()
}

func (r *chunkReader) endChunk() error {
	if line, err := r.line(); err != nil {
		return err
	} else if line != "" {
		return malformed("a chunk does not end where its size says")
	}
	return r.checkChunk()
}

func (r *chunkReader) checkChunk() error {
	if !r.signed {
		return nil
	}
	return r.check("AWS4-HMAC-SHA256-PAYLOAD", r.want, hexSHA256(nil)+"\n"+hex.EncodeToString(r.hash.Sum(nil)))
}

// check compares one link of the signature chain.
func (r *chunkReader) check(kind, want, tail string) error {
	text := strings.Join([]string{kind, r.stamp, r.scope, r.last, tail}, "\n")
	have := hex.EncodeToString(hmacSHA256(r.key, text))
	if !hmac.Equal([]byte(have), []byte(want)) {
		return &Error{Code: "SignatureDoesNotMatch", Message: "The chunk signature we calculated does not match the signature you provided.", Status: http.StatusForbidden}
	}
	r.last = have
	return nil
}

func (r *chunkReader) trailers() error {
	found := http.Header{}
	var signedText bytes.Buffer
	signature := ""
	for {
		line, err := r.line()
		if err != nil {
			// Some clients end the body right after the last chunk's line.
			if len(r.declared) == 0 && len(found) == 0 && r.atEnd() {
				break
			}
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok:
			return malformedTrailer("the line %q", line)
		case name == "x-amz-trailer-signature":
			signature = value
		case !r.declared[name]:
			return malformedTrailer("x-amz-trailer does not declare %q", name)
		default:
			found.Set(name, value)
			fmt.Fprintf(&signedText, "%s:%s\n", name, value)
		}
	}
	for name := range r.declared {
		if found.Get(name) == "" {
			return malformedTrailer("x-amz-trailer declares %q, and it is missing", name)
		}
	}
	if r.signed && len(r.declared) > 0 {
		if err := r.check("AWS4-HMAC-SHA256-TRAILER", signature, hexSHA256(signedText.Bytes())); err != nil {
			return err
		}
	}
	if _, err := r.from.ReadByte(); err != io.EOF {
		return malformed("there are bytes after the last chunk")
	}
	r.request.Trailer = found
	return io.EOF
}

func (r *chunkReader) atEnd() bool {
	_, err := r.from.Peek(1)
	return err == io.EOF
}

// line reads up to \r\n and gives the line without it.
func (r *chunkReader) line() (string, error) {
	text, err := r.from.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", malformed("a chunk header longer than %d bytes", maxChunkLine)
	}
	if err != nil {
		return "", truncated(err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), nil
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{Code: "IncompleteBody", Message: "The request body terminated unexpectedly"}
	}
	return err
}

func malformed(format string, args ...any) error {
	return &Error{Code: "InvalidRequest", Message: "malformed aws-chunked body: " + fmt.Sprintf(format, args...)}
}

func malformedTrailer(format string, args ...any) error {
	return &Error{Code: "MalformedTrailerError", Message: "The request contained trailing data that was not well-formed: " + fmt.Sprintf(format, args...)}
}
