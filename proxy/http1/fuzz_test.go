package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// The reference is net/http: what this package accepts, that accepts too, and
// understands the same by it. What it takes and this package refuses is
// refused for one of these reasons, and no other.
var stricter = map[*Error]string{
	errLongLine:     "net/http has one limit for the whole head",
	errLongHead:     "ours is smaller",
	errManyFields:   "net/http has no limit that is as low",
	errLongTrailer:  "ours is smaller",
	errBareLF:       "net/http takes a bare LF for a line end",
	errRequestLine:  "net/http takes CONNECT without a target",
	errFold:         "net/http unfolds",
	errFieldSpace:   "net/http keeps a name with a space at its end",
	errFieldValue:   "net/http's ReadRequest takes a CR at the end of a value; its server looks again",
	errUnsupported:  "net/http's ReadRequest takes every version; its server looks again",
	errTarget:       "net/http takes bytes over 0x7f, fragments, other schemes, no host, and * with every method",
	errConnect:      "net/http leaves it to the handler",
	errNoHost:       "net/http's server looks, ReadRequest does not",
	errHost:         "net/http's server looks for bad characters only",
	errTwoLengths:   "net/http takes them if they are equal",
	errBothFramings: "net/http prefers Transfer-Encoding",
	errCodingIn10:   "net/http ignores it",
	errExpectation:  "net/http's server looks, ReadRequest does not",
	errConnection:   "net/http only looks for tokens that it knows",
	errManyOptions:  "net/http has no limit",
	errNomination:   "net/http leaves it to the proxy, which removes the field",
	errMaxForwards:  "net/http does not know it",
	errTraceBody:    "net/http leaves it to the handler",
	errChunkSize:    "net/http takes white space after a size",
	errChunkExt:     "net/http does not look at extensions",
	errLongChunkExt: "ours is smaller",
	errStatusLine:   "net/http takes more than one space, and control characters in the phrase",
	errStatus:       "net/http takes three digits",
	errFramedEmpty:  "net/http ignores it",
	errSwitch:       "net/http leaves it to the client",
}

// isStricter tells whether an error is one that net/http need not share.
func isStricter(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	for known := range stricter {
		if known.Reason == e.Reason {
			return true
		}
	}
	return false
}

// No reason is listed that no case needs.
func TestStricterThanReference(t *testing.T) {
	needed := make(map[*Error]bool)
	for _, c := range refusedRequests {
		if _, err := http.ReadRequest(bufio.NewReader(strings.NewReader(c.in))); err == nil {
			needed[c.err] = true
		}
	}
	for _, c := range refusedResponses {
		if _, err := http.ReadResponse(bufio.NewReader(strings.NewReader(c.in)), &http.Request{Method: c.method}); err == nil {
			needed[c.reason] = true
		}
	}
	for _, c := range chunkedBodies {
		var e *Error
		if _, err := io.ReadAll(httputil.NewChunkedReader(strings.NewReader(c.in))); err == nil && errors.As(c.err, &e) {
			needed[e] = true
		}
	}
	for e, why := range stricter {
		if !needed[e] {
			t.Errorf("%v: %q is not so", e, why)
		}
		delete(needed, e)
	}
	for e := range needed {
		t.Errorf("%v: net/http takes it, and it is not said why we do not", e)
	}
}

var fuzzLimits = Limits{Line: 256, Head: 1024, Fields: 32, ChunkExt: 64, Trailer: 256}

func FuzzRequest(f *testing.F) {
	for _, c := range refusedRequests {
		f.Add([]byte(c.in))
	}
	for _, c := range acceptedRequests {
		f.Add([]byte(c.in))
	}
	f.Fuzz(compareRequest)
}

func compareRequest(t *testing.T, in []byte) {
	if len(in) > 256 {
		return
	}
	if whole, bytewise := requestIn(string(in)), requestIn(strings.Split(string(in), "")...); whole != bytewise {
		t.Fatalf("byte by byte:\n%s\nat once:\n%s", bytewise, whole)
	}
	var r Request
	n, err := r.Parse(in, &fuzzLimits)
	// net/http skips no empty line; its server does not either.
	ref, refErr := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimPrefix(in, []byte("\r\n")))))
	if n == 0 {
		if err != nil && refErr == nil && !isStricter(err) {
			t.Fatalf("refused: %v; net/http takes it: %+v", err, ref)
		}
		return
	}
	if refErr != nil {
		if strings.Contains(refErr.Error(), "bad trailer key") {
			return // an announcement; AppendLastChunk leaves such fields out
		}
		t.Fatalf("taken: %s\nnet/http refuses it: %v", requestIn(string(in)), refErr)
	}
	if string(r.Method) != ref.Method || string(r.Target) != ref.RequestURI || r.Minor != ref.ProtoMinor || ref.ProtoMajor != 1 {
		t.Fatalf("start line: %s %s 1.%d, net/http %+v", r.Method, r.Target, r.Minor, ref)
	}
	sameTarget(t, &r, ref)
	sameFraming(t, r.Body, ref.ContentLength, ref.TransferEncoding)
	if r.KeepAlive == ref.Close {
		t.Fatalf("keep alive %v, net/http's close %v", r.KeepAlive, ref.Close)
	}
	sameFields(t, r.Fields, ref.Header)
}

func sameTarget(t *testing.T, r *Request, ref *http.Request) {
	if string(r.Host) != ref.Host {
		t.Fatalf("host %q, net/http %q", r.Host, ref.Host)
	}
	path, err := url.PathUnescape(string(r.Path))
	if err != nil {
		t.Fatal(err)
	}
	if ref.URL.Host != "" && ref.URL.Path == "" {
		ref.URL.Path = "/" // net/http leaves that to the handler
		if ref.Method == "OPTIONS" && ref.URL.RawQuery == "" && !ref.URL.ForceQuery {
			ref.URL.Path = "*"
		}
	}
	if path != ref.URL.Path || string(r.Query) != ref.URL.RawQuery || ref.URL.ForceQuery && r.Query == nil {
		t.Fatalf("path %q, query %q, net/http %+v", path, r.Query, ref.URL)
	}
}

func sameFraming(t *testing.T, f Framing, length int64, codings []string) {
	t.Helper()
	same := false
	switch f.Kind {
	case NoBody:
		same = length == max(f.Length, 0) && codings == nil
	case Length:
		same = length == f.Length && codings == nil
	case Chunked:
		same = length == -1 && slices.Equal(codings, []string{"chunked"})
	case UntilClose:
		same = length == -1 && codings == nil
	}
	if !same {
		t.Fatalf("framing %+v, net/http %d %v", f, length, codings)
	}
}

// sameFields compares but for the fields that net/http takes out as it reads.
func sameFields(t *testing.T, fields []Field, ref http.Header) {
	t.Helper()
	got := make(http.Header)
	for _, f := range fields {
		name := http.CanonicalHeaderKey(string(f.Name))
		got[name] = append(got[name], string(f.Value))
	}
	for _, h := range []http.Header{got, ref} {
		for _, name := range []string{"Host", "Transfer-Encoding", "Content-Length", "Trailer", "Connection"} {
			delete(h, name)
		}
		if slices.Equal(h["Pragma"], []string{"no-cache"}) {
			delete(h, "Cache-Control") // net/http adds one
		}
	}
	if !maps.EqualFunc(got, ref, slices.Equal) {
		t.Fatalf("fields %q, net/http %q", got, ref)
	}
}

var methods = []string{"GET", "HEAD", "POST"}

func FuzzResponse(f *testing.F) {
	for _, c := range refusedResponses {
		f.Add([]byte(c.in), uint8(slices.Index(methods, c.method)))
	}
	for _, c := range acceptedResponses {
		f.Add([]byte(c.in), uint8(max(0, slices.Index(methods, c.method))))
	}
	f.Fuzz(compareResponse)
}

func compareResponse(t *testing.T, in []byte, m uint8) {
	if len(in) > 256 {
		return
	}
	method := methods[int(m)%len(methods)]
	read := responseTo(method)
	if whole, bytewise := read(string(in)), read(strings.Split(string(in), "")...); whole != bytewise {
		t.Fatalf("byte by byte:\n%s\nat once:\n%s", bytewise, whole)
	}
	var r Response
	n, err := r.Parse(in, &fuzzLimits, []byte(method))
	ref, refErr := http.ReadResponse(bufio.NewReader(bytes.NewReader(in)), &http.Request{Method: method})
	if n == 0 {
		if err != nil && refErr == nil && !isStricter(err) {
			t.Fatalf("refused: %v; net/http takes it: %+v", err, ref)
		}
		return
	}
	if refErr != nil {
		if strings.Contains(refErr.Error(), "bad trailer key") {
			return
		}
		t.Fatalf("taken: %s\nnet/http refuses it: %v", read(string(in)), refErr)
	}
	if r.Status != ref.StatusCode || r.Minor != ref.ProtoMinor || ref.ProtoMajor != 1 {
		t.Fatalf("status %d 1.%d, net/http %+v", r.Status, r.Minor, ref)
	}
	if chunked := slices.Equal(ref.TransferEncoding, []string{"chunked"}); !chunked || r.Body.Kind != NoBody {
		// net/http gives -1 for an answer to HEAD without a length, and 0
		// for every other one without a body.
		want := ref.ContentLength
		if r.Body == (Framing{NoBody, -1}) {
			want = max(want, 0)
		} else if r.Status == http.StatusNotModified && r.Body.Length > 0 && method != "HEAD" {
			want = r.Body.Length
		}
		sameFraming(t, r.Body, want, ref.TransferEncoding)
	}
	// net/http asks for more before it reuses a connection; what it closes
	// for sure, we do.
	if ref.Close && r.KeepAlive {
		t.Fatal("net/http closes the connection")
	}
	sameFields(t, r.Fields, ref.Header)
}

func FuzzChunks(f *testing.F) {
	for _, c := range chunkedBodies {
		f.Add([]byte(c.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 256 {
			return
		}
		if whole, bytewise := chunksIn(string(in)), chunksIn(strings.Split(string(in), "")...); whole != bytewise {
			t.Fatalf("byte by byte:\n%s\nat once:\n%s", bytewise, whole)
		}
		body, _, trailer, err := decode(&fuzzLimits, string(in))
		lines := bufio.NewReader(bytes.NewReader(in))
		ref, refErr := io.ReadAll(httputil.NewChunkedReader(lines))
		switch {
		case errors.Is(err, errMore):
			// net/http leaves the trailer section to its caller.
			if refErr == nil && string(ref) != body {
				t.Fatalf("%q so far, net/http has all: %q", body, ref)
			}
		case err != nil:
			if refErr != nil || isStricter(err) {
				return
			}
			if _, trailerErr := readTrailer(lines); trailerErr == nil {
				t.Fatalf("refused: %v; net/http takes it: %q", err, ref)
			}
		case refErr != nil || string(ref) != body:
			t.Fatalf("%q, net/http %q, error %v", body, ref, refErr)
		default:
			afterTrailer(t, lines, trailer)
			out := AppendLastChunk(appendIfAny(nil, body), trailer)
			again, n, _, err := decode(&fuzzLimits, string(out))
			if again != body || n != len(out) || err != nil {
				t.Fatalf("written and read again: %q, error %v, was %q", again, err, body)
			}
		}
	})
}

func appendIfAny(dst []byte, body string) []byte {
	if body == "" {
		return dst
	}
	return AppendChunk(dst, []byte(body))
}

// readTrailer reads a trailer section with net/http, as a head.
func readTrailer(lines io.Reader) (http.Header, error) {
	res, err := http.ReadResponse(bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 204 No\r\n"), lines)), nil)
	if err != nil {
		return nil, err
	}
	return res.Header, nil
}

func afterTrailer(t *testing.T, lines io.Reader, trailer []Field) {
	ref, err := readTrailer(lines)
	if err != nil {
		for _, framing := range []string{"Content-Length", "transfer encoding", "trailer key"} {
			if strings.Contains(err.Error(), framing) {
				return // which means something in a head
			}
		}
		t.Fatalf("net/http refuses the trailer section: %v", err)
	}
	sameFields(t, trailer, ref)
}
