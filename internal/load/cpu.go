package load

import (
	"runtime"
	"syscall"
	"time"
)

// processCPU is the CPU time, user and system, that this process has used.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// cpuShare is the share of the cores a worker may use that it did use.
func cpuShare(used, wall time.Duration, cores float64) float64 {
	if cores <= 0 {
		cores = float64(runtime.GOMAXPROCS(0))
	}
	return max(0, used.Seconds()/(wall.Seconds()*cores))
}
