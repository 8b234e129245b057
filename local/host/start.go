package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/local/host/cpu"
	"github.com/fairlead/fairlead/local/host/imds"
	"github.com/fairlead/fairlead/local/host/supervisor"
)

// privateFolders are those of an instance's file system that are its own.
func privateFolders() []string {
	return []string{"/tmp", "/var/tmp", "/opt", "/var/log", "/etc/systemd/system"}
}

// mode is one way to start a supervisor.
type mode struct {
	flags uintptr // namespaces
	user  bool    // with a user namespace, because we are not root
}

// modesFor lists the ways from the best to the one that always works.
func modesFor(uid int, without bool) []mode {
	plain := mode{}
	if without {
		return []mode{plain}
	}
	const own = syscall.CLONE_NEWPID | syscall.CLONE_NEWNS
	if uid == 0 {
		return []mode{{flags: own}, plain}
	}
	return []mode{{flags: own | syscall.CLONE_NEWUSER, user: true}, plain}
}

func (m mode) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Cloneflags: m.flags,
		Setsid:     true, // Ctrl-C at the terminal is for us alone
	}
	if m.flags != 0 {
		// The kernel kills the supervisor, and its namespace with it, when the
		// thread that started it ends. Go's threads end only with the process, or
		// with a goroutine that locked its thread: nothing here does. Without
		// namespaces the supervisor must live on to kill its tree.
		a.Pdeathsig = syscall.SIGKILL
	}
	if m.user { // root inside, as on an instance; another user would lose the rights to mount at exec
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return a
}

// Start starts an instance and returns when its supervisor is ready, which
// takes some tens of milliseconds; user data runs after that. ctx bounds the
// start alone.
func (h *Host) Start(ctx context.Context, spec Spec) (_ *Instance, err error) {
	if !spec.Addr.IsValid() {
		if spec.Addr, err = h.addresses.take(); err != nil {
			return nil, err
		}
	}
	i := &Instance{ID: spec.ID, Addr: spec.Addr, Dir: filepath.Join(h.config.Dir, instancesDir, spec.ID), host: h, spec: spec,
		launched: time.Now(), tags: maps.Clone(spec.Tags), done: make(chan struct{})}
	var undo []func() // failures here are not told: the first one is
	defer func() {
		if err != nil {
			for n := len(undo) - 1; n >= 0; n-- {
				undo[n]()
			}
			err = fmt.Errorf("start instance %s: %w", spec.ID, err)
		}
	}()
	undo = append(undo, func() { h.addresses.release(spec.Addr) })
	h.mu.Lock()
	i.scale, i.cpus = h.scale, h.scale*float64(spec.VCPUs)
	h.mu.Unlock()
	if err := i.furnish(filepath.Join(h.config.Dir, appletFile)); err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = os.RemoveAll(i.Dir) })
	left := &leftovers{}
	if h.limit == cpu.CgroupV1 || h.limit == cpu.CgroupV2 {
		if i.group, err = h.cgroups.New(fmt.Sprintf("%s%d-%s", groupPrefix, os.Getpid(), i.ID)); err != nil {
			return nil, err
		}
		undo = append(undo, func() {
			// Also when ctx is what ended the start.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			_ = i.group.Remove(ctx)
		})
		left.Cgroups = i.group.Paths()
		if err := h.entry.set(i.ID, left); err != nil {
			return nil, err
		}
	}
	undo = append(undo, func() { _ = h.entry.set(i.ID, nil) })
	if err := i.serveMetadata(ctx); err != nil {
		return nil, err
	}
	undo = append(undo, func() { _ = i.metadata.Close() })
	if err := h.launch(ctx, i); err != nil {
		return nil, err
	}
	left.PID, left.Started = i.command.Process.Pid, startTime(i.command.Process.Pid)
	noteErr := h.entry.set(i.ID, left)
	h.mu.Lock()
	h.instances[i.ID] = i
	closed := h.closed
	h.mu.Unlock()
	go i.wait()
	if noteErr != nil || closed {
		undo = nil // wait undoes it all
		if closed {
			noteErr = errors.New("the host is closed")
		}
		return nil, errors.Join(noteErr, i.Terminate(ctx))
	}
	return i, nil
}

// furnish makes the instance's folder with its programs: one file and links.
func (i *Instance) furnish(applet string) error {
	if err := os.Mkdir(i.Dir, 0o755); err != nil {
		return err
	}
	bin := filepath.Join(i.Dir, "bin")
	for _, dir := range []string{bin, filepath.Join(i.Dir, "root/home"), filepath.Join(i.Dir, "journal")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Link(applet, filepath.Join(bin, "supervisor")); err != nil {
		return err
	}
	for _, name := range supervisor.Programs {
		if err := os.Symlink("supervisor", filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

func (i *Instance) serveMetadata(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp4", metadataAddress(i.Addr))
	if err != nil {
		return fmt.Errorf("metadata service: %w", err)
	}
	i.metadata = &http.Server{Handler: imds.New(i.describe, i.host.config.Credentials), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = i.metadata.Serve(l) }() // until wait closes it
	return nil
}

// describe is what the metadata service tells.
func (i *Instance) describe() imds.Instance {
	d := imds.Instance{ID: i.ID, Type: i.spec.Type, Architecture: i.spec.Architecture, ImageID: i.spec.ImageID,
		Account: i.host.config.Account, Region: i.host.config.Region, Zone: i.spec.Zone, LocalIPv4: i.Addr.String(),
		Launched: i.launched, ProfileARN: i.spec.ProfileARN, RoleARN: i.spec.RoleARN, UserData: i.spec.UserData, Emulation: i.Emulation()}
	if i.spec.MetadataTags {
		i.mu.Lock()
		d.Tags = maps.Clone(i.tags)
		i.mu.Unlock()
	}
	return d
}

// launch starts the supervisor in the best mode that the machine allows and
// waits until it is ready.
func (h *Host) launch(ctx context.Context, i *Instance) error {
	for {
		h.mu.Lock()
		m, others := h.modes[0], len(h.modes) > 1
		h.mu.Unlock()
		err := h.launchIn(ctx, i, m)
		if err == nil || !others || !refused(err) {
			return err
		}
		h.mu.Lock()
		if h.modes[0] == m {
			h.modes = h.modes[1:]
		}
		h.mu.Unlock()
	}
}

// errMode is a supervisor that cannot do its work in the way it was started.
var errMode = errors.New("supervisor")

// refused says whether the machine does not allow what was tried.
func refused(err error) bool {
	if errors.Is(err, errMode) {
		return true
	}
	for _, e := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.ENOSPC, syscall.EINVAL, syscall.ENOSYS, syscall.EUSERS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (h *Host) launchIn(ctx context.Context, i *Instance, m mode) (err error) {
	bootRead, bootWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer bootRead.Close()
	defer func() {
		if err != nil {
			bootWrite.Close()
		}
	}()
	readyRead, readyWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer readyRead.Close()
	defer readyWrite.Close()
	log, err := os.OpenFile(filepath.Join(i.Dir, "supervisor.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	env := h.environment(i.Dir, i.Addr)
	cmd := &exec.Cmd{Path: filepath.Join(i.Dir, "bin/supervisor"), Args: []string{"supervisor", i.ID}, Dir: "/", Env: env,
		Stdout: log, Stderr: log, ExtraFiles: []*os.File{bootRead, readyWrite}, SysProcAttr: m.attributes()}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = cmd.Process.Kill(), cmd.Wait() // why it ends is known
		}
	}()
	readyWrite.Close()
	if i.group != nil { // before it is told what to do, so that all it starts is in the group
		if err := i.group.Add(cmd.Process.Pid); err != nil {
			return err
		}
	}
	boot := supervisor.Boot{Dir: i.Dir, Name: i.ID, Env: env, Private: privateFolders(), Namespaced: m.flags != 0, UserData: i.spec.UserData}
	if h.limit == cpu.StopCont {
		boot.Throttle = i.cpus
	}
	if err := json.NewEncoder(bootWrite).Encode(boot); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { readyRead.Close() }) // the read ends
	defer stop()
	var ready supervisor.Ready
	if err := json.NewDecoder(readyRead).Decode(&ready); err != nil {
		text, _ := os.ReadFile(log.Name())
		return errors.Join(ctx.Err(), fmt.Errorf("supervisor: %w %s", err, text))
	}
	if ready.Error != "" {
		return fmt.Errorf("%w: %s", errMode, ready.Error)
	}
	// The limit begins when the machine is up: a tenth of a core would make
	// every start ten times as long, and no trial measures it.
	if i.group != nil {
		if err := i.group.Limit(i.cpus); err != nil {
			return err
		}
	}
	i.command, i.boot = cmd, bootWrite
	return nil
}
