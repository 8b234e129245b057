//go:build !linux || !(amd64 || arm64)

package engine

import (
	"errors"
	"syscall"
)

func receive(fd uintptr, p []byte) (int, syscall.Errno) { return withErrno(syscall.Read(int(fd), p)) }

func send(fd uintptr, p []byte) (int, syscall.Errno) { return withErrno(syscall.Write(int(fd), p)) }

func withErrno(n int, err error) (int, syscall.Errno) {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		errno = syscall.EIO
	}
	return n, errno
}
