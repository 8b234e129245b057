package http1

import (
	"bytes"
	"net/http"
)

// Response is the head of a response. Its slices point into the parsed bytes,
// and are valid as long as these stay as they are.
type Response struct {
	Status int // 100 to 599
	Reason []byte
	Minor  int // of the version: 0 or 1
	Fields []Field
	Body   Framing
	// KeepAlive: the connection can be used again once the body has been read.
	KeepAlive bool
	// Upgrade is the protocol that a 101 changes to, or what a 426 asks for.
	Upgrade []byte

	scan    scan
	section section
}

// Reset makes r ready for the next response.
func (r *Response) Reset() {
	*r = Response{Fields: r.Fields[:0]}
}

// Parse reads a response's head from the beginning of b, as Request.Parse
// does. method is that of the request, on which depends whether there is a
// body. A 1xx response is given as any other; another one follows it, but for
// 101. The error is an *Error whose status is 502.
func (r *Response) Parse(b []byte, l *Limits, method []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	if b[0] != 'H' {
		return 0, errStatusLine
	}
	n, e := r.scan.end(b, l.Line, l.Head)
	if e == nil && n > 0 {
		e = r.parse(b[:n], l, method)
	}
	if e != nil {
		return 0, e.Gateway()
	}
	return n, nil
}

func (r *Response) parse(b []byte, l *Limits, method []byte) (err *Error) {
	eol := bytes.IndexByte(b, '\n')
	if err = r.line(b[:eol-1]); err != nil {
		return err
	}
	s := &r.section
	if r.Fields, err = s.parse(r.Fields[:0], b[eol+1:], l.Fields); err != nil {
		return err
	}
	if err = s.options(r.Fields); err != nil {
		return err
	}
	if r.Body, err = s.framing(r.Fields, r.Minor); err != nil {
		return err
	}
	if err = r.body(method); err != nil {
		return err
	}
	r.KeepAlive = !s.close && (r.Minor == 1 || s.keepAlive) && r.Body.Kind != UntilClose
	return nil
}

// line reads HTTP-version SP status-code SP [reason-phrase] (RFC 9112, section
// 4). Some servers leave out the last space with the phrase; nothing else can
// be meant by that.
func (r *Response) line(b []byte) *Error {
	if len(b) < len("HTTP/1.1 200") || b[8] != ' ' || len(b) > 12 && b[12] != ' ' {
		return errStatusLine
	}
	minor, err := version(b[:8])
	if err != nil {
		return err
	}
	r.Minor = minor
	status := 0
	for _, c := range b[9:12] {
		if !isDigit(c) {
			return errStatusLine
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 || status > 599 {
		return errStatus // RFC 9110, section 15
	}
	r.Status = status
	if len(b) > 13 {
		r.Reason = b[13:]
		if text(r.Reason) != len(r.Reason) {
			return errStatusLine
		}
	}
	return nil
}

// body applies the rules of RFC 9112, section 6.3, that need the status and
// the method.
func (r *Response) body(method []byte) *Error {
	switch {
	case r.Status < 200 || r.Status == http.StatusNoContent:
		// These must not even say a length (RFC 9110, section 8.6). A node that
		// announces bytes here may send them: the next answer would begin with
		// them. "0" is harmless and seen.
		if r.Body.Kind == Chunked || r.Body.Length > 0 {
			return errFramedEmpty
		}
		r.Body = Framing{NoBody, -1}
		if r.Status == http.StatusSwitchingProtocols {
			return r.switches()
		}
	case r.Status == http.StatusNotModified || string(method) == http.MethodHead:
		r.Body.Kind = NoBody // but the length, if any, is told on
	case r.Body.Kind == NoBody:
		r.Body.Kind = UntilClose
	}
	if s := &r.section; r.Status == http.StatusUpgradeRequired && s.upgrade && s.seen.has(upgrade) {
		r.Upgrade = s.value(r.Fields, upgrade)
	}
	return nil
}

func (r *Response) switches() *Error {
	s := &r.section
	if !s.upgrade || !s.seen.has(upgrade) || s.twice.has(upgrade) || r.Minor == 0 {
		return errSwitch
	}
	r.Upgrade = s.value(r.Fields, upgrade)
	if !isProtocol(r.Upgrade) {
		return errSwitch
	}
	return nil
}
