package http1

import (
	"encoding/binary"
	"math/bits"
)

// isToken marks tchar: what methods and field names consist of (RFC 9110,
// section 5.6.2).
var isToken = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

// isHostChar marks what a host's name consists of. RFC 3986 also has
// percent-encoded bytes and sub-delims in it, as no name in DNS has; a comma
// there would look like two hosts.
var isHostChar = set("-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

var isHex = set("0123456789abcdefABCDEF")

func set(members string) (t [256]bool) {
	for i := range len(members) {
		t[members[i]] = true
	}
	return t
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// token gives the length of the token that b begins with.
func token(b []byte) int {
	for i, c := range b {
		if !isToken[c] {
			return i
		}
	}
	return len(b)
}

const (
	each = 0x0101010101010101
	high = 0x8080808080808080
)

// text gives the length of the field-content that b begins with: visible
// characters, spaces, tabs and bytes over 0x7f (RFC 9110, section 5.5). It
// looks at eight bytes at a time.
func text(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		del := x ^ each*0x7f
		// A set bit marks a byte under 0x20, or 0x7f. Borrows can only mark
		// bytes wrongly that come after one that is marked rightly.
		if odd := ((x-each*0x20) & ^x | (del-each) & ^del) & high; odd != 0 {
			i += bits.TrailingZeros64(odd) / 8
			if b[i] != '\t' {
				return i
			}
			i -= 7 // and on, after the tab
		}
	}
	for ; i < len(b); i++ {
		if c := b[i]; c < ' ' && c != '\t' || c == 0x7f {
			return i
		}
	}
	return i
}

// equalFold compares a token with a name that consists of lower-case letters,
// digits and hyphens. No character of a token but the upper-case letter becomes
// one of these with the bit 0x20.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// trim takes optional white space from both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
