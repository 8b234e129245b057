package http1

import "bytes"

var (
	slash    = []byte("/")
	asterisk = []byte("*")
)

// target splits the request target by its form (RFC 9112, section 3.2).
// authority is that of an absolute-form, which replaces the Host field.
func (r *Request) target() (authority []byte, err *Error) {
	t := r.Target
	switch {
	case t[0] == '/':
	case len(t) == 1 && t[0] == '*':
		if string(r.Method) != "OPTIONS" {
			return nil, errTarget
		}
		r.Path = asterisk
		return nil, nil
	default:
		if authority, t = absolute(t); authority == nil {
			return nil, errTarget
		}
	}
	r.Path = t
	if i := bytes.IndexByte(t, '?'); i >= 0 {
		r.Path, r.Query = t[:i], t[i+1:]
	}
	if len(r.Path) == 0 {
		r.Path = slash
		if string(r.Method) == "OPTIONS" && r.Query == nil {
			r.Path = asterisk // section 3.2.4
		}
	}
	if !isEscaped(r.Path) {
		return nil, errTarget
	}
	return authority, nil
}

// absolute splits http://authority/path?query. User information in it is an
// error (RFC 9110, section 4.2.4), as is any other scheme.
func absolute(t []byte) (authority, rest []byte) {
	switch {
	case len(t) > 7 && equalScheme(t[:7], "http://"):
		t = t[7:]
	case len(t) > 8 && equalScheme(t[:8], "https://"):
		t = t[8:]
	default:
		return nil, nil
	}
	n := len(t)
	if i := bytes.IndexAny(t, "/?"); i >= 0 {
		n = i
	}
	if !isHost(t[:n]) {
		return nil, nil
	}
	return t[:n], t[n:]
}

func equalScheme(b []byte, scheme string) bool {
	letters := len(scheme) - len("://")
	return equalFold(b[:letters], scheme[:letters]) && string(b[letters:]) == "://"
}

// isTarget tells whether b has only characters that a target may be made of.
// Beyond RFC 3986 these are "<>\^`{|}, which browsers send unescaped; they end
// nothing here. A fragment never belongs to a request.
func isTarget(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return false
		}
	}
	return len(b) > 0
}

// isEscaped tells whether each percent sign of a path begins an escape.
func isEscaped(path []byte) bool {
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return true
		}
		if len(path) < i+3 || !isHex[path[i+1]] || !isHex[path[i+2]] {
			return false
		}
		path = path[i+3:]
	}
}
