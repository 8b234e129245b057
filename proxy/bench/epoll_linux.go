package main

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epollWait is epoll_wait(2) with a limit as fine as the clock where the
// kernel has that (epoll_pwait2, Linux 5.11): a millisecond, the unit of the
// old call, is many requests here.
func epollWait(epoll int, events []unix.EpollEvent, limit time.Duration) (int, error) {
	var at *unix.Timespec
	if limit >= 0 {
		t := unix.NsecToTimespec(limit.Nanoseconds())
		at = &t
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(unsafe.Pointer(at)), 0, 0)
	switch {
	case errno == 0:
		return int(n), nil
	case !errors.Is(errno, unix.ENOSYS):
		return 0, errno
	case limit < 0:
		return unix.EpollWait(epoll, events, -1)
	default:
		return unix.EpollWait(epoll, events, int(limit.Milliseconds())) // rounded down: it may turn, but is not late
	}
}
