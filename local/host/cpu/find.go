package cpu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Find looks for a place in the cgroup tree where this user may limit CPU
// time. The error says why there is none.
func Find() (Parent, error) { return find("/proc/self", "/") }

// find reads mounts and membership below proc; root is prefixed to mount
// points so that a test can give a tree of its own.
func find(proc, root string) (Parent, error) {
	mounts, err := os.ReadFile(filepath.Join(proc, "mountinfo"))
	if err != nil {
		return Parent{}, err
	}
	member, err := os.ReadFile(filepath.Join(proc, "cgroup"))
	if err != nil {
		return Parent{}, err
	}
	p2, err2 := find2(string(mounts), string(member), root)
	if err2 == nil {
		return p2, nil
	}
	p1, err1 := find1(string(mounts), string(member), root)
	if err1 == nil {
		return p1, nil
	}
	return Parent{}, errors.Join(err2, err1)
}

// find2 walks from this process's own group to the root of version 2's tree
// and takes the first group that is ours to make children in and hands the cpu
// controller down. A group with processes of its own cannot (the "no internal
// processes" rule of cgroup-v2), so it is usually an ancestor.
func find2(mounts, member, root string) (Parent, error) {
	mount, base := mountOf(mounts, "cgroup2", "")
	if mount == "" {
		return Parent{}, errors.New("cgroup v2: not mounted")
	}
	own := ""
	for line := range strings.Lines(member) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			own = rest
		}
	}
	top := filepath.Join(root, mount)
	for dir := filepath.Join(top, within(base, own)); ; dir = filepath.Dir(dir) {
		if handsDown(dir) && writable(dir) {
			return Parent{Kind: CgroupV2, cpu: dir, usage: dir}, nil
		}
		if dir == top || !strings.HasPrefix(dir, top) {
			return Parent{}, errors.New("cgroup v2: no group of this user has the cpu controller")
		}
	}
}

// handsDown says whether children of the group get the cpu controller, after
// asking for it where nothing stands against it.
func handsDown(dir string) bool {
	if has(dir, "cgroup.subtree_control", "cpu") {
		return true
	}
	procs, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil || len(procs) > 0 || !has(dir, "cgroup.controllers", "cpu") {
		return false
	}
	return write(dir, "cgroup.subtree_control", "+cpu") == nil
}

func find1(mounts, member, root string) (Parent, error) {
	place := func(controller string) (string, error) {
		mount, base := mountOf(mounts, "cgroup", controller)
		if mount == "" {
			return "", fmt.Errorf("cgroup v1: controller %s is not mounted", controller)
		}
		for line := range strings.Lines(member) {
			parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(parts) == 3 && slices.Contains(strings.Split(parts[1], ","), controller) {
				dir := filepath.Join(root, mount, within(base, parts[2]))
				if !writable(dir) {
					return "", fmt.Errorf("cgroup v1: %s is not writable", dir)
				}
				return dir, nil
			}
		}
		return "", fmt.Errorf("cgroup v1: this process is in no group of %s", controller)
	}
	limit, err := place("cpu")
	if err != nil {
		return Parent{}, err
	}
	usage, err := place("cpuacct")
	if err != nil {
		return Parent{}, err
	}
	// "cpu" and "cpuacct" are often two names of one mount.
	if a, err := os.Stat(limit); err == nil {
		if b, err := os.Stat(usage); err == nil && os.SameFile(a, b) {
			usage = limit
		}
	}
	return Parent{Kind: CgroupV1, cpu: limit, usage: usage}, nil
}

// mountOf finds a mount in /proc/self/mountinfo (proc(5)): its mount point and
// which folder of the filesystem is mounted there.
func mountOf(mounts, fstype, controller string) (mount, base string) {
	for line := range strings.Lines(mounts) {
		left, right, ok := strings.Cut(line, " - ")
		fields, tail := strings.Fields(left), strings.Fields(right)
		if !ok || len(fields) < 5 || len(tail) < 3 || tail[0] != fstype {
			continue
		}
		if controller == "" || slices.Contains(strings.Split(tail[2], ","), controller) {
			return fields[4], fields[3]
		}
	}
	return "", ""
}

// within is a group's path relative to what is mounted; a group outside of it
// (a container that sees only its own part) is the mount's top.
func within(base, group string) string {
	rel, err := filepath.Rel(base, group)
	if err != nil || strings.HasPrefix(rel, "..") {
		return "/"
	}
	return rel
}

// writable tries what matters: making and removing a child.
func writable(dir string) bool {
	probe, err := os.MkdirTemp(dir, "fairlead-probe-")
	return err == nil && os.Remove(probe) == nil
}

func has(dir, file, word string) bool {
	text, err := os.ReadFile(filepath.Join(dir, file))
	return err == nil && slices.Contains(strings.Fields(string(text)), word)
}
