package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is one running process, told from a later one with the same number
// by its start time.
type process struct {
	pid     int
	started string
	comm    string
}

func (p process) String() string { return fmt.Sprintf("%s (%d)", p.comm, p.pid) }

func (p process) alive() bool {
	now, _, ok := readStat(p.pid)
	return ok && now.started == p.started
}

func (p process) kill() {
	if p.alive() {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
}

func (p process) environ() string { return p.read("environ") }

func (p process) read(file string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.pid, file))
	return string(bytes.ReplaceAll(text, []byte{0}, []byte{'\n'}))
}

// readStat reads /proc/<pid>/stat. A zombie counts as gone.
func readStat(pid int) (_ process, parent int, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, 0, false
	}
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return process{pid: pid, started: fields[19], comm: string(text[open+1 : end])}, parent, err == nil
}

// tree is a process and all that descends from it.
func tree(root int) []process {
	children := map[int][]process{}
	var all []process
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		p, parent, ok := readStat(pid)
		if !ok {
			continue
		}
		if pid == root {
			all = append(all, p)
		}
		children[parent] = append(children[parent], p)
	}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i].pid]...)
	}
	return all
}

// processes are those that have the home's folder in their environment, command
// line or program: everything that was ever started in it.
func (h home) processes() []process {
	var found []process
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		p, _, ok := readStat(pid)
		if !ok || pid == os.Getpid() {
			continue
		}
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if strings.Contains(p.environ()+p.read("cmdline")+exe, h.dir+"/") {
			found = append(found, p)
		}
	}
	return found
}

// living are those of the given processes that still run.
func living(all []process) []process {
	var left []process
	for _, p := range all {
		if p.alive() {
			left = append(left, p)
		}
	}
	return left
}
