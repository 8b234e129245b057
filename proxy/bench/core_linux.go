package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// pinning is which core the proxies get, and which the bed.
type pinning struct{ proxy, bed int }

// pins takes two of the cores that the bench may use. With one, nothing is
// pinned, and the figures are of two who share it.
func pins(stderr io.Writer) pinning {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() < 2 {
		fmt.Fprintln(stderr, "bench: fewer than two cores: the proxy shares one with the clients")
		return pinning{-1, -1}
	}
	var cores []int
	for i := 0; len(cores) < 2; i++ {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return pinning{proxy: cores[0], bed: cores[1]}
}

// onCore runs start on one core; a process that it starts stays there, as a
// child has the affinity of the thread that has made it (sched_setaffinity(2)).
func onCore(core int, start func() error) (err error) {
	if core < 0 {
		return start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	set.Set(core)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unix.SchedSetaffinity(0, &before)) }()
	// Ahead of whatever else the machine does, where that is allowed.
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return err
	}
	if unix.Setpriority(unix.PRIO_PROCESS, 0, -20) == nil {
		nice := 20 - raw // the system call gives it so, see getpriority(2)
		defer func() { err = errors.Join(err, unix.Setpriority(unix.PRIO_PROCESS, 0, nice)) }()
	}
	return start()
}
