package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// takeFolder makes the cloud's folder its own: one cloud at a time.
func (c *Cloud) takeFolder() error {
	temporary := c.config.Dir == ""
	if temporary {
		dir, err := os.MkdirTemp("", "fairlead-cloud-")
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
	lock, err := os.OpenFile(c.path("lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("the local cloud's folder: %w", err)
	}
	// The kernel drops the lock with the process, however that ends.
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("another local cloud uses the folder %s: %w", dir, err), lock.Close())
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
