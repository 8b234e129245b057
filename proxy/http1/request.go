package http1

import "bytes"

// Request is the head of a request. Its slices point into the parsed bytes,
// and are valid as long as these stay as they are.
type Request struct {
	Method []byte
	Target []byte // as it was sent
	Path   []byte // begins with a slash, or is the * of OPTIONS
	Query  []byte // after the question mark; nil: there was none
	Host   []byte // of the target, else of the Host field; nil: HTTP/1.0 without
	Minor  int    // of the version: 0 or 1
	Fields []Field
	Body   Framing
	// KeepAlive: the client does not mind a further request.
	KeepAlive bool
	// Expect100: the client waits for a 100 (Continue) before it sends the
	// body. AppendRequest passes the expectation on if this is true.
	Expect100 bool
	// Upgrade is the protocol that the client would like to change to, nil:
	// none. AppendRequest passes it on if it is not nil.
	Upgrade []byte
	// Trailers: the client takes trailer fields.
	Trailers bool
	// MaxForwards of an OPTIONS or TRACE request, -1: none. At 0 the request is
	// not to be sent on (RFC 9110, section 7.6.2).
	MaxForwards int

	scan    scan
	section section
}

// Reset makes r ready for the next request.
func (r *Request) Reset() {
	*r = Request{Fields: r.Fields[:0]}
}

// Parse reads a request's head from the beginning of b and gives its length.
// n == 0 without an error means that the head is not complete: call again with
// the same bytes and more. Before the next request, call Reset.
// The error is an *Error.
func (r *Request) Parse(b []byte, l *Limits) (n int, err error) {
	if len(b) == 0 {
		return 0, nil
	}
	skip := 0
	if b[0] == '\r' {
		// One empty line before a request: old clients sent it after a body
		// (RFC 9112, section 2.2).
		if len(b) <= 2 {
			if len(b) == 2 && b[1] != '\n' {
				return 0, errMethod
			}
			return 0, nil
		}
		if b[1] != '\n' {
			return 0, errMethod
		}
		skip, b = 2, b[2:]
	}
	if !isToken[b[0]] {
		return 0, errMethod // and not waited for: it may be TLS
	}
	n, e := r.scan.end(b, l.Line, l.Head)
	if e == nil && n > 0 {
		e = r.parse(b[:n], l)
	}
	if e != nil {
		return 0, e
	}
	if n > 0 {
		n += skip
	}
	return n, nil
}

func (r *Request) parse(b []byte, l *Limits) (err *Error) {
	eol := bytes.IndexByte(b, '\n')
	if err = r.line(b[:eol-1]); err != nil {
		return err
	}
	authority, err := r.target()
	if err != nil {
		return err
	}
	s := &r.section
	if r.Fields, err = s.parse(r.Fields[:0], b[eol+1:], l.Fields); err != nil {
		return err
	}
	if err = r.host(authority); err != nil {
		return err
	}
	if err = s.options(r.Fields); err != nil {
		return err
	}
	if r.Body, err = s.framing(r.Fields, r.Minor); err != nil {
		return err
	}
	r.KeepAlive = !s.close && (r.Minor == 1 || s.keepAlive)
	return r.rest()
}

// line reads method SP request-target SP HTTP-version (RFC 9112, section 3).
func (r *Request) line(b []byte) *Error {
	n := token(b)
	if n == 0 {
		return errMethod
	}
	if n == len(b) || b[n] != ' ' {
		return errRequestLine
	}
	r.Method, b = b[:n], b[n+1:]
	n = bytes.IndexByte(b, ' ')
	if n <= 0 {
		return errRequestLine
	}
	r.Target, b = b[:n], b[n+1:]
	minor, err := version(b)
	if err != nil {
		return err
	}
	r.Minor = minor
	if string(r.Method) == "CONNECT" {
		return errConnect
	}
	if !isTarget(r.Target) {
		return errTarget
	}
	return nil
}

// version reads HTTP/1.0 and HTTP/1.1. There is no other minor version.
func version(b []byte) (minor int, err *Error) {
	if len(b) != 8 || string(b[:5]) != "HTTP/" || !isDigit(b[5]) || b[6] != '.' || !isDigit(b[7]) {
		return 0, errVersion
	}
	if b[5] != '1' || b[7] > '1' {
		return 0, errUnsupported
	}
	return int(b[7] - '0'), nil
}

// host finds out for whom the request is (RFC 9112, section 3.2). The Host
// field must be right even if an absolute-form makes it void.
func (r *Request) host(authority []byte) *Error {
	switch {
	case r.section.twice.has(host):
		return errTwoHosts
	case r.section.seen.has(host):
		r.Host = r.section.value(r.Fields, host)
		if !isHost(r.Host) {
			return errHost
		}
	case r.Minor == 1:
		return errNoHost
	}
	if authority != nil {
		r.Host = authority
	}
	return nil
}

// rest reads the fields that few requests have.
func (r *Request) rest() *Error {
	s := &r.section
	r.MaxForwards = -1
	if s.seen&of(expect, upgrade, te, maxForwards) == 0 && len(r.Method) != len("TRACE") {
		return nil
	}
	if s.seen.has(expect) && r.Minor == 1 { // a 1.0 client's is ignored: RFC 9110, section 10.1.1
		if s.twice.has(expect) || !equalFold(s.value(r.Fields, expect), "100-continue") {
			return errExpectation
		}
		r.Expect100 = r.Body.Kind == Chunked || r.Body.Length > 0
	}
	// A server may ignore an upgrade (section 7.8). With a body it would begin
	// amid the request; in 1.0 it must be ignored; h2c would hide all further
	// requests from the proxy.
	if s.seen.has(upgrade) && s.upgrade && r.Minor == 1 && r.Body.Kind == NoBody && !s.twice.has(upgrade) {
		if p := s.value(r.Fields, upgrade); isProtocol(p) && !equalFold(p, "h2c") {
			r.Upgrade = p
		}
	}
	r.Trailers = s.te && s.seen.has(te) && !s.twice.has(te) && equalFold(s.value(r.Fields, te), "trailers")
	switch string(r.Method) {
	case "TRACE":
		if r.Body.Kind != NoBody {
			return errTraceBody // section 9.3.8
		}
		return r.forwards()
	case "OPTIONS":
		return r.forwards()
	}
	return nil
}

// isProtocol tells whether b is one protocol: a name and perhaps a version.
func isProtocol(b []byte) bool {
	n := token(b)
	if n == 0 || n == len(b) {
		return n > 0
	}
	return b[n] == '/' && n+1 < len(b) && token(b[n+1:]) == len(b)-n-1
}

func (r *Request) forwards() *Error {
	s := &r.section
	if !s.seen.has(maxForwards) {
		return nil
	}
	n, err := length(s.value(r.Fields, maxForwards))
	if err != nil || s.twice.has(maxForwards) {
		return errMaxForwards
	}
	r.MaxForwards = int(min(n, 1<<30))
	return nil
}
