// Package http1 is a strict codec of HTTP/1.1 messages (RFC 9110, RFC 9112) on
// byte slices: heads are parsed and written, bodies are framed. It does no I/O,
// starts no goroutine and, once its slices have grown, allocates nothing.
//
// Strict means that a message which two recipients could read differently is
// refused: between a proxy and a node, that difference is request smuggling.
// What is accepted is not copied but written anew from what was understood.
package http1

// Limits bound what a message may take. All are in bytes but Fields.
type Limits struct {
	Line     int // start line, without its line end
	Head     int // start line and fields, with line ends
	Fields   int // number of fields, also of a trailer section
	ChunkExt int // chunk extensions of one body, all together
	Trailer  int // trailer section, with line ends
}

// DefaultLimits are ample for what browsers and programs send. RFC 9112,
// section 3, asks for a request line of at least 8,000 bytes.
func DefaultLimits() Limits {
	return Limits{Line: 8 << 10, Head: 32 << 10, Fields: 128, ChunkExt: 1 << 10, Trailer: 8 << 10}
}

// Field is one field line. Value has no white space around it.
// A Field whose Name is empty is left out when a message is written.
type Field struct {
	Name, Value []byte

	kind      kind
	nominated bool // by the Connection field: meant for this hop only
}

// BodyKind says how the end of a body is found.
type BodyKind uint8

const (
	NoBody     BodyKind = iota
	Length              // after so many bytes
	Chunked             // by the chunked transfer coding
	UntilClose          // responses only: when the connection ends
)

// Framing is how a message's body is delimited.
type Framing struct {
	Kind BodyKind
	// Length is the number of bytes if Kind is Length. If Kind is NoBody it is
	// what the Content-Length of an answer to HEAD or of a 304 said. Else -1.
	Length int64
}

// Error is why a message is refused. Both sides' connections end with it:
// after a framing error nobody knows where the next message begins.
type Error struct {
	Status int    // what the client is answered: 400, 413, 414, 417, 431, 501, 505; 502 for a response
	Reason string // in words, without anything of the message
}

func (e *Error) Error() string { return e.Reason }

// Lookup gives the value of the first field of this name, which must be in
// lower case. nil: there is none.
func Lookup(fields []Field, name string) []byte {
	for i := range fields {
		if equalFold(fields[i].Name, name) {
			return fields[i].Value
		}
	}
	return nil
}
