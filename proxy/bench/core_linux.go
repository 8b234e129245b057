package main

import (
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sys/unix"
)

// pins gives a core for the proxies and one for the bed, of those that the bench
// may use. With one, nothing is
// pinned, and the figures are of two who share it.
func pins(stderr io.Writer) (proxy, bed int) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() < 2 {
		fmt.Fprintln(stderr, "bench: fewer than two cores: the proxy shares one with the clients")
		return -1, -1
	}
	var cores []int
	for i := 0; len(cores) < 2; i++ {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores[0], cores[1]
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
	return start()
}

// asRealtime runs start so that a process that it starts comes before all that
// is not real-time (SCHED_RR, sched(7)): a child has its parent's policy.
func asRealtime(start func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return err
	}
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}, 0); err != nil {
		return fmt.Errorf("real-time scheduling, which needs root: %w", err)
	}
	defer func() { err = errors.Join(err, unix.SchedSetAttr(0, before, 0)) }()
	return start()
}
