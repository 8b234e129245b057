package cpu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Parent is a place in the cgroup tree in which this user may make groups.
type Parent struct {
	Kind Kind
	// cpu is the folder that takes the limit; usage is the folder that counts,
	// a hierarchy of its own where version 1 mounts cpuacct apart.
	cpu, usage string
}

// Group is one process tree's cgroup.
type Group struct {
	kind       Kind
	cpu, usage string
}

// New makes a group without a limit.
func (p Parent) New(name string) (*Group, error) {
	g := &Group{kind: p.Kind, cpu: filepath.Join(p.cpu, name), usage: filepath.Join(p.usage, name)}
	for _, dir := range g.Paths() {
		if err := os.Mkdir(dir, 0o755); err != nil {
			g.removeNow()
			return nil, fmt.Errorf("cgroup: %w", err)
		}
	}
	return g, nil
}

// The group's weight against what is in no group of ours: a half. Functions and
// clients are not on an instance's machine and must not wait behind it.
const (
	sharesV1 = "512" // of 1,024
	weightV2 = "50"  // of 100
)

// Limit lets the group use the given number of cores from now on, and lets
// others go first.
func (g *Group) Limit(cores float64) error {
	period, quota := slice(cores)
	files := [][2]string{
		{"cpu.shares", sharesV1},
		{"cpu.cfs_period_us", strconv.Itoa(period)},
		{"cpu.cfs_quota_us", strconv.Itoa(quota)},
	}
	if g.kind == CgroupV2 {
		files = [][2]string{{"cpu.weight", weightV2}, {"cpu.max", fmt.Sprintf("%d %d", quota, period)}}
	}
	for _, f := range files {
		if err := write(g.cpu, f[0], f[1]); err != nil {
			return fmt.Errorf("cgroup limit: %w", err)
		}
	}
	return nil
}

// slice gives period and quota in microseconds: 10 ms, longer where the quota
// would fall under the kernel's minimum of 1 ms.
func slice(cores float64) (period, quota int) {
	period = 10_000
	if float64(period)*cores < 1000 {
		period = 20_000
	}
	return period, max(1000, int(float64(period)*cores+0.5))
}

// Paths are the folders of the group: what a sweep must remove when this
// process dies.
func (g *Group) Paths() []string {
	if g.usage == g.cpu {
		return []string{g.cpu}
	}
	return []string{g.cpu, g.usage}
}

// Add puts a process, and so all that it will start, into the group.
func (g *Group) Add(pid int) error {
	for _, dir := range g.Paths() {
		if err := write(dir, "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return fmt.Errorf("cgroup: %w", err)
		}
	}
	return nil
}

// Usage is the CPU time that the group has used, in seconds.
func (g *Group) Usage() (float64, error) {
	if g.kind == CgroupV1 {
		text, err := os.ReadFile(filepath.Join(g.usage, "cpuacct.usage"))
		if err != nil {
			return 0, err
		}
		ns, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
		return float64(ns) / 1e9, err
	}
	text, err := os.ReadFile(filepath.Join(g.usage, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "usage_usec "); ok {
			us, err := strconv.ParseUint(strings.TrimSpace(value), 10, 64)
			return float64(us) / 1e6, err
		}
	}
	return 0, errors.New("cgroup: cpu.stat has no usage_usec")
}

// Remove ends what still runs in the group and removes it.
func (g *Group) Remove(ctx context.Context) error { return Remove(ctx, g.Paths()) }

func (g *Group) removeNow() {
	for _, dir := range g.Paths() {
		_ = os.Remove(dir) // it is empty: nothing was added
	}
}

// Remove ends what runs in the cgroups with these paths and removes them.
// A path that is not there any more is no error.
func Remove(ctx context.Context, paths []string) error {
	for _, dir := range paths {
		for {
			err := os.Remove(dir)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			killAll(dir)
			select { // the kernel lets go of a group a moment after its last process
			case <-ctx.Done():
				return fmt.Errorf("cgroup: %w", err)
			case <-time.After(2 * time.Millisecond):
			}
		}
	}
	return nil
}

// RemoveEmpty removes the groups of this place that have a name with the
// prefix, that dead says yes to, and that nothing runs in: those whose note was
// lost with its registry. It kills nothing, so that it can do no harm.
func (p Parent) RemoveEmpty(prefix string, dead func(name string) bool) {
	for _, parent := range []string{p.cpu, p.usage} {
		groups, _ := filepath.Glob(filepath.Join(parent, prefix+"*"))
		for _, dir := range groups {
			if dead(filepath.Base(dir)) {
				_ = os.Remove(dir) // refused by the kernel when something runs in it
			}
		}
	}
}

func killAll(dir string) {
	if write(dir, "cgroup.kill", "1") == nil { // version 2, Linux 5.14
		return
	}
	text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

func write(dir, file, value string) error {
	f, err := os.OpenFile(filepath.Join(dir, file), os.O_WRONLY, 0) // never creates: these files are the kernel's
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
