package gateway

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

// The examples of the S3 API Reference: "Signature Calculations for the
// Authorization Header: Transferring Payload in Multiple Chunks" and
// "… Including Trailing Headers". 66,560 bytes of "a" in two chunks.
const (
	exampleSize    = 66560
	plainSeed      = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
	plainFirst     = "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
	plainSecond    = "400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"
	plainLast      = "0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"
	trailerSeed    = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
	trailerFirst   = "10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"
	trailerSecond  = "400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"
	trailerLast    = "0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"
	trailerSum     = "x-amz-checksum-crc32c:sOO8/Q=="
	trailerSumSign = "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
)

func TestChunks(t *testing.T) {
	first, second := strings.Repeat("a", 65536), strings.Repeat("a", 1024)
	lines := func(parts ...string) string { return strings.Join(parts, "\r\n") }
	plain := lines(plainFirst, first, plainSecond, second, plainLast, "", "")
	trailing := lines(trailerFirst, first, trailerSecond, second, trailerLast, trailerSum, trailerSumSign, "", "")
	unsigned := lines("10000", first, "400", second, "0", trailerSum, "", "")

	for _, test := range []struct {
		kind, body string
		code       string // "" when the body is good
		why        string
	}{
		{signedChunks, plain, "", "the documented example"},
		{signedChunks, strings.TrimSuffix(plain, "\r\n"), "", "some clients leave the last line break out"},
		{signedChunks, strings.Replace(plain, "aa\r\n400", "ab\r\n400", 1), "SignatureDoesNotMatch", "a byte of the first chunk was changed"},
		{signedChunks, strings.Replace(plain, "400;", "3ff;", 1), "InvalidRequest", "a chunk is longer than it says"},
		{signedChunks, lines(plainFirst, first, plainSecond, second, ""), "IncompleteBody", "the last chunk is missing"},
		{signedChunks, lines(plainFirst, first, plainLast, "", ""), "SignatureDoesNotMatch", "a chunk was left out: the chain breaks"},
		{signedChunks, lines(plainSecond, second, plainFirst, first, plainLast, "", ""), "SignatureDoesNotMatch", "the chunks were swapped"},
		{signedChunks, plain[:40000], "IncompleteBody", "cut in a chunk"},
		{signedChunks, plain[:30], "IncompleteBody", "cut in a header"},
		{signedChunks, plain + "x", "InvalidRequest", "something follows the end"},
		{signedChunks, lines("10000", first, "400", second, "0", "", ""), "InvalidRequest", "no signatures where they were promised"},
		{signedChunks, lines(plainFirst, first, plainSecond, second, plainLast, trailerSum, "", ""), "MalformedTrailerError", "a trailer that is not promised"},
		{signedTrailer, trailing, "", "the documented example with a trailer"},
		{signedTrailer, strings.Replace(trailing, "sOO8", "sOO9", 1), "SignatureDoesNotMatch", "the trailer was changed"},
		{signedTrailer, strings.Replace(trailing, trailerSumSign+"\r\n", "", 1), "SignatureDoesNotMatch", "the trailer is not signed"},
		{signedTrailer, strings.Replace(trailing, trailerSum+"\r\n", "", 1), "MalformedTrailerError", "the promised trailer is missing"},
		{unsignedTrailer, unsigned, "", "chunks without signatures"},
		{unsignedTrailer, lines("10000", first, "0", trailerSum, "", ""), "IncompleteBody", "fewer bytes than promised"},
		{unsignedTrailer, lines("10000", first, "401", second+"a", "0", trailerSum, "", ""), "InvalidRequest", "more bytes than promised"},
		{unsignedTrailer, lines("10000", first, "400", second, "0", "", ""), "MalformedTrailerError", "no trailer"},
		{unsignedTrailer, lines("10000", first, "400", second, "0", trailerSum), "IncompleteBody", "cut in the trailer"},
		{unsignedTrailer, lines("-1", "", "0", ""), "InvalidRequest", "a negative size"},
		{unsignedTrailer, strings.Repeat("1", 5000), "InvalidRequest", "an endless header"},
	} {
		for _, wrap := range []func(io.Reader) io.Reader{iotest.DataErrReader, iotest.HalfReader} {
			hr := &http.Request{Header: http.Header{}, Body: io.NopCloser(wrap(strings.NewReader(test.body)))}
			s := signature{date: "20130524", region: "us-east-1", service: "s3", time: time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), payload: test.kind, value: plainSeed}
			if test.kind != signedChunks {
				hr.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32c")
			}
			if test.kind == signedTrailer {
				s.value = trailerSeed
			}
			r := newChunkReader(hr, s, iam.Credentials{SecretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}, exampleSize)
			data, err := io.ReadAll(r)
			var e *Error
			switch {
			case test.code == "" && (err != nil || string(data) != first+second):
				t.Errorf("%s: %d bytes, %v", test.why, len(data), err)
			case test.code == "" && test.kind != signedChunks && hr.Trailer.Get("x-amz-checksum-crc32c") != "sOO8/Q==":
				t.Errorf("%s: trailer %v", test.why, hr.Trailer)
			case test.code != "" && (!errors.As(err, &e) || e.Code != test.code):
				t.Errorf("%s: error %v, want %s", test.why, err, test.code)
			}
		}
	}
}

// The chain's arithmetic must not depend on how the bytes happen to arrive.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nx-amz-checksum-crc32c:sOO8/Q==\r\n\r\n"), int64(5))
	f.Add([]byte("0\r\n\r\n"), int64(0))
	f.Fuzz(func(t *testing.T, body []byte, length int64) {
		if length < 0 {
			t.Skip()
		}
		read := func(wrap func(io.Reader) io.Reader) (string, error) {
			hr := &http.Request{Header: http.Header{}, Body: io.NopCloser(wrap(strings.NewReader(string(body))))}
			data, err := io.ReadAll(newChunkReader(hr, signature{payload: unsignedTrailer}, iam.Credentials{}, length))
			return string(data), err
		}
		whole, err1 := read(func(r io.Reader) io.Reader { return r })
		bytewise, err2 := read(iotest.OneByteReader)
		if (err1 == nil) != (err2 == nil) {
			t.Errorf("at once: %v; byte by byte: %v", err1, err2)
		}
		if err1 == nil && (whole != bytewise || int64(len(whole)) != length) {
			t.Errorf("read %d and %d bytes of %d", len(whole), len(bytewise), length)
		}
	})
}
