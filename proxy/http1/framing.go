package http1

import "math"

// framing reads Content-Length and Transfer-Encoding alike in both kinds of
// message (RFC 9112, section 6). Where the RFC lets a recipient repair, this
// one refuses: both fields at once, several Content-Lengths even if they are
// equal, codings other than chunked.
//
// Kind is NoBody and Length -1 if the fields say nothing.
func (s *section) framing(fields []Field, minor int) (Framing, *Error) {
	coded, counted := s.seen.has(transferEncoding), s.seen.has(contentLength)
	switch {
	case coded && counted:
		return Framing{}, errBothFramings
	case coded && minor == 0:
		return Framing{}, errCodingIn10
	case coded && s.twice.has(transferEncoding):
		return Framing{}, errCoding
	case coded:
		return Framing{Chunked, -1}, coding(s.value(fields, transferEncoding))
	case counted && s.twice.has(contentLength):
		return Framing{}, errTwoLengths
	case counted:
		n, err := length(s.value(fields, contentLength))
		return Framing{Length, n}, err
	}
	return Framing{NoBody, -1}, nil
}

// coding wants a Transfer-Encoding that is chunked and nothing else. Another
// coding before it is one that we do not know (501); in any other place the
// end of the body could not be found (400; RFC 9112, sections 6.1 and 6.3).
func coding(value []byte) *Error {
	if equalFold(value, "chunked") {
		return nil
	}
	for rest, more := value, true; more; {
		var name []byte
		name, rest, more = cut(rest)
		if len(name) == 0 || token(name) != len(name) || equalFold(name, "chunked") != !more {
			return errCoding
		}
	}
	return errUnknownCoding
}

// length reads 1*DIGIT. Lists ("5, 5") are malformed here.
func length(value []byte) (int64, *Error) {
	if len(value) == 0 {
		return 0, errLength
	}
	var n int64
	large := false
	for _, c := range value {
		if !isDigit(c) {
			return 0, errLength
		}
		digit := int64(c - '0')
		if n > (math.MaxInt64-digit)/10 {
			large = true
			continue
		}
		n = n*10 + digit
	}
	if large {
		return 0, errLongBody
	}
	return n, nil
}
