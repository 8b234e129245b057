package load

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sleeper sleeps on a timerfd. Go's own timers end in epoll_wait, which counts
// whole milliseconds; a timerfd is an event in that same poll and wakes it to
// the microsecond, without holding a thread as nanosleep would.
type sleeper struct {
	fd   int
	file *os.File
}

func newSleeper() (*sleeper, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create a timer: %w", err)
	}
	// File.Fd would make the descriptor blocking, so its number is kept apart.
	return &sleeper{fd: fd, file: os.NewFile(uintptr(fd), "timerfd")}, nil
}

func (s *sleeper) close() { s.file.Close() }

func (s *sleeper) sleep(ctx context.Context, d time.Duration) error {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if err := unix.TimerfdSettime(s.fd, 0, &spec, nil); err != nil {
		return fmt.Errorf("set a timer: %w", err)
	}
	// A watch on the context costs more than a short sleep is worth.
	if d > 100*time.Millisecond {
		expired := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(expired)
			_ = s.file.SetReadDeadline(time.Unix(1, 0)) // fails only on a closed file, whose Read fails as well
		})
		defer func() {
			if !stop() {
				<-expired
				_ = s.file.SetReadDeadline(time.Time{})
			}
		}()
	}
	var count [8]byte
	if _, err := s.file.Read(count[:]); err != nil && ctx.Err() == nil {
		return fmt.Errorf("wait for a timer: %w", err)
	}
	return ctx.Err()
}
