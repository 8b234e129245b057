package engine

import (
	"errors"

	"github.com/fairlead/fairlead/proxy/http1"
)

// passage is a body on its way from one side to the other. It takes the
// sender's framing off and puts the receiver's on, so that only what was
// understood is passed on.
type passage struct {
	from   http1.BodyKind
	left   int64 // of a Length
	chunks http1.Chunks
	coded  bool  // chunked for the receiver
	most   int64 // bytes that may pass; 0: no limit
	passed int64
	done   bool
}

// start begins a body. coded: the receiver gets chunks.
func (p *passage) start(f http1.Framing, coded bool, most int64) {
	p.from, p.left, p.coded, p.most, p.passed = f.Kind, f.Length, coded, most, 0
	p.done = f.Kind == http1.NoBody || f.Kind == http1.Length && f.Length == 0
	if f.Kind == http1.Chunked || coded {
		p.chunks.Reset()
	}
}

// overhead is the most that framing adds to one piece: the size in
// hexadecimal and two line ends.
const overhead = 24

// errLarge refuses a body over Limits.Body.
var errLarge = &http1.Error{Status: 413, Reason: "the body is too large"}

// errBroke says that a sender has ended before its body has.
var errBroke = errors.New("the message broke off")

// feed passes on what it can of src and gives how much of that it has used. It
// stops when the body is done, or src has no more of it, or dst has no room
// left: the caller makes room. The error is *http1.Error.
func (p *passage) feed(dst, src []byte, l *http1.Limits) (_ []byte, used int, err error) {
	for !p.done {
		rest := src[used:]
		room := cap(dst) - len(dst) - overhead
		if room <= 0 {
			break
		}
		var data []byte
		switch p.from {
		case http1.Chunked:
			// Decoded is never longer than encoded.
			var n int
			var end bool
			data, n, end, err = p.chunks.Next(rest[:min(len(rest), room)], l)
			if err != nil {
				return dst, used, err
			}
			used += n
			if end {
				// Now: the trailer fields point into src.
				p.done = true
				return p.last(dst), used, nil
			}
			if len(data) == 0 {
				return dst, used, nil
			}
		default:
			data = rest[:min(len(rest), room)]
			if p.from == http1.Length {
				data = data[:min(int64(len(data)), p.left)]
				p.left -= int64(len(data))
				p.done = p.left == 0
			}
			used += len(data)
			if len(data) == 0 {
				return dst, used, nil
			}
		}
		p.passed += int64(len(data))
		if p.most > 0 && p.passed > p.most {
			return dst, used, errLarge
		}
		switch {
		case !p.coded:
			dst = append(dst, data...)
		case len(data) > 0:
			dst = http1.AppendChunk(dst, data)
		}
	}
	return dst, used, nil
}

// direct gives the part of src that may be written as it is, without a copy,
// and takes note of it. Only plain bodies have one.
func (p *passage) direct(src []byte) []byte {
	if p.coded || p.from == http1.Chunked || p.done {
		return nil
	}
	if p.from == http1.Length {
		src = src[:min(int64(len(src)), p.left)]
		p.left -= int64(len(src))
		p.done = p.left == 0
	}
	p.passed += int64(len(src))
	return src
}

// closed tells the body that its sender has closed the connection, and gives
// what the receiver is still to get.
func (p *passage) closed(dst []byte) ([]byte, error) {
	if p.from != http1.UntilClose {
		return dst, errBroke
	}
	p.done = true
	return p.last(dst), nil
}

func (p *passage) last(dst []byte) []byte {
	if !p.coded {
		return dst
	}
	return http1.AppendLastChunk(dst, p.chunks.Trailer)
}
