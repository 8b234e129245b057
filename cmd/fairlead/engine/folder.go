package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// lockFile is the file in a cloud's folder that the cloud holds a lock on
	// for as long as its process lives.
	lockFile = "lock"
	// keptFile marks a folder that outlives its cloud on purpose: the logs in
	// it tell why a run failed.
	keptFile = "kept"
	// keepLogs is how long.
	keepLogs = 24 * time.Hour
)

// folder is a place for a cloud's logs and state.
type folder struct {
	path    string
	started func() error // to be called once the cloud holds its lock, or has failed to
}

// newFolder makes a folder in the user's cache, and removes those of clouds
// that are gone. Only one process at a time is in here and in the start that
// follows, so that a folder without a lock is never one that is about to get it.
func newFolder() (f folder, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return f, fmt.Errorf("no folder for the local AWS: %w", err)
	}
	parent := filepath.Join(cache, "fairlead", "clouds")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return f, err
	}
	turn, err := os.OpenFile(filepath.Join(parent, "turn"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return f, err
	}
	f.started = turn.Close
	if err := syscall.Flock(int(turn.Fd()), syscall.LOCK_EX); err != nil {
		return f, errors.Join(fmt.Errorf("waiting for another start: %w", err), turn.Close())
	}
	forget(parent, time.Now())
	if f.path, err = os.MkdirTemp(parent, "run-"); err != nil {
		return f, errors.Join(err, turn.Close())
	}
	return f, nil
}

// forget removes the folders of clouds that are gone, those kept for reading
// once they are old. What cannot be removed is tried again at another start.
func forget(parent string, now time.Time) {
	all, err := filepath.Glob(filepath.Join(parent, "run-*"))
	if err != nil {
		return
	}
	for _, dir := range all {
		if kept, err := os.Stat(filepath.Join(dir, keptFile)); err == nil && now.Sub(kept.ModTime()) < keepLogs {
			continue
		}
		lock, err := os.Open(filepath.Join(dir, lockFile))
		if errors.Is(err, os.ErrNotExist) { // killed before it was up
			_ = os.RemoveAll(dir)
			continue
		}
		if err != nil {
			continue
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
}

// keep marks a folder as kept on purpose and removes the programs from it,
// which are its bulk: some 170 MB.
func keep(dir string) error {
	errs := []error{os.WriteFile(filepath.Join(dir, keptFile), []byte("The logs of a run that failed; removed by a start of fairlead after a day.\n"), 0o644)}
	for _, bulk := range []string{"buckets", "lambda/code", "lambda/sandboxes", "host/instances/*/root/opt"} {
		found, err := filepath.Glob(filepath.Join(dir, bulk))
		errs = append(errs, err)
		for _, path := range found {
			errs = append(errs, os.RemoveAll(path))
		}
	}
	return errors.Join(errs...)
}
