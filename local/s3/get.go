package s3

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// getObject serves GetObject and HeadObject, which differ in the body only.
func (c *call) getObject() error {
	if err := c.allow("s3:GetObject", c.key, nil); err != nil {
		return err
	}
	f, o, err := c.b.open(c.key)
	if errors.Is(err, errNoKey) {
		// Who may not list the bucket does not learn that the key is missing
		// (API Reference, GetObject, "Permissions"): 403, not 404.
		if denied := c.allow("s3:ListBucket", "", nil); denied != nil {
			return denied
		}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	header := c.w.Header()
	header.Set("ETag", quote(o.ETag))
	header.Set("Last-Modified", o.Modified.Format(http.TimeFormat))
	if status := c.readCondition(o); status == http.StatusNotModified {
		c.w.WriteHeader(status)
		return nil
	} else if status != 0 {
		return errPrecondition
	}
	first, length, partial, err := byteRange(c.HTTP.Header.Get("Range"), o.Size)
	if err != nil {
		header.Set("Content-Range", fmt.Sprintf("bytes */%d", o.Size))
		return err
	}
	header.Set("Accept-Ranges", "bytes")
	header.Set("Content-Type", "binary/octet-stream")
	for name, value := range o.Metadata.Headers {
		header.Set(name, value)
	}
	for name := range c.query {
		if kept, ok := strings.CutPrefix(name, "response-"); ok {
			header.Set(kept, c.query.Get(name))
		}
	}
	for name, value := range o.Metadata.User {
		header.Set("x-amz-meta-"+name, value)
	}
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	status := http.StatusOK
	if partial {
		status = http.StatusPartialContent
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, first+length-1, o.Size))
	} else if c.HTTP.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		writeChecksums(header, o.Metadata)
	}
	if _, err := f.Seek(first, io.SeekStart); err != nil {
		return err
	}
	c.w.WriteHeader(status)
	if c.HTTP.Method == http.MethodHead {
		return nil
	}
	if _, err := io.CopyN(c.w, f, length); err != nil {
		// The status is out. Ending the connection is the only way left to say
		// that the body is not whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// readCondition is 0 when the object is to be sent, else 304 or 412. Of two
// conditions the one by ETag decides (API Reference, GetObject).
func (c *call) readCondition(o Object) int {
	h := c.HTTP.Header
	since := func(name string) (time.Time, bool) {
		t, err := http.ParseTime(h.Get(name))
		return t, err == nil
	}
	modified := o.Modified.Truncate(time.Second)
	if match := h.Get("If-Match"); match != "" {
		if !etagIn(match, o.ETag) {
			return http.StatusPreconditionFailed
		}
	} else if t, ok := since("If-Unmodified-Since"); ok && modified.After(t) {
		return http.StatusPreconditionFailed
	}
	if match := h.Get("If-None-Match"); match != "" {
		if etagIn(match, o.ETag) {
			return http.StatusNotModified
		}
	} else if t, ok := since("If-Modified-Since"); ok && !modified.After(t) {
		return http.StatusNotModified
	}
	return 0
}

func etagIn(list, etag string) bool {
	for candidate := range strings.SplitSeq(list, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == "*" || unquote(candidate) == etag {
			return true
		}
	}
	return false
}

// byteRange reads a Range header with one range (RFC 9110, section 14.1.2). A
// header that is not understood is as if absent, as the RFC demands.
func byteRange(text string, size int64) (first, length int64, partial bool, err error) {
	ranges, ok := strings.CutPrefix(text, "bytes=")
	if !ok {
		return 0, size, false, nil
	}
	if strings.Contains(ranges, ",") {
		return 0, 0, false, notImplemented("a Range of several parts")
	}
	from, to, ok := strings.Cut(strings.TrimSpace(ranges), "-")
	start, end := number(from), number(to)
	switch {
	case !ok || from == "" && to == "" || from != "" && start < 0 || to != "" && end < 0 || from != "" && to != "" && end < start:
		return 0, size, false, nil
	case from == "": // the last bytes
		start, end = size-min(end, size), size-1
	case to == "":
		end = size - 1
	}
	if start >= size {
		return 0, 0, false, &gateway.Error{Code: "InvalidRange", Message: "The requested range is not satisfiable", Status: http.StatusRequestedRangeNotSatisfiable}
	}
	return start, min(end, size-1) - start + 1, true, nil
}

// number is a count of bytes, -1 if it is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strings.HasPrefix(text, "+") {
		return -1
	}
	return n
}
