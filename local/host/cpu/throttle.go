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

// Throttle's times. Reading the CPU clocks of a few processes costs
// microseconds and is done often; listing the tree costs more and is done once
// a period. Together that is 2 % of a core an instance (measured, idle service).
const (
	period   = 50 * time.Millisecond // over which the budget is kept
	look     = 5 * time.Millisecond  // between looks at a busy tree
	idleLook = 10 * time.Millisecond // and at an idle one
)

// Throttle keeps the process tree below this process to a number of cores
// until ctx ends: it stops all of the tree when it has used more CPU time than
// its budget and continues it when the debt is paid. It leaves the tree running.
func Throttle(ctx context.Context, cores float64) {
	t := throttle{cores: cores, seen: map[int]time.Duration{}, last: time.Now()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			t.tree = Tree()
			t.signal(syscall.SIGCONT)
			return
		case <-timer.C:
			timer.Reset(t.step(time.Now()))
		}
	}
}

type throttle struct {
	cores   float64
	tree    []int
	listed  time.Time             // when tree was
	seen    map[int]time.Duration // CPU clock of each process when last looked at
	last    time.Time
	debt    time.Duration // CPU time used beyond the budget; negative: saved
	stopped bool
}

// step looks once and says how long to wait for the next look.
func (t *throttle) step(now time.Time) time.Duration {
	if now.Sub(t.listed) >= period {
		t.tree, t.listed = Tree(), now
	}
	t.debt -= time.Duration(float64(now.Sub(t.last)) * t.cores)
	t.last = now
	alive := make(map[int]time.Duration, len(t.tree))
	used := time.Duration(0)
	for _, pid := range t.tree {
		if c, err := clock(pid); err == nil {
			used += max(0, c-t.seen[pid])
			alive[pid] = c
		}
	}
	t.seen = alive
	budget := time.Duration(float64(period) * t.cores)
	t.debt = max(t.debt+used, -budget) // an idle tree saves up one period at most
	switch {
	case t.debt > 0: // again each time, for what was started meanwhile
		t.signal(syscall.SIGSTOP)
		t.stopped = true
		return min(max(time.Duration(float64(t.debt)/t.cores), 2*time.Millisecond), period)
	case t.stopped:
		t.signal(syscall.SIGCONT)
		t.stopped = false
	case used == 0:
		return idleLook
	}
	return look
}

func (t *throttle) signal(s syscall.Signal) {
	for _, pid := range t.tree {
		_ = syscall.Kill(pid, s) // it may have ended
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

// Tree lists the living processes below this one. For process 1 of a PID
// namespace with a /proc of its own that is every other process there.
func Tree() []int {
	var out []int
	if os.Getpid() == 1 {
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			if pid, err := strconv.Atoi(e.Name()); err == nil && pid != 1 {
				out = append(out, pid)
			}
		}
		return out
	}
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

// clock reads a process's CPU clock; the id is what clock_getcpuclockid(3) makes.
func clock(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, err
	}
	return time.Duration(ts.Nano()), nil
}
