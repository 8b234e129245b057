package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// keepMounts keeps what is mounted from now on in this mount namespace. systemd
// makes all mounts shared at boot (mount_namespaces(7), "Shared subtrees"): as
// root, a /proc or an /opt mounted here would appear on the machine itself.
func keepMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	return nil
}

// privatize gives this mount namespace its own folders: each private one is
// bound from Dir/root. The machine's own keep what they have. The instance's
// folder stays visible when it lies below one of them.
func privatize(dir string, private []string) error {
	self, err := os.Open(dir) // a way to the folder that no later mount can hide
	if err != nil {
		return err
	}
	defer self.Close()
	own := fmt.Sprintf("/proc/self/fd/%d", self.Fd())
	for _, target := range private {
		if err := cover(own, target); err != nil {
			return err
		}
		if strings.HasPrefix(dir+"/", target+"/") {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := unix.Mount(own, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
				return fmt.Errorf("keep %s visible: %w", dir, err)
			}
		}
	}
	return hideInit(own)
}

// cover binds own/root/target over target. Where the machine has no such
// folder, an overlay on the nearest one above it makes room for it.
func cover(own, target string) error {
	source := filepath.Join(own, "root", target)
	if err := os.MkdirAll(source, 0o755); err != nil {
		return err
	}
	above := target
	for {
		if info, err := os.Stat(above); err == nil && info.IsDir() {
			break
		}
		above = filepath.Dir(above)
	}
	if above == target {
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", target, err)
		}
		return nil
	}
	if above == "/" {
		return fmt.Errorf("%s is not on this machine", target)
	}
	work := filepath.Join(own, "work", above)
	if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", above, filepath.Join(own, "root", above), work)
	err := unix.Mount("overlay", above, "overlay", 0, options+",userxattr")
	if err != nil {
		err = unix.Mount("overlay", above, "overlay", 0, options)
	}
	if err != nil {
		return fmt.Errorf("%s is not on this machine, and overlay on %s: %w", target, above, err)
	}
	return os.MkdirAll(target, 0o755)
}

// hideInit keeps scripts of the instance from the machine's own init: its
// sockets are covered, and the programs that talk to it are ours. Otherwise
// "/usr/sbin/shutdown" in a script, run as root, would end the machine.
func hideInit(own string) error {
	empty := filepath.Join(own, "root/run/empty")
	if err := os.MkdirAll(empty, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"/run/systemd", "/run/dbus"} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			if err := unix.Mount(empty, dir, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("hide %s: %w", dir, err)
			}
		}
	}
	covered := map[string]bool{}
	for _, name := range Programs[1:] { // "aws" is found by PATH
		for _, dir := range []string{"/usr/bin", "/usr/sbin", "/bin", "/sbin"} {
			real, err := filepath.EvalSymlinks(filepath.Join(dir, name))
			// Only programs of that name: on BusyBox machines all are one file.
			if err != nil || covered[real] || !slices.Contains(Programs, filepath.Base(real)) {
				continue
			}
			covered[real] = true
			if err := unix.Mount(filepath.Join(own, "bin/supervisor"), real, "", unix.MS_BIND, ""); err != nil {
				return fmt.Errorf("cover %s: %w", real, err)
			}
		}
	}
	return nil
}

// ownProc mounts a /proc of this PID namespace. Some containers refuse it; then
// the machine's process numbers stay visible and CPU clocks cannot be read.
func ownProc() error {
	err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if _, err := os.Readlink("/proc/self"); err != nil {
		return errors.New("/proc shows another namespace")
	}
	return nil
}
