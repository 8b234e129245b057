package engine

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// past is a deadline that ends every wait at once.
var past = time.Unix(1, 0)

// socket is a TCP connection, with the way around package net to it: net reads
// first and waits when there is nothing, which for an exchange of messages is
// one fruitless read per message. Whoever serves the connection is the one who
// closes it, and so may use the descriptor itself.
type socket struct {
	tcp *net.TCPConn
	raw syscall.RawConn
	fd  uintptr
}

func newSocket(c *net.TCPConn) (socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return socket{}, err
	}
	s := socket{tcp: c, raw: raw}
	err = raw.Control(func(fd uintptr) { s.fd = fd })
	return s, err
}

// write writes all of p, and waits only if the kernel does not take it at once.
func (s socket) write(p []byte) error {
	n, errno := send(s.fd, p)
	switch errno {
	case 0:
	case syscall.EAGAIN, syscall.EINTR:
		n = 0
	default:
		return os.NewSyscallError("send", errno)
	}
	if n == len(p) {
		return nil
	}
	_, err := s.tcp.Write(p[n:])
	return err
}

// read reads what is there. again: nothing is.
func (s socket) read(p []byte) (n int, again bool, err error) {
	for {
		n, errno := receive(s.fd, p)
		switch {
		case errno == 0 && n == 0:
			return 0, false, io.EOF
		case errno == 0:
			return n, false, nil
		case errno == syscall.EINTR:
		case errno == syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, os.NewSyscallError("recv", errno)
		}
	}
}

// sight is what a look at a connection shows, without taking anything.
type sight int

const (
	silent  sight = iota
	waiting       // bytes are there to be read
	closed        // the other side has ended its sending
	broken        // reset, or ours is closed
)

// look looks without waiting. It may be used while another goroutine reads.
func (s socket) look() sight {
	seen := broken
	// Control holds the descriptor open, and nothing else.
	err := s.raw.Control(func(fd uintptr) { seen = look(fd) })
	if err != nil {
		return broken
	}
	return seen
}

func look(fd uintptr) sight {
	var one [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return silent
		case err != nil:
			return broken
		case n == 0:
			return closed
		default:
			return waiting
		}
	}
}
