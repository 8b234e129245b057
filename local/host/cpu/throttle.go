package cpu

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// period is the time over which Throttle keeps to its budget. Shorter costs
// more: one pass over a small tree every 50 ms is about 1 % of a core.
const period = 50 * time.Millisecond

// Throttle keeps the process tree below this process to a number of cores
// until ctx ends: it stops all of the tree when it has used more CPU time than
// its budget and continues it when the debt is paid. It leaves the tree running.
func Throttle(ctx context.Context, cores float64) {
	seen := map[int]time.Duration{} // CPU clock of each process when last looked at
	debt, last, stopped := time.Duration(0), time.Now(), false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			signalTree(syscall.SIGCONT)
			return
		case <-timer.C:
		}
		now := time.Now()
		debt -= time.Duration(float64(now.Sub(last)) * cores)
		last = now
		alive := map[int]time.Duration{}
		for _, pid := range Tree() {
			used, err := clock(pid)
			if err != nil {
				continue
			}
			debt += max(0, used-seen[pid])
			alive[pid] = used
		}
		seen = alive
		budget := time.Duration(float64(period) * cores)
		debt = max(debt, -budget) // an idle tree saves up one period at most
		switch {
		case debt > 0 && !stopped:
			signalTree(syscall.SIGSTOP)
			stopped = true
		case debt <= 0 && stopped:
			signalTree(syscall.SIGCONT)
			stopped = false
		case stopped:
			signalTree(syscall.SIGSTOP) // also what was started meanwhile
		}
		wait := period / 10
		if stopped { // until the debt is paid
			wait = time.Duration(float64(debt) / cores)
		}
		timer.Reset(min(max(wait, 2*time.Millisecond), period))
	}
}

// Usage is the CPU time used by the living processes below this one.
func Usage() time.Duration {
	var total time.Duration
	for _, pid := range Tree() {
		used, _ := clock(pid)
		total += used
	}
	return total
}

// Tree lists the living processes below this one, children first.
func Tree() []int {
	var out []int
	var walk func(pid int)
	walk = func(pid int) {
		tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		for _, task := range tasks { // children belong to the thread that started them
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
			for _, field := range strings.Fields(string(text)) {
				if child, err := strconv.Atoi(field); err == nil {
					out = append(out, child)
					walk(child)
				}
			}
		}
	}
	walk(os.Getpid())
	return out
}

func signalTree(s syscall.Signal) {
	for _, pid := range Tree() {
		syscall.Kill(pid, s)
	}
}

// clock reads a process's CPU clock; the id is what clock_getcpuclockid(3) makes.
func clock(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}
