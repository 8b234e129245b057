package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	lockName      = "lock"
	temporaryName = "fairlead-cloud-"
)

// acquire locks a file for this process; the kernel drops the lock with the
// process, however that ends.
func acquire(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another local cloud uses it: %w", err), f.Close())
	}
	return f, nil
}

// cleanFolders removes the temporary folders of clouds that were killed: those
// whose lock nobody holds.
func cleanFolders() (removed []string, err error) {
	locks, err := filepath.Glob(filepath.Join(os.TempDir(), temporaryName+"*", lockName))
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, path := range locks {
		lock, err := acquire(path)
		if err != nil {
			continue // in use, or of another user
		}
		dir := filepath.Dir(path)
		if err := os.RemoveAll(dir); err != nil {
			errs = append(errs, err)
		} else {
			removed = append(removed, dir)
		}
		errs = append(errs, lock.Close())
	}
	return removed, errors.Join(errs...)
}

// takeFolder makes the cloud's folder its own: one cloud at a time.
func (c *Cloud) takeFolder() error {
	temporary := c.config.Dir == ""
	if temporary {
		dir, err := os.MkdirTemp("", temporaryName)
		if err != nil {
			return err
		}
		c.config.Dir = dir
	}
	dir, err := filepath.Abs(c.config.Dir)
	if err != nil {
		return err
	}
	c.config.Dir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the local cloud's folder: %w", err)
	}
	// A temporary folder's lock appears under its name once it is held, so that
	// nobody who looks for leftovers takes this folder for one.
	name := c.path(lockName)
	if temporary {
		name = c.path(lockName + ".new")
	}
	lock, err := acquire(name)
	if err == nil && temporary {
		err = os.Rename(name, c.path(lockName))
	}
	if err != nil {
		return fmt.Errorf("the folder %s: %w", dir, err)
	}
	// What the functions of an earlier cloud left on disk, and their code, which
	// is unpacked again from the bucket.
	if err := errors.Join(os.RemoveAll(c.path("lambda", "sandboxes")), os.RemoveAll(c.path("lambda", "code"))); err != nil {
		return errors.Join(err, lock.Close())
	}
	c.release = func() error {
		err := lock.Close()
		if temporary {
			err = errors.Join(err, os.RemoveAll(dir))
		}
		return err
	}
	return nil
}
