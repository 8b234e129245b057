package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// reading reads a message from pieces and tells all that it has understood.
type reading func(pieces ...string) string

// sameSplit checks that it does not matter how a message arrives: at once, in
// two pieces cut anywhere, or byte by byte.
func sameSplit(t testing.TB, in string, read reading) {
	t.Helper()
	whole := read(in)
	for i := 1; i < len(in); i++ {
		if got := read(in[:i], in[i:]); got != whole {
			t.Errorf("%q cut at %d:\n%s\nat once:\n%s", in, i, got, whole)
		}
	}
	if got := read(strings.Split(in, "")...); got != whole {
		t.Errorf("%q byte by byte:\n%s\nat once:\n%s", in, got, whole)
	}
}

func requestIn(pieces ...string) string {
	var r Request
	n, err := arrive(pieces, func(b []byte) (int, error) { return r.Parse(b, &tight) }, &r.scan)
	if n == 0 {
		return fmt.Sprint("nothing, error ", err)
	}
	return fmt.Sprintf("%d bytes: %s %s\npath %s query %v host %s 1.%d %+v keep %v expect %v upgrade %s trailers %v forwards %d\n%s",
		n, r.Method, r.Target, r.Path, describe(r.Query), describe(r.Host), r.Minor, r.Body, r.KeepAlive, r.Expect100, describe(r.Upgrade), r.Trailers, r.MaxForwards, lines(r.Fields))
}

func responseTo(method string) reading {
	return func(pieces ...string) string {
		var r Response
		n, err := arrive(pieces, func(b []byte) (int, error) { return r.Parse(b, &tight, []byte(method)) }, &r.scan)
		if n == 0 {
			return fmt.Sprint("nothing, error ", err)
		}
		return fmt.Sprintf("%d bytes: %d %s 1.%d %+v keep %v upgrade %s\n%s",
			n, r.Status, r.Reason, r.Minor, r.Body, r.KeepAlive, describe(r.Upgrade), lines(r.Fields))
	}
}

// arrive gives a parser more and more of a message, each time elsewhere in
// memory, as a buffer does that grows. What has been looked at once is not
// looked at again: that is what makes many small pieces cost no more.
func arrive(pieces []string, parse func([]byte) (int, error), s *scan) (int, error) {
	b := ""
	for _, p := range pieces {
		b += p
		n, err := parse([]byte(b))
		if n > 0 || err != nil {
			return n, err
		}
		if empty := strings.HasPrefix(b, "\r\n"); s.at < len(b)-2 || !empty && s.at < len(b) && b != "\r" {
			return 0, fmt.Errorf("after %d bytes only %d have been looked at", len(b), s.at)
		}
	}
	return 0, nil
}

// chunksIn tells a body's bytes, its trailer, and how many bytes they took.
func chunksIn(pieces ...string) string {
	body, taken, trailer, err := decode(&tight, pieces...)
	if err != nil {
		return fmt.Sprint(body, " and then ", err)
	}
	return fmt.Sprintf("%q, %d bytes\n%s", body, taken, lines(trailer))
}

var errMore = errors.New("more is needed")

// decode reads a chunked body that arrives in pieces, of which it has taken so
// many bytes.
func decode(l *Limits, pieces ...string) (body string, taken int, trailer []Field, err error) {
	var c Chunks
	kept := ""
	for _, p := range pieces {
		b := []byte(kept + p)
		for {
			data, n, done, err := c.Next(b, l)
			body += string(data)
			taken += n
			if err != nil {
				return body, taken, nil, err
			}
			b = b[n:]
			if done {
				return body, taken, c.Trailer, nil
			}
			if len(data) == 0 {
				break
			}
		}
		kept = string(b)
	}
	return body, taken, nil, errMore
}

func describe(b []byte) string {
	if b == nil {
		return "none"
	}
	return fmt.Sprintf("%q", b)
}

func lines(fields []Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %s (%d, %v)\n", f.Name, f.Value, f.kind, f.nominated)
	}
	return b.String()
}
