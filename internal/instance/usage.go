package instance

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// clockTick is the length in seconds of one unit of /proc/stat. USER_HZ is
// 100 on every architecture that EC2 has (proc_stat(5), sysconf(_SC_CLK_TCK)).
const clockTick = 0.01

// ProcessUsage reads this process's CPU time from getrusage(2) and the stolen
// time from /proc/stat. Where the kernel has no /proc/stat, steal stays 0.
func ProcessUsage() (cpu, steal float64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err == nil {
		cpu = seconds(u.Utime) + seconds(u.Stime)
	}
	if text, err := os.ReadFile("/proc/stat"); err == nil {
		steal = stolen(text)
	}
	return cpu, steal
}

func seconds(t syscall.Timeval) float64 {
	return time.Duration(t.Nano()).Seconds()
}

// stolen takes the steal time in seconds out of /proc/stat's first line:
// "cpu user nice system idle iowait irq softirq steal guest guest_nice".
func stolen(stat []byte) float64 {
	const steal = 8
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) <= steal || string(fields[0]) != "cpu" {
		return 0
	}
	ticks, err := strconv.ParseFloat(string(fields[steal]), 64)
	if err != nil {
		return 0
	}
	return ticks * clockTick
}
