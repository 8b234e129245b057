package http1

import "math"

// Chunks decodes a chunked body (RFC 9112, section 7.1) that arrives in
// pieces. The zero value is at the beginning of a body.
type Chunks struct {
	// Trailer holds the trailer fields once Next says done. It points into the
	// bytes that Next was last given. Use AppendLastChunk to send it on: it
	// leaves out what may not be in a trailer section.
	Trailer []Field

	state   chunkState
	digits  int   // of the size so far
	left    int64 // size so far; then bytes of the chunk that have not come yet
	ext     int   // bytes of extensions so far, of all chunks
	scan    scan
	section section
}

type chunkState uint8

const (
	inSize chunkState = iota
	inExt
	sizeLF // the CR has been seen
	inData
	dataCR
	dataLF
	inTrailer
	ended
)

// Reset makes c ready for the next body.
func (c *Chunks) Reset() {
	*c = Chunks{Trailer: c.Trailer[:0]}
}

// Next takes n bytes from b and gives what they hold of the body: data points
// into b and is at most one chunk. If it is empty and the body is not done,
// more is needed: call again with what was not taken and more. A trailer
// section is taken as a whole, so b must be able to grow to Limits.Trailer.
// The error is an *Error for a request's body; of a response's, take Gateway.
func (c *Chunks) Next(b []byte, l *Limits) (data []byte, n int, done bool, err error) {
	for n < len(b) {
		switch c.state {
		case inData:
			take := int(min(c.left, int64(len(b)-n)))
			data, n = b[n:n+take], n+take
			if c.left -= int64(take); c.left == 0 {
				c.state = dataCR
			}
			return data, n, false, nil
		case inTrailer:
			size, e := c.trailer(b[n:], l)
			if e != nil {
				return nil, n, false, e
			}
			return nil, n + size, size > 0, nil
		case ended:
			return nil, n, true, nil
		}
		if e := c.step(b[n], l); e != nil {
			return nil, n, false, e
		}
		n++
	}
	return nil, n, c.state == ended, nil
}

// step takes one byte that belongs to no data. White space after a size is
// refused: RFC 9112, section 7.1.1, would have it taken before a semicolon and
// nowhere else, not all do either, and no known sender needs it.
func (c *Chunks) step(b byte, l *Limits) *Error {
	switch c.state {
	case inSize:
		if isHex[b] {
			return c.digit(b)
		}
		switch {
		case c.digits == 0:
			return errChunkSize
		case b == '\r':
			c.state = sizeLF
		case b == ';':
			c.state = inExt
			return c.extension(l)
		default:
			return errChunkSize
		}
	case inExt:
		switch {
		case b == '\r':
			c.state = sizeLF
			return nil
		case b < ' ' && b != '\t' || b == 0x7f:
			return errChunkExt
		}
		return c.extension(l)
	case sizeLF:
		if b != '\n' {
			return errBareLF
		}
		c.state, c.digits = inData, 0
		if c.left == 0 {
			c.state = inTrailer
		}
	case dataCR:
		if b != '\r' {
			return errChunkEnd
		}
		c.state = dataLF
	case dataLF:
		if b != '\n' {
			return errChunkEnd
		}
		c.state = inSize
	}
	return nil
}

// mostDigits of a size: as many as an int64 has; leading zeros are not endless.
const mostDigits = 16

func (c *Chunks) digit(b byte) *Error {
	if c.digits++; c.digits > mostDigits || c.left > math.MaxInt64>>4 {
		return errChunkLarge
	}
	switch {
	case b <= '9':
		b -= '0'
	default:
		b = b | 0x20 - 'a' + 10
	}
	c.left = c.left<<4 | int64(b)
	return nil
}

// extension counts a byte. Extensions mean nothing to anybody; the limit is
// for the body, as many small ones cost as much as a large one.
func (c *Chunks) extension(l *Limits) *Error {
	if c.ext++; c.ext > l.ChunkExt {
		return errLongChunkExt
	}
	return nil
}

func (c *Chunks) trailer(b []byte, l *Limits) (int, *Error) {
	n, err := c.scan.end(b, 0, l.Trailer)
	if err == errLongHead {
		return 0, errLongTrailer
	}
	if err != nil || n == 0 {
		return 0, err
	}
	if c.Trailer, err = c.section.parse(c.Trailer[:0], b[:n], l.Fields); err != nil {
		return 0, err
	}
	c.state = ended
	return n, nil
}
