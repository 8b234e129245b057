package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local/host/supervisor"
)

// parent is a cloud process that a test kills: it starts two instances with
// everything on them that could outlive it, says so, and waits.
func parent() int {
	h, err := New(Config{Dir: os.Getenv("HOST_TEST_DIR"), Registry: os.Getenv("HOST_TEST_REGISTRY"), Endpoint: "http://127.0.0.1:1", Region: "us-east-1",
		WithoutNamespaces: os.Getenv("HOST_TEST_PLAIN") != ""})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for n := range 2 {
		i, err := h.Start(context.Background(), Spec{ID: fmt.Sprintf("i-%d", n), VCPUs: 1})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		// A service, what a script left in the background, and one of it that
		// left its session; then a script that is running.
		script := unit("sleep.service", "[Service]\nExecStart=/bin/sleep 1000\nRestart=always\n") +
			"systemctl start sleep || exit 1\nsleep 1000 >/dev/null 2>&1 &\nsetsid sleep 1000 >/dev/null 2>&1 &\n"
		if code, _, err := i.Script(context.Background(), "one", supervisor.Script{Text: script}); code != 0 || err != nil {
			fmt.Println(code, err)
			return 1
		}
		go i.Script(context.Background(), "two", supervisor.Script{Text: "sleep 1000"})
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin) // until it is killed
	return 0
}

// living lists the processes of instances below a folder: each has the folder
// in its environment, whatever namespace or session it is in.
func living(t *testing.T, dir string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, proc := range all {
		text, err := os.ReadFile(filepath.Join(proc, "environ"))
		if err == nil && strings.Contains(string(text), "FAIRLEAD_INSTANCE="+dir) {
			pid, err := strconv.Atoi(filepath.Base(proc))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// startParent starts a cloud process and waits until its instances are busy.
func startParent(t *testing.T, dir, registry string, plain bool) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "HOST_TEST=parent", "HOST_TEST_DIR="+dir, "HOST_TEST_REGISTRY="+registry)
	if plain {
		cmd.Env = append(cmd.Env, "HOST_TEST_PLAIN=1")
	}
	stdin, err1 := cmd.StdinPipe()
	stdout, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if line != "ready\n" {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatal("parent: ", line, err)
	}
	return cmd
}

func TestNothingOutlivesTheCloudProcess(t *testing.T) {
	for _, row := range []struct {
		why             string
		plain           bool
		withSupervisors bool // killed at the same moment
	}{
		{"the parent is killed", false, false},
		{"the parent and the supervisors are killed at once", false, true},
		{"the parent is killed where there are no namespaces", true, false},
	} {
		t.Run(row.why, func(t *testing.T) {
			dir, registry := t.TempDir(), filepath.Join(t.TempDir(), "registry")
			cmd := startParent(t, dir, registry, row.plain)
			before := living(t, dir)
			if len(before) < 8 {
				t.Errorf("only %d processes on two instances", len(before))
			}
			if removed, err := Clean(t.Context(), registry); err != nil || len(removed) > 0 {
				t.Errorf("Clean took %v of a living process, %v", removed, err)
			}
			killed := time.Now()
			if row.withSupervisors && inNamespace(t, before[0]) {
				for _, pid := range before {
					if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) == "supervisor\n" {
						syscall.Kill(pid, syscall.SIGKILL)
					}
				}
			}
			cmd.Process.Kill()
			cmd.Wait()
			for left := living(t, dir); len(left) > 0; left = living(t, dir) {
				if time.Since(killed) > 5*time.Second {
					t.Fatalf("%d processes live on", len(left))
				}
				<-time.After(time.Millisecond)
			}
			t.Logf("%d processes were gone after %v", len(before), time.Since(killed))
			removed, err := Clean(t.Context(), registry)
			if err != nil || !row.withSupervisors && len(removed) != 2 {
				t.Errorf("Clean removed %v, %v; want two instances", removed, err)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left in the folder: %v, %v", left, err)
			}
			if left, err := os.ReadDir(registry); err != nil || len(left) > 0 {
				t.Errorf("left in the registry: %v, %v", left, err)
			}
			if groups, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/*/fairlead-%d-*", cmd.Process.Pid)); len(groups) > 0 {
				t.Errorf("left of cgroups: %v", groups)
			}
		})
	}
}

func inNamespace(t *testing.T, pid int) bool {
	t.Helper()
	ours, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	theirs, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
	return theirs != "" && theirs != ours
}

func TestTerminateLeavesNothing(t *testing.T) {
	mounts := func() string {
		text, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := mounts()
	h := newHost(t, nil)
	i := start(t, h, "i-gone", nil)
	run(t, i, "setsid sleep 1000 >/dev/null 2>&1 & sleep 1000 >/dev/null 2>&1 &")
	// A process that is just being replaced by another program has no environment
	// to be known by for a moment.
	for n, deadline := 0, time.Now().Add(10*time.Second); n < 3; {
		if n = len(living(t, i.Dir)); n < 3 && time.Now().After(deadline) {
			t.Fatalf("%d processes before the end, want the supervisor and two", n)
		}
	}
	begin := time.Now()
	if err := i.Terminate(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("terminated in %v", time.Since(begin))
	if left := living(t, i.Dir); len(left) > 0 {
		t.Errorf("%d processes live on", len(left))
	}
	if groups, _ := filepath.Glob("/sys/fs/cgroup/*/fairlead-*-i-gone"); len(groups) > 0 {
		t.Errorf("left of cgroups: %v", groups)
	}
	if after := mounts(); after != before {
		t.Errorf("mounts changed from\n%s\nto\n%s", before, after)
	}
	if err := i.Terminate(t.Context()); err != nil {
		t.Errorf("a second Terminate: %v", err)
	}
}

// TestAsAnotherUser runs tests of this package as nobody: without root there
// is a user namespace, and no cgroup on most machines.
func TestAsAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	const nobody = 65534
	dir, err := os.MkdirTemp("", "nobody")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, tmp := filepath.Join(dir, "host.test"), filepath.Join(dir, "tmp")
	text, err := os.ReadFile(self)
	if err := errors.Join(err, os.Chmod(dir, 0o755), os.WriteFile(program, text, 0o755), os.Mkdir(tmp, 0o700), os.Chown(tmp, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run",
		"^(TestInstanceServesOnItsOwnAddress|TestNothingOutlivesTheCloudProcess|TestTerminateLeavesNothing|TestPrivateFolders|TestCPULimit)$")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.Dir = tmp
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}
