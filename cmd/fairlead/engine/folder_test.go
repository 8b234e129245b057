package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestForgetRemovesFoldersOfDeadCloudsOnly(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		why    string
		lock   bool          // the folder has a lock file
		held   bool          // which a process holds
		kept   time.Duration // age of the mark; 0: none
		remove bool
	}{
		{"the cloud was killed", true, false, 0, true},
		{"the cloud was killed before it was up", false, false, 0, true},
		{"the cloud lives, however old its folder is", true, true, 0, false},
		{"the run failed an hour ago: its logs are for reading", true, false, time.Hour, false},
		{"the run failed the day before yesterday", true, false, 49 * time.Hour, true},
	} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "run-1")
		if err := os.MkdirAll(filepath.Join(dir, "host", "instances"), 0o755); err != nil {
			t.Fatal(err)
		}
		if tt.lock {
			f, err := os.Create(filepath.Join(dir, lockFile))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if tt.held {
				if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
					t.Fatal(err)
				}
			}
		}
		if tt.kept > 0 {
			if err := keep(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(filepath.Join(dir, keptFile), time.Time{}, now.Add(-tt.kept)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(dir, time.Time{}, now.Add(-72*time.Hour)); err != nil {
			t.Fatal(err)
		}
		forget(parent, now)
		_, err := os.Stat(dir)
		if removed := os.IsNotExist(err); removed != tt.remove {
			t.Errorf("%s: removed %v", tt.why, removed)
		}
	}
}

func TestKeptFolderHoldsLogsAndNoPrograms(t *testing.T) {
	dir := t.TempDir()
	logs := []string{"host/instances/i-1/journal/all", "lambda/logs/plan.log"}
	programs := []string{"host/instances/i-1/root/opt/fairlead/backend", "lambda/code/abc/bootstrap", "buckets/assets/lambdas.zip"}
	for _, name := range append(logs, programs...) {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := keep(dir); err != nil {
		t.Fatal(err)
	}
	for _, name := range logs {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is kept: %v", name, err)
		}
	}
}
