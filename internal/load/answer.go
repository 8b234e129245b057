package load

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
)

// errMalformed is an answer that is not HTTP/1.
var errMalformed = errors.New("the answer is not HTTP/1.1")

// answer is what the generator keeps of a response.
type answer struct {
	status int
	bytes  int64 // of the body
	keep   bool  // the connection may carry another request
}

// receive reads one response to its last byte (RFC 9112, sections 4 to 7) and
// keeps the node's name in c.node. It allocates nothing.
func (c *conn) receive() (answer, error) {
	c.node = c.node[:0]
	for {
		a, body, err := c.readHead()
		if err != nil {
			return a, err
		}
		if a.status >= 100 && a.status < 200 {
			continue // an interim response; the final one follows
		}
		switch {
		case a.status == 204 || a.status == 304:
		case body.chunked:
			a.bytes, err = discardChunks(c.read)
		case body.length >= 0:
			a.bytes, err = discard(c.read, body.length)
		default:
			// Without a length the body ends with the connection.
			a.keep = false
			a.bytes, err = io.Copy(io.Discard, c.read)
		}
		return a, err
	}
}

// framing says where a body ends.
type framing struct {
	chunked bool
	length  int64 // -1 if not given
}

func (c *conn) readHead() (answer, framing, error) {
	var a answer
	f := framing{length: -1}
	line, err := readLine(c.read)
	if err != nil {
		return a, f, err
	}
	// "HTTP/1.1 200 OK"
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' {
		return a, f, errMalformed
	}
	a.status, err = strconv.Atoi(string(line[9:12]))
	if err != nil || a.status < 100 {
		return a, f, errMalformed
	}
	a.keep = line[7] == '1'
	for {
		line, err = readLine(c.read)
		if err != nil {
			return a, f, unexpected(err)
		}
		if len(line) == 0 {
			return a, f, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return a, f, errMalformed
		}
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "Content-Length"):
			f.length, err = strconv.ParseInt(string(value), 10, 64)
			if err != nil || f.length < 0 {
				return a, f, errMalformed
			}
		case is(name, "Transfer-Encoding"):
			f.chunked = is(value, "chunked")
		case is(name, "Connection"):
			a.keep = a.keep && !is(value, "close") || is(value, "keep-alive")
		case is(name, "X-Fairlead-Node"):
			c.node = append(c.node[:0], value...)
		}
	}
}

func is(b []byte, s string) bool { return len(b) == len(s) && bytes.EqualFold(b, []byte(s)) }

// readLine gives a line without its end; it is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return nil, errMalformed
	}
	if err != nil {
		if len(line) > 0 {
			err = unexpected(err)
		}
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

func discard(r *bufio.Reader, n int64) (int64, error) {
	var done int64
	for done < n {
		// Discard counts in int, which may be narrower.
		k, err := r.Discard(int(min(n-done, 1<<30)))
		done += int64(k)
		if err != nil {
			return done, unexpected(err)
		}
	}
	return done, nil
}

func discardChunks(r *bufio.Reader) (int64, error) {
	var total int64
	for {
		line, err := readLine(r)
		if err != nil {
			return total, unexpected(err)
		}
		size, _, _ := bytes.Cut(line, []byte(";")) // extensions mean nothing here
		n, err := strconv.ParseInt(string(bytes.TrimSpace(size)), 16, 64)
		if err != nil || n < 0 {
			return total, errMalformed
		}
		if n == 0 {
			break
		}
		k, err := discard(r, n)
		total += k
		if err != nil {
			return total, err
		}
		if line, err = readLine(r); err != nil || len(line) > 0 {
			return total, errors.Join(errMalformed, err)
		}
	}
	for { // trailers, to the empty line
		line, err := readLine(r)
		if err != nil {
			return total, unexpected(err)
		}
		if len(line) == 0 {
			return total, nil
		}
	}
}

// unexpected says that an answer had begun when the connection ended.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
