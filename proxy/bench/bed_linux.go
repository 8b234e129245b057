package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serveBed is the bed. One thread does all, in one loop over epoll: the nodes
// and the clients share a core, and two programs there would take turns by the
// scheduler's whim, which is what would be measured. It allocates nothing per
// request.
func serveBed(stdin *os.File, stdout io.Writer) error {
	runtime.LockOSThread()
	l, err := newLoop()
	if err != nil {
		return err
	}
	nodes, err := l.listen()
	if err != nil {
		return err
	}
	control := &control{fd: int(stdin.Fd())}
	if err := l.add(control.fd, control); err != nil {
		return err
	}
	if err := tell(stdout, news{Stage: stageReady, Nodes: nodes}); err != nil {
		return err
	}
	for {
		if err := l.wait(-1); err != nil {
			return err
		}
		for {
			line, ok := control.next()
			if !ok {
				break
			}
			var t task
			if err := json.Unmarshal(line, &t); err != nil {
				return err
			}
			done, err := l.play(t)
			if err != nil {
				done.Error = err.Error()
			}
			done.Stage = stageDone
			if err := tell(stdout, done); err != nil {
				return err
			}
		}
		if control.ended {
			return nil
		}
	}
}

// source is what a descriptor's readiness is told to.
type source interface {
	ready(l *loop)
}

// loop waits for all descriptors of the bed.
type loop struct {
	epoll   int
	sources []source // by descriptor
	events  [256]unix.EpollEvent
}

func newLoop() (*loop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	return &loop{epoll: fd}, err
}

func (l *loop) add(fd int, s source) error {
	for len(l.sources) <= fd {
		l.sources = append(l.sources, nil)
	}
	l.sources[fd] = s
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *loop) close(fd int) {
	l.sources[fd] = nil
	_ = unix.Close(fd)
}

// wait serves what is ready, at most one wait long; limit < 0: for ever.
func (l *loop) wait(limit time.Duration) error {
	n, err := epollWait(l.epoll, l.events[:], limit)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	for i := range max(n, 0) {
		// One that was ready before may have closed this one.
		if s := l.sources[l.events[i].Fd]; s != nil {
			s.ready(l)
		}
	}
	return nil
}

// control reads tasks, a line each.
type control struct {
	fd    int
	text  []byte
	ended bool
}

func (c *control) ready(l *loop) {
	var b [4096]byte
	n, err := unix.Read(c.fd, b[:])
	if n <= 0 && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR) {
		c.ended = true
		return
	}
	c.text = append(c.text, b[:max(n, 0)]...)
}

func (c *control) next() ([]byte, bool) {
	line, rest, ok := bytes.Cut(c.text, []byte("\n"))
	if ok {
		c.text = rest
	}
	return line, ok
}

// answer is a node's, to everything.
var answer = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n" + strings.Repeat("0123456789", 10))

// nodeIPs are the nodes' addresses: fairlead's nodes have one port.
var nodeIPs = []string{"127.0.0.2", "127.0.0.3"}

// listen starts the nodes on one free port.
func (l *loop) listen() (nodes []string, err error) {
	for range 20 { // the port of the first may be taken on the second
		port := uint16(0)
		var open []int
		nodes = nil
		for _, ip := range nodeIPs {
			var fd int
			if fd, port, err = listenAt(netip.AddrPortFrom(netip.MustParseAddr(ip), port)); err != nil {
				break
			}
			open = append(open, fd)
			nodes = append(nodes, fmt.Sprintf("%s:%d", ip, port))
		}
		if err == nil {
			for _, fd := range open {
				if err := l.add(fd, &listener{fd}); err != nil {
					return nil, err
				}
			}
			return nodes, nil
		}
		for _, fd := range open {
			_ = unix.Close(fd)
		}
	}
	return nil, err
}

func listenAt(addr netip.AddrPort) (fd int, port uint16, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, 0, err
	}
	err = unix.Bind(fd, sockaddr(addr))
	if err == nil {
		err = unix.Listen(fd, 1024)
	}
	var bound unix.Sockaddr
	if err == nil {
		bound, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, 0, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return fd, uint16(bound.(*unix.SockaddrInet4).Port), nil
}

func sockaddr(a netip.AddrPort) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
}

// listener takes a node's connections.
type listener struct{ fd int }

func (n *listener) ready(l *loop) {
	for {
		fd, _, err := unix.Accept4(n.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if l.add(fd, &served{fd: fd}) != nil {
			_ = unix.Close(fd)
		}
	}
}

// served is a connection to a node.
type served struct {
	fd   int
	n    int
	text [8192]byte
}

var (
	headEnd = []byte("\r\n\r\n")
	closing = []byte("onnection: close")
)

// ready answers each head that is complete. Requests have no bodies.
func (s *served) ready(l *loop) {
	n, err := unix.Read(s.fd, s.text[s.n:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if n <= 0 {
		l.close(s.fd)
		return
	}
	s.n += n
	for {
		end := bytes.Index(s.text[:s.n], headEnd)
		if end < 0 {
			break
		}
		end += len(headEnd)
		last := bytes.Contains(s.text[:end], closing)
		if w, err := unix.Write(s.fd, answer); err != nil || w < len(answer) || last {
			l.close(s.fd)
			return
		}
		s.n = copy(s.text[:], s.text[end:s.n])
	}
	if s.n == len(s.text) {
		l.close(s.fd)
	}
}
