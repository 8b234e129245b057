package cpu

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes files below a folder: path, content, …
func tree(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for n := 0; n < len(files); n += 2 {
		path := filepath.Join(root, files[n])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[n+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	v2Mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
	v1Mount = "40 23 0:31 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
)

func TestFind(t *testing.T) {
	const g = "sys/fs/cgroup/"
	for _, row := range []struct {
		why   string
		files []string
		kind  Kind
		dir   string // below the root
	}{
		{"the parent hands the controller down", []string{"mountinfo", v2Mount, "cgroup", "0::/user.slice/app.slice/term.scope\n",
			g + "user.slice/app.slice/cgroup.subtree_control", "cpu memory pids\n", g + "user.slice/app.slice/term.scope/cgroup.controllers", "cpu\n",
			g + "user.slice/app.slice/term.scope/cgroup.procs", "1\n"}, CgroupV2, g + "user.slice/app.slice"},
		{"an empty group is asked to", []string{"mountinfo", v2Mount, "cgroup", "0::/a/b\n", g + "a/cgroup.subtree_control", "",
			g + "a/cgroup.controllers", "cpu io\n", g + "a/cgroup.procs", "", g + "a/b/cgroup.procs", "1\n"}, CgroupV2, g + "a"},
		{"no controller anywhere falls back to version 1", []string{"mountinfo", v2Mount + v1Mount, "cgroup", "4:cpu,cpuacct:/x\n0::/x\n",
			g + "x/cgroup.procs", "1\n", g + "cpu,cpuacct/x/cgroup.procs", ""}, CgroupV1, g + "cpu,cpuacct/x"},
		{"a container sees its own part only", []string{"mountinfo", strings.Replace(v1Mount, " / ", " /docker/abc ", 1), "cgroup", "4:cpu,cpuacct:/docker/abc\n",
			g + "cpu,cpuacct/cgroup.procs", ""}, CgroupV1, g + "cpu,cpuacct"},
		{"no cgroups at all", []string{"mountinfo", "", "cgroup", ""}, "", ""},
	} {
		root := tree(t, row.files...)
		p, err := find(root, root)
		if row.kind == "" {
			if err == nil {
				t.Errorf("%s: found %+v", row.why, p)
			}
			continue
		}
		if err != nil || p.Kind != row.kind || p.cpu != filepath.Join(root, row.dir) {
			t.Errorf("%s: %+v, %v; want %s in %s", row.why, p, err, row.kind, row.dir)
		}
	}
}

func TestUsageOfBothVersions(t *testing.T) {
	root := tree(t, "cpu.stat", "usage_usec 2500000\nuser_usec 1\n", "cpuacct.usage", "1500000000\n")
	for kind, want := range map[Kind]float64{CgroupV2: 2.5, CgroupV1: 1.5} {
		if got, err := (&Group{kind, root, root}).Usage(); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", kind, got, err, want)
		}
	}
}

func TestLimitWritesQuota(t *testing.T) {
	root := tree(t, "cpu.max", "", "cpu.weight", "", "cpu.shares", "", "cpu.cfs_period_us", "", "cpu.cfs_quota_us", "")
	for _, row := range []struct {
		why   string
		cores float64
		max   string
	}{
		{"a period of 10 ms", 0.375, "3750 10000"},
		{"more than a core", 1.5, "15000 10000"},
		{"a longer period keeps the quota at the kernel's minimum", 0.09, "1800 20000"},
		{"and never under it", 0.01, "1000 20000"},
	} {
		if err := (&Group{CgroupV2, root, root}).Limit(row.cores); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(root, "cpu.max")); err != nil || !strings.HasPrefix(string(got), row.max) {
			t.Errorf("%s: %q, %v, want %q", row.why, got, err, row.max)
		}
	}
	if err := (&Group{CgroupV1, root, root}).Limit(0.5); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"cpu.cfs_quota_us": "5000", "cpu.shares": "512", "cpu.weight": "50"} {
		if got, err := os.ReadFile(filepath.Join(root, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %s", name, got, err, want)
		}
	}
}

func TestScale(t *testing.T) {
	for _, row := range []struct {
		cores, vcpus int
		want         float64
	}{{2, 8, 0.1875}, {8, 4, 1}, {2, 0, 1}, {4, 4, 0.75}} {
		if got := Scale(row.cores, row.vcpus); got != row.want {
			t.Errorf("Scale(%d, %d) = %v, want %v", row.cores, row.vcpus, got, row.want)
		}
	}
}

func TestRemoveEmptyTakesDeadAndEmptyOnly(t *testing.T) {
	root := tree(t, "fairlead-1-busy/cgroup.procs", "7\n", "other-1/cgroup.procs", "")
	for _, empty := range []string{"fairlead-1-empty", "fairlead-2-alive", "other-2"} {
		if err := os.Mkdir(filepath.Join(root, empty), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	Parent{CgroupV2, root, root}.RemoveEmpty("fairlead-", func(name string) bool { return !strings.HasSuffix(name, "alive") })
	left, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range left {
		left[n] = filepath.Base(left[n])
	}
	if got := strings.Join(left, " "); got != "fairlead-1-busy fairlead-2-alive other-1 other-2" {
		t.Errorf("left: %s", got)
	}
}
