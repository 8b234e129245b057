package lambda

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// maxLogFile bounds a function's log on disk: a full file is kept as
// <function>.log.1 and a new one begun.
const maxLogFile = 8 << 20

// logFile is a function's log, a plain file that the user can open. Each line
// begins with the time at which it was read and the end of its log stream's
// name, because several processes write into it.
type logFile struct {
	path string

	mu   sync.Mutex
	f    *os.File
	size int64
}

func (l *logFile) line(stream string, text []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > maxLogFile {
		l.f.Close()
		l.f, l.size = nil, 0
		if err := os.Rename(l.path, l.path+".1"); err != nil {
			return err
		}
	}
	if l.f == nil {
		if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
			return err
		}
		f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return err
		}
		st, err := f.Stat()
		if err != nil {
			f.Close()
			return err
		}
		l.f, l.size = f, st.Size()
	}
	short := stream[max(0, len(stream)-8):]
	b := make([]byte, 0, len(text)+40)
	b = time.Now().UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z ")
	b = append(b, short...)
	b = append(b, ' ')
	b = append(b, text...)
	b = append(b, '\n')
	n, err := l.f.Write(b)
	l.size += int64(n)
	return err
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

// tailSize is how much of an invocation's log LogType=Tail returns.
const tailSize = 4 << 10

// maxLine is where a line without an end is cut, so that a function that never
// writes one takes no memory here.
const maxLine = 256 << 10

// sandboxLog takes what one process writes to stdout and stderr.
type sandboxLog struct {
	file   *logFile
	stream string

	mu      sync.Mutex
	created bool // the role could create the log stream
	allowed bool // and may write to it now: without that AWS keeps no logs
	partial []byte
	tail    []byte // the last bytes of the event in hand
	lost    error  // the first failure to write the file since it was asked for

	source   *os.File
	flushing sync.Mutex
	acks     chan chan struct{}
	stopped  chan struct{}
}

// Write keeps p for the tail and writes its whole lines to the file.
func (l *sandboxLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail = append(l.tail, p...)
	if over := len(l.tail) - tailSize; over > 0 {
		l.tail = append(l.tail[:0], l.tail[over:]...)
	}
	l.partial = append(l.partial, p...)
	rest := l.partial
	for {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 && len(rest) > maxLine {
			i = len(rest) - 1
		}
		if i < 0 {
			break
		}
		l.emit(bytes.TrimSuffix(rest[:i+1], []byte("\n")))
		rest = rest[i+1:]
	}
	l.partial = append(l.partial[:0], rest...)
	return len(p), nil
}

func (l *sandboxLog) emit(line []byte) {
	if !l.allowed {
		return
	}
	if err := l.file.line(l.stream, line); err != nil && l.lost == nil {
		l.lost = err
	}
}

// platform adds a line of Lambda's own, after what the function began to write.
func (l *sandboxLog) platform(format string, args ...any) {
	l.mu.Lock()
	unfinished := len(l.partial) > 0
	l.mu.Unlock()
	line := fmt.Sprintf(format, args...) + "\n"
	if unfinished {
		line = "\n" + line
	}
	_, _ = l.Write([]byte(line)) // it never fails; what the disk refuses is in lost
}

// begin starts the tail of a new event; a cold one's includes what the process
// has written already.
func (l *sandboxLog) begin(cold bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !cold {
		l.tail = l.tail[:0]
	}
}

// permit says whether the role may write lines of this event. A stream that
// could not be created stays closed.
func (l *sandboxLog) permit(put bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed = l.created && put
}

// last is the tail of the event in hand, and what kept lines from the file.
func (l *sandboxLog) last() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.lost
	l.lost = nil
	return bytes.Clone(l.tail), err
}

// read copies the pipe until it ends or is closed.
func (l *sandboxLog) read(r *os.File) {
	l.source = r
	l.acks = make(chan chan struct{}, 1)
	l.stopped = make(chan struct{})
	go func() {
		defer close(l.stopped)
		buf := make([]byte, 16<<10)
		for {
			n, err := r.Read(buf)
			_, _ = l.Write(buf[:n])
			if os.IsTimeout(err) { // flush wants what is in the pipe now
				err = r.SetReadDeadline(time.Time{})
				if err == nil {
					err = l.drain(r, buf)
				}
				select {
				case ack := <-l.acks:
					close(ack)
				default:
				}
			}
			if err != nil {
				break
			}
		}
		l.finish()
	}()
}

// finish writes the last line, which has no end.
func (l *sandboxLog) finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.partial) > 0 {
		l.emit(l.partial)
		l.partial = nil
	}
}

// drain reads without waiting until the pipe is empty.
func (l *sandboxLog) drain(r *os.File, buf []byte) error {
	c, err := r.SyscallConn()
	if err != nil {
		return err
	}
	return c.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Read(int(fd), buf)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if n <= 0 {
				return true
			}
			_, _ = l.Write(buf[:n])
		}
	})
}

// flush returns when all that the process had written before the call has been
// read. The process wrote its lines before it answered, but they may still be
// in the pipe; a deadline in the past wakes the reader to fetch them.
func (l *sandboxLog) flush() {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	ack := make(chan struct{})
	select {
	case l.acks <- ack:
	case <-l.stopped:
		return
	}
	// It fails only when the pipe is closed, and then the reader stops.
	_ = l.source.SetReadDeadline(time.Unix(1, 0))
	select {
	case <-ack:
	case <-l.stopped:
	}
}

// wait returns when the output has been read to its end.
func (l *sandboxLog) wait() { <-l.stopped }
