package http1

import (
	"errors"
	"math"
	"strings"
	"testing"
)

var chunkedBodies = []struct {
	why, in, body, trailer string
	err                    error
}{
	{"one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", "", nil},
	{"two", "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", "", nil},
	{"many", strings.Repeat("01\r\nx\r\n", 20) + "0\r\n\r\n", strings.Repeat("x", 20), "", nil},
	{"nothing", "0\r\n\r\n", "", "", nil},
	{"digits in any case", "0a\r\n0123456789\r\n00\r\n\r\n", "0123456789", "", nil},
	{"data like the end", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "0\r\n\r\n", "", nil},
	{"an extension: 7.1.1", "1;a\r\nx\r\n0;b=c\r\n\r\n", "x", "", nil},
	{"white space in it", "1; a = \"b\"\r\nx\r\n0\r\n\r\n", "x", "", nil},
	{"an empty one", "1;\r\nx\r\n0\r\n\r\n", "x", "", nil},
	{"a trailer section: 7.1.2", "0\r\nA: b\r\nC:d\r\n\r\n", "", "A: b\nC: d\n", nil},

	{"no size", "\r\n\r\n", "", "", errChunkSize},
	{"no digits", "x\r\n", "", "", errChunkSize},
	{"a sign", "+1\r\nx\r\n0\r\n\r\n", "", "", errChunkSize},
	{"negative", "-1\r\n", "", "", errChunkSize},
	{"a prefix", "0x1\r\nx\r\n0\r\n\r\n", "", "", errChunkSize},
	{"an underscore", "1_0\r\n", "", "", errChunkSize},
	{"white space before", " 1\r\nx\r\n0\r\n\r\n", "", "", errChunkSize},
	{"white space after", "1 \r\nx\r\n0\r\n\r\n", "", "", errChunkSize},
	{"white space before an extension", "1 ;a\r\nx\r\n0\r\n\r\n", "", "", errChunkSize},
	{"an extension without its semicolon", "1 a\r\nx\r\n0\r\n\r\n", "", "", errChunkSize},
	{"over an int64", "8000000000000000\r\n", "", "", errChunkLarge},
	{"over an uint64, which wraps to 5 elsewhere", "10000000000000005\r\nhello\r\n0\r\n\r\n", "", "", errChunkLarge},
	{"endless zeros", strings.Repeat("0", 17) + "\r\n\r\n", "", "", errChunkLarge},
	{"a size that ends in LF", "1\nx\r\n0\r\n\r\n", "", "", errChunkSize},
	{"a size that ends in CR", "1\rx\r\n0\r\n\r\n", "", "", errBareLF},
	{"an extension that ends in LF: the next line is whose?", "1;a\nx\r\n0\r\n\r\n", "", "", errChunkExt},
	{"an extension that ends in CR", "1;a\rx\r\n0\r\n\r\n", "", "", errBareLF},
	{"a control character in it", "1;a\x00\r\nx\r\n0\r\n\r\n", "", "", errChunkExt},
	{"a long extension", "1;" + strings.Repeat("a", 16) + "\r\nx\r\n0\r\n\r\n", "", "", errLongChunkExt},
	{"many short ones", strings.Repeat("1;abcdefg\r\nx\r\n", 3) + "0\r\n\r\n", "xx", "", errLongChunkExt},
	{"endless white space", "1;" + strings.Repeat(" ", 17), "", "", errLongChunkExt},
	{"data that is longer", "1\r\nxy\r\n0\r\n\r\n", "x", "", errChunkEnd},
	{"data that is shorter", "3\r\nx\r\n0\r\n\r\n", "x\r\n", "", errChunkEnd},
	{"data that is longer, and an LF", "1\r\nxy\n0\r\n\r\n", "x", "", errChunkEnd},
	{"data that ends in LF", "1\r\nx\n0\r\n\r\n", "x", "", errChunkEnd},
	{"data that ends in CR", "1\r\nx\r0\r\n\r\n", "x", "", errChunkEnd},
	{"a trailer section that ends in LF", "0\r\n\n", "", "", errBareLF},
	{"a bare LF in it", "0\r\nA: b\nC: d\r\n\r\n", "", "", errBareLF},
	{"a folded line in it", "0\r\nA: b\r\n c\r\n\r\n", "", "", errFold},
	{"no field in it", "0\r\nGET / HTTP/1.1\r\n\r\n", "", "", errFieldSpace},
	{"NUL in it", "0\r\nA: \x00\r\n\r\n", "", "", errFieldValue},
	{"a long one", "0\r\nA: " + strings.Repeat("b", 64), "", "", errLongTrailer},
	{"many fields in it", "0\r\n" + strings.Repeat("A:\r\n", 9) + "\r\n", "", "", errManyFields},

	{"a piece", "5\r\nhel", "hel", "", errMore},
	{"no end", "5\r\nhello\r\n0\r\n", "hello", "", errMore},
}

func TestChunks(t *testing.T) {
	for _, c := range chunkedBodies {
		body, _, trailer, err := decode(&tight, c.in)
		if body != c.body || !errors.Is(err, c.err) {
			t.Errorf("%s: %q gives %q, error %v, want %q, %v", c.why, c.in, body, err, c.body, c.err)
		}
		var got strings.Builder
		for _, f := range trailer {
			got.WriteString(string(f.Name) + ": " + string(f.Value) + "\n")
		}
		if got.String() != c.trailer {
			t.Errorf("%s: trailer %q, want %q", c.why, got.String(), c.trailer)
		}
		sameSplit(t, c.in, chunksIn)
	}
}

// The next request begins right after the body.
func TestChunksTakeNoMore(t *testing.T) {
	const in = "1\r\nx\r\n0\r\nA: b\r\n\r\n"
	if _, n, _, err := decode(&tight, in+"GET / HTTP/1.1\r\n"); n != len(in) || err != nil {
		t.Errorf("%d bytes taken, error %v, want %d", n, err, len(in))
	}
	var c Chunks
	if _, n, done, err := c.Next([]byte("0\r\n\r\n"), &tight); n != 5 || !done || err != nil {
		t.Errorf("%d bytes, done %v, error %v", n, done, err)
	}
	if _, n, done, err := c.Next([]byte("GET"), &tight); n != 0 || !done || err != nil {
		t.Errorf("after the end: %d bytes, done %v, error %v", n, done, err)
	}
}

// The largest size is an int64's.
func TestChunkOfMostBytes(t *testing.T) {
	var c Chunks
	data, n, done, err := c.Next([]byte("7fffffffffffffff\r\nx"), &tight)
	if string(data) != "x" || n != 19 || done || err != nil || c.left != math.MaxInt64-1 {
		t.Errorf("%q, %d bytes, done %v, %d left, error %v", data, n, done, c.left, err)
	}
}
