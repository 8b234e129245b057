package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const procRoot = "/proc"

// tick is the unit of /proc's CPU times: USER_HZ is 100 wherever Linux runs
// (proc_pid_stat(5), sysconf(_SC_CLK_TCK)).
const tick = 10 * time.Millisecond

// process is what is used of /proc/<pid>/stat.
type process struct {
	parent int
	cpu    time.Duration // user and system time of all its threads
	waited time.Duration // of children that have ended and been waited for
}

// parseStat reads a line of /proc/<pid>/stat: fields 4 ppid, 14 utime, 15
// stime, 16 cutime, 17 cstime (proc_pid_stat(5)). Field 2 is the program's
// name in brackets, which may hold blanks and brackets itself.
func parseStat(line []byte) (process, error) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return process{}, fmt.Errorf("%q has no name in brackets", line)
	}
	const third = 3 // the first field behind the name
	fields := bytes.Fields(line[end+1:])
	if len(fields) < 17-third+1 {
		return process{}, fmt.Errorf("%q ends before field 17", line)
	}
	var n [18]int64
	for _, i := range []int{4, 14, 15, 16, 17} {
		var err error
		if n[i], err = strconv.ParseInt(string(fields[i-third]), 10, 64); err != nil {
			return process{}, fmt.Errorf("field %d: %w", i, err)
		}
	}
	return process{int(n[4]), time.Duration(n[14]+n[15]) * tick, time.Duration(n[16]+n[17]) * tick}, nil
}

// treeCPU is the CPU time of a process and of all that descend from it.
func treeCPU(root string, pid int) (time.Duration, error) {
	found, err := filepath.Glob(filepath.Join(root, "[0-9]*", "stat"))
	if err != nil {
		return 0, err
	}
	all := make(map[int]process, len(found))
	for _, name := range found {
		line, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended since
		}
		p, err := parseStat(line)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		id, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			return 0, err
		}
		all[id] = p
	}
	if _, ok := all[pid]; !ok {
		return 0, fmt.Errorf("process %d: %w", pid, errors.Join(errEnded, fs.ErrNotExist))
	}
	var sum time.Duration
	for id, p := range all {
		for up, steps := id, 0; up > 1 && steps < len(all); up, steps = all[up].parent, steps+1 {
			if up == pid {
				sum += p.cpu + p.waited
				break
			}
		}
	}
	return sum, nil
}

var errEnded = errors.New("the process has ended")
