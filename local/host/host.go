package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/fairlead/fairlead/local/host/cpu"
	"github.com/fairlead/fairlead/local/host/imds"
)

// Config is what a Host is made from.
type Config struct {
	Dir      string // folder of the instances; made if missing
	Registry string // see Clean; DefaultRegistry() for a user's cloud
	Endpoint string // AWS_ENDPOINT_URL of the local cloud, as instances reach it
	Region   string
	Account  string

	// Scale is how many cores one vCPU is (cpu.Scale computes it); 0 means 1.
	// SetScale changes it for later starts.
	Scale float64

	// Ports are the ports that instances will listen on. New refuses when one
	// is taken on every address of this machine.
	Ports []int

	// Credentials gives an instance its role's credentials, for the metadata service.
	Credentials imds.Credentials

	// Limit forces a way to limit CPU time; empty chooses the best there is.
	Limit cpu.Kind

	// WithoutNamespaces starts instances as on a machine that refuses namespaces.
	WithoutNamespaces bool
}

// Host runs instances. It is safe for concurrent use.
type Host struct {
	config    Config
	limit     cpu.Kind
	cgroups   cpu.Parent // where limit is a cgroup kind
	addresses *addresses
	entry     *entry

	mu        sync.Mutex
	scale     float64
	modes     []mode // ways to start that may still work, best first
	instances map[string]*Instance
	closed    bool
}

const (
	instancesDir = "instances"
	appletFile   = "applet"
)

// New makes a host. It starts nothing, but takes a range of loopback addresses.
func New(config Config) (*Host, error) {
	dir, err := filepath.Abs(config.Dir)
	if err != nil {
		return nil, err
	}
	config.Dir = dir
	if err := os.MkdirAll(filepath.Join(dir, instancesDir), 0o755); err != nil {
		return nil, fmt.Errorf("instances: %w", err)
	}
	if err := installApplet(filepath.Join(dir, appletFile)); err != nil {
		return nil, fmt.Errorf("instances: %w", err)
	}
	h := &Host{config: config, instances: map[string]*Instance{}, modes: modesFor(os.Geteuid(), config.WithoutNamespaces)}
	h.SetScale(config.Scale)
	h.limit, h.cgroups = chooseLimit(config.Limit)
	if h.addresses, err = claimRange(config.Ports); err != nil {
		return nil, err
	}
	if h.entry, err = newEntry(config.Registry, dir); err != nil {
		return nil, errors.Join(err, h.addresses.claim.Close())
	}
	return h, nil
}

// chooseLimit finds the best way that this machine allows.
func chooseLimit(forced cpu.Kind) (cpu.Kind, cpu.Parent) {
	if forced == "" || forced == cpu.CgroupV1 || forced == cpu.CgroupV2 {
		if parent, err := cpu.Find(); err == nil {
			return parent.Kind, parent
		}
		forced = cpu.StopCont
	}
	if forced == cpu.StopCont {
		// The kernel lists a process's children only when built to do so.
		if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid())); err != nil {
			forced = cpu.None
		}
	}
	return forced, cpu.Parent{}
}

// SetScale sets how many cores one vCPU is for instances started from now on.
func (h *Host) SetScale(scale float64) {
	if scale <= 0 || scale > 1 {
		scale = 1
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scale = scale
}

// Limit says how this host limits CPU time.
func (h *Host) Limit() cpu.Kind { return h.limit }

// Cores is the number of cores of this machine.
func (h *Host) Cores() int { return runtime.NumCPU() }

// Reserve takes an address for an instance that is to start. Start takes over
// the address; one that is not used is given back with Release.
func (h *Host) Reserve() (netip.Addr, error) { return h.addresses.take() }

// Release gives a reserved address back.
func (h *Host) Release(a netip.Addr) { h.addresses.release(a) }

// Range is the loopback range of this host's instances, a /24.
func (h *Host) Range() netip.Prefix { return netip.PrefixFrom(h.addresses.base, 24) }

// Close ends every instance and gives back what the host holds. The journals
// of the instances stay in Dir.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	all := make([]*Instance, 0, len(h.instances))
	for _, i := range h.instances {
		all = append(all, i)
	}
	h.mu.Unlock()
	errs := make([]error, len(all))
	var wait sync.WaitGroup
	for n, i := range all {
		wait.Go(func() { errs[n] = i.Terminate(ctx) })
	}
	wait.Wait()
	err := errors.Join(errs...)
	if err == nil {
		err = h.entry.close() // else the note stays for Clean
	}
	return errors.Join(err, h.addresses.claim.Close(), os.RemoveAll(filepath.Join(h.config.Dir, appletFile)))
}

// installApplet puts this binary where instances can run it, whatever happens
// to its own path (a private /tmp would hide what "go run" built there).
func installApplet(path string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	if os.Link(self, path) == nil {
		return nil
	}
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
