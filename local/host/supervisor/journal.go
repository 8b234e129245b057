package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Bounds of a unit's journal: a line, and a file before it is turned over once.
const (
	maxLine    = 8 << 10
	maxJournal = 8 << 20
)

// journal is one unit's log: a plain text file in the instance's folder that
// the user can open, a line each:
//
//	2026-11-23T15:04:05.123456Z web[42]: text
type journal struct {
	path string
	mu   sync.Mutex
	file *os.File
	size int64
}

func newJournal(dir, unit string) *journal {
	return &journal{path: filepath.Join(dir, unit+".log")}
}

// print writes one line. A journal that cannot be written (a full disk) must
// not stop the unit that writes it, so the failure is told on the supervisor's
// own log instead.
func (j *journal) print(tag string, pid int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxLine {
		text = text[:maxLine] + " [cut]"
	}
	line := fmt.Sprintf("%s %s[%d]: %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000000Z"), tag, pid, text)
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.write(line); err != nil {
		fmt.Fprintf(os.Stderr, "journal %s: %v\n", j.path, err)
	}
}

func (j *journal) write(line string) (err error) {
	if j.file != nil && j.size > maxJournal {
		err = errors.Join(j.file.Close(), os.Rename(j.path, j.path+".1"))
		j.file = nil
	}
	if j.file == nil {
		f, openErr := os.OpenFile(j.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if openErr != nil {
			return openErr
		}
		info, statErr := f.Stat()
		if statErr != nil {
			return errors.Join(statErr, f.Close())
		}
		j.file, j.size = f, info.Size()
	}
	n, writeErr := j.file.WriteString(line)
	j.size += int64(n)
	return errors.Join(err, writeErr)
}

// copy writes each line of r, until its end. The length of a line in memory is
// bounded whatever the program writes.
func (j *journal) copy(tag string, pid int, r io.ReadCloser) {
	defer r.Close()
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, more, err := lines.ReadLine()
		if err != nil {
			return
		}
		text := string(line)
		for more && err == nil {
			_, more, err = lines.ReadLine()
		}
		j.print(tag, pid, "%s", text)
	}
}

// tail is the last n lines, all of them when n < 0.
func (j *journal) tail(n int) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text, err := os.ReadFile(j.path)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if n < 0 || err != nil {
		return string(text), err
	}
	lines := strings.SplitAfter(string(text), "\n")
	lines = lines[:len(lines)-1] // what follows the last line's end is nothing
	return strings.Join(lines[max(0, len(lines)-n):], ""), nil
}
