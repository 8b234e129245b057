package http1

import (
	"bytes"
	"math"
)

// mostOptions bounds what Connection fields may list: each option is compared
// with each field.
const mostOptions = 16

// section is what a field section says about the connection and the body.
type section struct {
	seen, twice kinds // which kinds there are, and which more than once
	at          [early + 1]uint16
	close       bool // options of the Connection field
	keepAlive   bool
	upgrade     bool
	te          bool
}

// parse appends the fields of b, which ends in an empty line and whose lines
// all end in CRLF, to dst.
func (s *section) parse(dst []Field, b []byte, most int) ([]Field, *Error) {
	s.seen, s.twice = 0, 0
	for b[0] != '\r' || b[1] != '\n' {
		n := token(b)
		if b[n] != ':' || n == 0 {
			return dst, nameError(b, n)
		}
		name := b[:n]
		b = b[n+1:]
		n = text(b)
		if b[n] != '\r' || b[n+1] != '\n' {
			return dst, errFieldValue
		}
		if len(dst) >= min(most, math.MaxUint16) {
			return dst, errManyFields
		}
		k := kindOf(name)
		s.note(k, len(dst))
		dst = append(dst, Field{Name: name, Value: trim(b[:n]), kind: k})
		b = b[n+2:]
	}
	return dst, nil
}

// nameError says what is wrong with a line that has n bytes of a name and then
// no colon, or none of a name.
func nameError(b []byte, n int) *Error {
	switch c := b[n]; {
	case n == 0 && (c == ' ' || c == '\t'):
		return errFold // RFC 9112, section 5.2; after the start line, section 2.2
	case c == ' ' || c == '\t':
		return errFieldSpace // section 5.1
	}
	return errFieldName
}

func (s *section) note(k kind, i int) {
	s.twice |= s.seen & (1 << k)
	s.seen |= 1 << k
	s.at[k] = uint16(i)
}

// value gives the field of this kind, of which there is one.
func (s *section) value(fields []Field, k kind) []byte { return fields[s.at[k]].Value }

// essential are the fields that a Connection field may not take away. RFC 9110,
// section 7.6.1, has an intermediary remove what is nominated, and forbids
// nominating what is for all recipients: whoever does it wants the next
// recipient to see other framing, another host or another client than we do.
var essential = of(alias, host, contentLength, transferEncoding, via, forwarded, forwardedFor, forwardedHost, forwardedProto, forwardedMore)

// options reads the Connection fields and marks the fields that they nominate.
func (s *section) options(fields []Field) *Error {
	s.close, s.keepAlive, s.upgrade, s.te = false, false, false, false
	if !s.seen.has(connection) {
		return nil
	}
	count := 0
	for i := range fields {
		if fields[i].kind != connection {
			continue
		}
		for rest, more := fields[i].Value, true; more; {
			var option []byte
			option, rest, more = cut(rest)
			if len(option) == 0 {
				continue // RFC 9110, section 5.6.1.2
			}
			if token(option) != len(option) {
				return errConnection
			}
			if count++; count > mostOptions {
				return errManyOptions
			}
			if err := s.option(fields, option); err != nil {
				return err
			}
		}
	}
	return nil
}

func cut(list []byte) (member, rest []byte, more bool) {
	i := bytes.IndexByte(list, ',')
	if i < 0 {
		return trim(list), nil, false
	}
	return trim(list[:i]), list[i+1:], true
}

func (s *section) option(fields []Field, option []byte) *Error {
	switch {
	case equalFold(option, "close"):
		s.close = true
		return nil
	case equalFold(option, "keep-alive"):
		s.keepAlive = true
		return nil
	case equalFold(option, "upgrade"):
		s.upgrade = true
		return nil
	case equalFold(option, "te"):
		s.te = true
		return nil
	}
	if essential.has(kindOf(option)) {
		return errNomination
	}
	for i := range fields {
		if len(fields[i].Name) == len(option) && bytes.EqualFold(fields[i].Name, option) {
			fields[i].nominated = true
		}
	}
	return nil
}
