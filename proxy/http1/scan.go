package http1

import "bytes"

// scan finds the end of a head that arrives in pieces. It remembers how far it
// has looked, so that a head of n bytes costs n, however many pieces it has.
type scan struct {
	line int // where the line begins that is not complete yet
	at   int // where to go on looking for its end
}

// end gives the length of the head at the beginning of b, up to and including
// the empty line; 0: not all of it is there. first bounds the first line if it
// is positive, most the whole. Lines end in CRLF: a lone LF is refused, because
// who takes it for a line end and who does not see different fields (RFC 9112,
// section 2.2, leaves it to the recipient).
//
// Errors come in the order of their position, so that they do not depend on
// how the bytes were cut.
func (s *scan) end(b []byte, first, most int) (int, *Error) {
	if first+2 > most {
		first = 0
	}
	if len(b) < s.at {
		return 0, nil // fewer than before: nothing new
	}
	for {
		lf := bytes.IndexByte(b[s.at:], '\n')
		if lf < 0 {
			s.at = len(b)
			if first > 0 && s.line == 0 && len(b)-1 > first {
				return 0, errLongLine
			}
			if len(b) >= most {
				return 0, errLongHead
			}
			return 0, nil
		}
		lf += s.at
		if first > 0 && s.line == 0 && lf-1 > first {
			return 0, errLongLine
		}
		if lf >= most {
			return 0, errLongHead
		}
		if lf == s.line || b[lf-1] != '\r' {
			return 0, errBareLF
		}
		empty := lf == s.line+1
		s.line, s.at = lf+1, lf+1
		if empty {
			return lf + 1, nil
		}
	}
}
