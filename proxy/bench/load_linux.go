package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long the last answers of a load are waited for.
const patience = 2 * time.Second

// longest is the latency that the spread of them counts up to, in µs.
const longest = int(patience / time.Microsecond)

// load is one task being played.
type load struct {
	task    task
	addr    netip.AddrPort
	request []byte
	clients []*client
	idle    []*client // with nothing in flight: a queue, so that all are used
	due     []time.Time

	begin, end time.Time // of the measured part
	good, bad  int
	why        string
	spread     []uint32 // good answers by latency, 1 µs apart
	counted    int
}

// client is a connection of the clients.
type client struct {
	load *load
	fd   int
	busy bool
	due  time.Time // of what is in flight
	n    int
	text [8192]byte
}

// play makes a load.
func (l *loop) play(t task) (done news, err error) {
	addr, err := netip.ParseAddrPort(t.Addr)
	if err != nil {
		return done, err
	}
	p := &load{task: t, addr: addr, spread: make([]uint32, longest+1),
		request: []byte("GET " + t.Path + " HTTP/1.1\r\nHost: " + t.Addr + "\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")}
	defer func() {
		for _, c := range p.clients {
			if c.fd >= 0 {
				l.close(c.fd)
			}
		}
	}()
	for range t.Connections {
		c := &client{load: p}
		if err := c.open(l); err != nil {
			return done, err
		}
		p.clients = append(p.clients, c)
	}
	p.idle = append(p.idle, p.clients...)

	random := rand.New(rand.NewPCG(1, uint64(t.Rate))) // the same moments for the proxy and without it
	now := time.Now()
	next := now
	p.begin = now.Add(time.Duration(t.Warm * float64(time.Second)))
	length := time.Duration(t.Seconds * float64(time.Second))
	p.end = p.begin.Add(length)
	begun, ended := false, false
	for {
		now = time.Now()
		if !begun && !now.Before(p.begin) {
			before, err := usedBy(t.Pid)
			if err != nil {
				return done, err
			}
			done.Used = -before.Seconds()
			done.CPU = -threadCPU()
			now = time.Now()
			begun, p.begin, p.end = true, now, now.Add(length)
		}
		if begun && !ended && !now.Before(p.end) {
			ended, p.end = true, now
			done.Elapsed = p.end.Sub(p.begin).Seconds()
			done.CPU += threadCPU()
			after, err := usedBy(t.Pid)
			if err != nil {
				return done, err
			}
			done.Used += after.Seconds()
		}
		if ended && (t.Rate == 0 || len(p.idle) == len(p.clients) && len(p.due) == 0 || now.Sub(p.end) > patience) {
			break
		}
		until := p.end
		switch {
		case ended:
			until = p.end.Add(patience)
		case !begun:
			until = p.begin
		}
		if t.Rate == 0 {
			for !ended && len(p.idle) > 0 {
				p.send(l, now)
			}
		} else {
			for !ended && !next.After(now) {
				p.due = append(p.due, next)
				next = next.Add(time.Duration(random.ExpFloat64() / t.Rate * float64(time.Second)))
			}
			for len(p.due) > 0 && len(p.idle) > 0 {
				at := p.due[0]
				p.due = p.due[:copy(p.due, p.due[1:])]
				p.send(l, at)
			}
			if !ended && next.Before(until) {
				until = next
			}
		}
		if err := l.wait(max(0, time.Until(until))); err != nil {
			return done, err
		}
	}
	for range len(p.clients) - len(p.idle) + len(p.due) {
		if t.Rate > 0 {
			p.failed(errors.New("no answer"))
		}
	}
	done.Good, done.Bad, done.Why = p.good, p.bad, p.why
	done.P50, done.P99 = p.quantile(0.50), p.quantile(0.99)
	return done, nil
}

func usedBy(pid int) (time.Duration, error) {
	if pid == 0 {
		return 0, nil
	}
	return treeCPU(procRoot, pid)
}

// threadCPU is what this thread, which is all of the bed, has used, in seconds.
func threadCPU() float64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// send writes a request on the connection that has been idle for longest.
func (p *load) send(l *loop, due time.Time) {
	c := p.idle[0]
	p.idle = p.idle[:copy(p.idle, p.idle[1:])]
	c.busy, c.due, c.n = true, due, 0
	if c.fd < 0 {
		if err := c.open(l); err != nil {
			c.fail(l, err)
			return
		}
	}
	if n, err := unix.Write(c.fd, p.request); err != nil || n < len(p.request) {
		c.fail(l, fmt.Errorf("write: %d bytes, %w", n, err))
	}
}

func (c *client) open(l *loop) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// Blocking: on one machine it takes no longer than the call. The nodes,
	// which this thread serves too, have room in their backlog.
	err = unix.Connect(fd, sockaddr(c.load.addr))
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err == nil {
		err = l.add(fd, c)
	}
	if err != nil {
		_ = unix.Close(fd)
		return fmt.Errorf("connect to %s: %w", c.load.addr, err)
	}
	c.fd = fd
	return nil
}

// ready reads what there is of the answer.
func (c *client) ready(l *loop) {
	n, err := unix.Read(c.fd, c.text[c.n:])
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		c.fail(l, fmt.Errorf("read: %w", err))
		return
	}
	c.n += n
	status, size, err := measureAnswer(c.text[:c.n])
	switch {
	case !c.busy:
		c.fail(l, errors.New("an answer that nobody has asked for"))
	case err != nil:
		c.fail(l, err)
	case size > len(c.text):
		c.fail(l, fmt.Errorf("an answer of %d bytes", size))
	case size == 0 || c.n < size: // more is to come
	case c.n > size:
		c.fail(l, errors.New("more than the answer"))
	case status != 200:
		c.load.failed(fmt.Errorf("status %d", status))
		c.rest()
	default:
		c.load.answered(c.due)
		c.rest()
	}
}

func (c *client) rest() {
	c.busy = false
	c.load.idle = append(c.load.idle, c)
}

// fail closes the connection; the next request opens another.
func (c *client) fail(l *loop, err error) {
	if c.fd >= 0 {
		l.close(c.fd)
		c.fd = -1
	}
	if c.busy {
		c.load.failed(err)
		c.rest()
	}
}

// answered counts: for the throughput what is answered in the measured part,
// for the latency what was due in it.
func (p *load) answered(due time.Time) {
	now := time.Now()
	if p.measured(now) {
		p.good++
	}
	if p.measured(due) {
		p.spread[min(int(now.Sub(due)/time.Microsecond), longest)]++
		p.counted++
	}
}

func (p *load) measured(t time.Time) bool { return !t.Before(p.begin) && t.Before(p.end) }

func (p *load) failed(err error) {
	p.bad++
	p.why = err.Error()
}

// quantile gives the latency, in µs, that a share of the answers had at most.
func (p *load) quantile(q float64) float64 {
	rank, seen := uint64(q*float64(p.counted)), uint64(0)
	for i, n := range p.spread {
		if seen += uint64(n); seen > rank {
			return float64(i)
		}
	}
	return 0
}

var contentLength = []byte("content-length:")

// measureAnswer gives an answer's status and its length, head and body; 0
// while the head is not complete.
func measureAnswer(b []byte) (status, size int, err error) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return 0, 0, nil
	}
	if !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) || len(b) < 12 {
		return 0, 0, fmt.Errorf("not an answer: %.40q", b)
	}
	if status, err = strconv.Atoi(string(b[9:12])); err != nil {
		return 0, 0, fmt.Errorf("not an answer: %.40q", b)
	}
	for at := 0; at < end; {
		next := bytes.Index(b[at:], headEnd[:2])
		line := b[at : at+next]
		if len(line) > len(contentLength) && bytes.EqualFold(line[:len(contentLength)], contentLength) {
			n, err := strconv.Atoi(string(bytes.TrimSpace(line[len(contentLength):])))
			if err != nil {
				return 0, 0, fmt.Errorf("bad length: %q", line)
			}
			return status, end + len(headEnd) + n, nil
		}
		at += next + 2
	}
	return 0, 0, errors.New("an answer without a length")
}
