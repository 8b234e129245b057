package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/local/host/cpu"
)

// DefaultRegistry is the folder in which this user's cloud processes note what
// the kernel will not clean up after them.
func DefaultRegistry() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "fairlead")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("fairlead-%d", os.Getuid()))
}

// entry is one cloud process's note. The process holds a lock on the file, so
// that a note without a lock is a dead process's.
type entry struct {
	mu      sync.Mutex
	file    *os.File
	content note
}

type note struct {
	Dir       string               `json:"dir"` // of instances; removed with the note
	Instances map[string]leftovers `json:"instances"`
}

// leftovers is what one instance may leave.
type leftovers struct {
	PID     int      `json:"pid"`     // of the supervisor
	Started string   `json:"started"` // its start time in /proc/<pid>/stat, because pids come again
	Cgroups []string `json:"cgroups,omitempty"`
}

func newEntry(registry, dir string) (*entry, error) {
	if err := os.MkdirAll(registry, 0o700); err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	if err := ours(registry); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(registry, fmt.Sprintf("%d-*.json", os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("registry: %w", err), f.Close())
	}
	e := &entry{file: f, content: note{Dir: dir, Instances: map[string]leftovers{}}}
	return e, e.set("", nil)
}

// set notes an instance, or with nil that nothing of it is left.
func (e *entry) set(id string, l *leftovers) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if l != nil {
		e.content.Instances[id] = *l
	} else {
		delete(e.content.Instances, id)
	}
	text, err := json.Marshal(e.content)
	if err != nil {
		return err
	}
	// Written in place, because the lock belongs to this file. A process killed
	// between the two calls leaves a note that Clean cannot read: it then looks
	// no further, and the cgroups stay, empty.
	if _, err := e.file.WriteAt(text, 0); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	return e.file.Truncate(int64(len(text)))
}

func (e *entry) close() error {
	return errors.Join(os.Remove(e.file.Name()), e.file.Close())
}

// Clean removes what dead cloud processes of this user have left: processes,
// cgroups and folders of their instances. It says what it removed. A registry
// that is not there is clean.
func Clean(ctx context.Context, registry string) (removed []string, err error) {
	if err := ours(registry); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(registry, "*.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		f, openErr := os.OpenFile(file, os.O_RDWR, 0)
		if openErr != nil {
			continue // another Clean was faster
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			f.Close() // its process lives
			continue
		}
		more, cleanErr := cleanOne(ctx, f)
		removed = append(removed, more...)
		err = errors.Join(err, cleanErr, f.Close())
	}
	if parent, none := cpu.Find(); none == nil {
		parent.RemoveEmpty(groupPrefix, func(name string) bool {
			pid, _, _ := strings.Cut(strings.TrimPrefix(name, groupPrefix), "-")
			_, gone := os.Stat("/proc/" + pid)
			return errors.Is(gone, os.ErrNotExist)
		})
	}
	return removed, err
}

// groupPrefix begins the name of each instance's cgroup; the pid of its cloud
// process and the instance's id follow.
const groupPrefix = "fairlead-"

func cleanOne(ctx context.Context, f *os.File) (removed []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var n note
	if err := json.NewDecoder(f).Decode(&n); err != nil {
		return nil, os.Remove(f.Name()) // killed before it had noted anything
	}
	for id, l := range n.Instances {
		if l.PID > 1 && startTime(l.PID) == l.Started {
			_ = syscall.Kill(l.PID, syscall.SIGKILL)
		}
		if e := cpu.Remove(ctx, l.Cgroups); e != nil {
			err = errors.Join(err, e)
			continue
		}
		removed = append(removed, "instance "+id)
	}
	if n.Dir != "" {
		err = errors.Join(err, os.RemoveAll(filepath.Join(n.Dir, instancesDir)), os.RemoveAll(filepath.Join(n.Dir, appletFile)))
	}
	if err != nil {
		return removed, err // the note stays for the next try
	}
	return removed, os.Remove(f.Name())
}

// ours refuses a registry that another user could have made: Clean removes
// folders that the notes in it name.
func ours(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Getuid() || info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("registry: %s is not a folder that only this user may write", dir)
	}
	return nil
}

// startTime is field 22 of /proc/<pid>/stat; empty when there is no process.
func startTime(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	// The name, field 2, may hold spaces and brackets: count after its last one.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}
