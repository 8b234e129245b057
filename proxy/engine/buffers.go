package engine

import "sync"

// Sizes of the buffers that requests borrow. An idle connection holds none.
const (
	headSize   = 4 << 10  // what is read from a client: nearly every head fits
	outSize    = 16 << 10 // what is written: heads, and what fits behind them
	answerSize = 32 << 10 // what is read from a node, and of long bodies
)

// buffer is bytes that are lent. It may grow while it is.
type buffer struct{ b []byte }

// lender lends buffers of one size.
type lender struct {
	pool sync.Pool
	size int
}

func newLender(size int) *lender {
	return &lender{sync.Pool{New: func() any { return &buffer{make([]byte, 0, size)} }}, size}
}

func (l *lender) get() *buffer { return l.pool.Get().(*buffer) }

// put takes a buffer back. One that a rare message made large is left to the
// garbage collector.
func (l *lender) put(b *buffer) {
	if cap(b.b) > 2*l.size {
		return
	}
	b.b = b.b[:0]
	l.pool.Put(b)
}

// room makes room for at least n more bytes and gives it.
func (b *buffer) room(n int) []byte {
	if cap(b.b)-len(b.b) < n {
		grown := make([]byte, len(b.b), max(2*cap(b.b), len(b.b)+n))
		copy(grown, b.b)
		b.b = grown
	}
	return b.b[len(b.b):cap(b.b)]
}

// drop removes the first n bytes.
func (b *buffer) drop(n int) {
	b.b = b.b[:copy(b.b, b.b[n:])]
}
