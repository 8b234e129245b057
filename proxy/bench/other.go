//go:build !linux

package main

import (
	"errors"
	"io"
	"os"
)

var errLinux = errors.New("the bench needs Linux: it reads /proc, pins cores and uses all of 127.0.0.0/8")

func pins(io.Writer) (proxy, bed int) { return -1, -1 }

func onCore(int, func() error) error { return errLinux }

func asRealtime(func() error) error { return errLinux }

func serveBed(*os.File, io.Writer) error { return errLinux }
