package host

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/local/host/cpu"
	"github.com/fairlead/fairlead/local/host/imds"
	"github.com/fairlead/fairlead/local/host/supervisor"
)

// Spec describes an instance to start.
type Spec struct {
	ID, Type, Architecture, ImageID, Zone string

	VCPUs        int
	ProfileARN   string     // of the instance profile; empty: none
	RoleARN      string     // of its role
	Addr         netip.Addr // from Reserve; zero: Start takes one
	Tags         map[string]string
	MetadataTags bool   // the metadata service shows the tags
	UserData     []byte // decoded; run at boot when it begins with "#!"
}

// End says how an instance ended.
type End string

// The ends. Running is the zero value.
const (
	Running    End = ""
	Terminated End = "terminated" // by Terminate
	ShutDown   End = "shut down"  // from inside
	Died       End = "died"       // its supervisor ended in any other way
)

// Instance is one running, or ended, instance.
type Instance struct {
	ID   string
	Addr netip.Addr
	Dir  string // its folder: journal/, root/, ssm/

	host     *Host
	spec     Spec
	launched time.Time
	scale    float64
	cpus     float64 // cores it may use
	group    *cpu.Group
	metadata *http.Server
	command  *exec.Cmd
	boot     *os.File // kept open: its end ends the instance
	done     chan struct{}

	mu       sync.Mutex
	tags     map[string]string
	asked    bool // Terminate was called
	end      End
	used     float64 // CPU seconds at the end
	leftover error
}

// Done is closed when the instance has ended and nothing of it is left.
func (i *Instance) Done() <-chan struct{} { return i.done }

// End says how the instance ended.
func (i *Instance) End() End {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.end
}

// SetTags changes what the metadata service shows.
func (i *Instance) SetTags(tags map[string]string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tags = maps.Clone(tags)
}

// CPU is the CPU time that the instance has used, in seconds, and the number of
// cores that it may use.
func (i *Instance) CPU() (usedSeconds, cpus float64) {
	i.mu.Lock()
	end, used := i.end, i.used
	i.mu.Unlock()
	if end != Running {
		return used, i.cpus
	}
	now, err := i.usage()
	i.mu.Lock()
	defer i.mu.Unlock()
	if err == nil && now > i.used { // never backwards, also when the supervisor is ending
		i.used = now
	}
	return i.used, i.cpus
}

func (i *Instance) usage() (float64, error) {
	if i.group != nil {
		return i.group.Usage()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	r, err := supervisor.Call(ctx, i.Dir, supervisor.Request{Op: "usage"})
	return r.Usage.Seconds(), err
}

// Emulation says how far the instance is from the real one.
func (i *Instance) Emulation() imds.Emulation {
	return imds.Emulation{Emulator: "fairlead-local", CPULimit: string(i.host.limit), Scale: i.scale, VCPUs: i.spec.VCPUs,
		CPUs: i.cpus, HostCores: runtime.NumCPU(), Architecture: architecture(runtime.GOARCH)}
}

// architecture is EC2's name for one of Go's.
func architecture(goarch string) string {
	if goarch == "amd64" {
		return "x86_64"
	}
	return goarch
}

// Script runs a shell script on the instance and returns its exit code. Its
// files script.sh, stdout and stderr are in the folder name of the instance's
// own. Ending ctx kills the script.
func (i *Instance) Script(ctx context.Context, name string, s supervisor.Script) (code int, timedOut bool, err error) {
	s.Dir = filepath.Join(i.Dir, name)
	r, err := supervisor.Call(ctx, i.Dir, supervisor.Request{Op: "run", Script: &s})
	if err == nil && r.Stderr != "" {
		return r.Code, r.Timeout, fmt.Errorf("instance %s: %s", i.ID, r.Stderr)
	}
	return r.Code, r.Timeout, err
}

// Terminate ends the instance and waits until nothing of it is left: its
// services get a second to stop, then all is killed.
func (i *Instance) Terminate(ctx context.Context) error {
	i.mu.Lock()
	i.asked = true
	i.mu.Unlock()
	limit := time.AfterFunc(3*time.Second, i.Kill) // a supervisor that is stuck
	defer limit.Stop()
	asked, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := supervisor.Call(asked, i.Dir, supervisor.Request{Op: "poweroff"}); err != nil {
		i.Kill()
	}
	select {
	case <-i.done:
	case <-ctx.Done():
		i.Kill()
		<-i.done
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.leftover
}

// Kill ends the instance at once, as a failing machine would.
func (i *Instance) Kill() {
	select {
	case <-i.done:
	default:
		_ = i.command.Process.Signal(syscall.SIGKILL) // an error means that it has ended
	}
}

// dropDisk removes what an ended instance, as a terminated one of EC2, has no
// more use for: its programs and its own folders but /var/log. A cloud that
// stays up would keep a copy of what was installed for each instance that ever
// ran. The logs stay for whoever asks why it ended. Mounts are of no concern:
// they were in a namespace that ended with the instance. Links are: what ran on
// the instance may have put one in the place of a folder.
func (i *Instance) dropDisk() {
	root, err := os.OpenRoot(i.Dir)
	if err != nil {
		return // the folder is gone, or will go, as a whole
	}
	defer root.Close()
	for _, dir := range []string{"bin", "work", "root/opt", "root/tmp", "root/var/tmp", "root/home"} {
		_ = root.RemoveAll(dir) // what resists goes with the host's folder
	}
}

// wait owns the instance from its start to its end.
func (i *Instance) wait() {
	err := i.command.Wait()
	i.boot.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	end := ShutDown
	if err != nil {
		end = Died
	}
	used, left := 0.0, error(nil)
	if i.group != nil {
		used, _ = i.group.Usage()
		left = i.group.Remove(ctx)
	}
	_ = i.metadata.Close() // its connections end, whatever they answer
	i.dropDisk()
	if left == nil {
		left = i.host.entry.set(i.ID, nil)
	}
	i.host.addresses.release(i.Addr)
	i.host.mu.Lock()
	delete(i.host.instances, i.ID)
	i.host.mu.Unlock()
	i.mu.Lock()
	if i.asked {
		end = Terminated
	}
	i.end, i.used, i.leftover = end, max(used, i.used), left
	i.mu.Unlock()
	close(i.done)
}
