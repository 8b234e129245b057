package supervisor

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// role says which of the processes of TestMountsStayOnTheInstance this is.
const role = "FAIRLEAD_TEST_MOUNTS"

// TestMountsStayOnTheInstance plays a machine whose mounts are shared, as
// systemd makes them. A supervisor that mounted /proc before it had made its
// own mounts private replaced the machine's /proc.
func TestMountsStayOnTheInstance(t *testing.T) {
	dir := os.Getenv("FAIRLEAD_TEST_DIR")
	again := func(next, dir string, flags uintptr) ([]byte, error) {
		c := exec.Command(os.Args[0], "-test.run=^TestMountsStayOnTheInstance$", "-test.v")
		c.Env = append(os.Environ(), role+"="+next, "FAIRLEAD_TEST_DIR="+dir)
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		return c.CombinedOutput()
	}
	switch os.Getenv(role) {
	case "":
		if os.Geteuid() != 0 {
			t.Skip("needs root: in a user namespace the kernel itself keeps mounts inside")
		}
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "bin/supervisor"), nil, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := again("machine", dir, syscall.CLONE_NEWNS)
		if strings.Contains(string(out), "not permitted") {
			t.Skip("this machine refuses mount namespaces")
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	case "machine":
		// First private, so that they are not shared with the real machine.
		for _, kind := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
			if err := unix.Mount("", "/", "", unix.MS_REC|kind, ""); err != nil {
				t.Fatal(err)
			}
		}
		before := mounts(t)
		if out, err := again("instance", dir, syscall.CLONE_NEWNS|syscall.CLONE_NEWPID); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if after := mounts(t); after != before {
			t.Errorf("the machine's mounts were\n%s\nand are\n%s", before, after)
		}
	case "instance":
		s := &supervisor{boot: Boot{Dir: dir, Namespaced: true, Private: []string{"/opt", "/var/log"}}}
		listener, err := s.prepare()
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func mounts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
