package ec2

import (
	"context"
	"maps"
	"time"

	"github.com/fairlead/fairlead/local/host"
)

// state is an instance's state with EC2's code for it.
type state struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

var (
	pending      = state{0, "pending"}
	running      = state{16, "running"}
	shuttingDown = state{32, "shutting-down"}
	terminated   = state{48, "terminated"}
	stopped      = state{80, "stopped"}
)

// reason is why an instance left its state, with EC2's codes.
type reason struct {
	Code    string `xml:"code"`
	Message string `xml:"message"`
}

var (
	reasonUser     = reason{"Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"}
	reasonInstance = reason{"Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown"}
)

func reasonFailed(why string) reason {
	return reason{"Server.InternalError", "Server.InternalError: " + why}
}

// visible is how long a terminated instance stays in answers (about an hour on EC2).
const visible = time.Hour

// instance is one record. The fields under "state" change, under Service.mu.
type instance struct {
	id, reservation string
	serial, index   int
	kind            Type
	image           image
	zone            string
	subnet          *subnet
	groups          []*group
	launched        time.Time
	profileARN      string
	roleARN         string
	clientToken     string
	onShutdown      string // stop or terminate
	monitored       bool
	metadata        MetadataOptions
	spec            host.Spec
	leave           chan struct{} // closed when the instance is to end
	ended           chan struct{} // closed when nothing of it runs any more

	// state
	state     state
	reason    reason
	changedAt time.Time
	tags      map[string]string
	machine   *host.Instance // while it runs, and after
}

// live runs one instance from its launch to its end. It is the only writer of
// the states after shutting-down.
func (s *Service) live(i *instance) {
	defer close(i.ended)
	boot := time.After(s.config.Delays.Boot)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	machine, err := s.config.Host.Start(ctx, i.spec)
	cancel()
	if err != nil {
		s.enter(i, terminated, reasonFailed(err.Error()))
		return
	}
	s.mu.Lock()
	i.machine = machine
	machine.SetTags(i.tags) // they may have changed meanwhile
	s.mu.Unlock()
	select {
	case <-boot:
		s.advance(i)
		select {
		case <-machine.Done():
		case <-i.leave:
		}
	case <-machine.Done():
	case <-i.leave:
	}
	end := machine.End()
	if end == host.Running { // asked to leave
		down := time.After(s.config.Delays.Shutdown)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := machine.Terminate(ctx); err != nil {
			s.enter(i, terminated, reasonFailed("what ran on the instance could not be removed: "+err.Error()))
			return
		}
		<-down
	}
	s.mu.Lock()
	was := i.reason
	s.mu.Unlock()
	switch {
	case was.Code != "": // by TerminateInstances
		s.enter(i, terminated, was)
	case machine.End() == host.ShutDown && i.onShutdown == "stop":
		s.enter(i, stopped, reasonInstance)
	case machine.End() == host.ShutDown:
		s.enter(i, terminated, reasonInstance)
	default:
		s.enter(i, terminated, reasonFailed("the instance died"))
	}
}

func (s *Service) enter(i *instance, to state, why reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i.state, i.reason, i.changedAt = to, why, time.Now()
}

// advance ends the pending state, unless the instance is leaving already.
func (s *Service) advance(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.state == pending {
		i.state, i.changedAt = running, time.Now()
	}
}

// terminate asks an instance to end. mu is held.
func (s *Service) terminate(i *instance, why reason) {
	switch i.state {
	case pending, running:
		i.state, i.reason, i.changedAt = shuttingDown, why, time.Now()
		close(i.leave)
	case stopped:
		i.state, i.reason, i.changedAt = terminated, why, time.Now()
	}
}

func (i *instance) setTags(tags map[string]string) {
	i.tags = tags
	if i.machine != nil {
		i.machine.SetTags(tags)
	}
}

// Machine is a running instance as other services of the local cloud see it.
type Machine struct {
	ID, Type, RoleARN string
	VCPUs             int
	Monitored         bool // detailed monitoring: CPU every minute instead of five
	Launched          time.Time
	Running           time.Time // since when
	Tags              map[string]string
	Host              *host.Instance
}

// Machines are the instances that are running.
func (s *Service) Machines() []Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Machine
	for _, i := range sorted(s.instances) {
		if i.state == running {
			all = append(all, i.view())
		}
	}
	return all
}

// Machine finds a running instance.
func (s *Service) Machine(id string) (Machine, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.instances[id]
	if !ok || i.state != running {
		return Machine{}, false
	}
	return i.view(), true
}

func (i *instance) view() Machine {
	return Machine{ID: i.id, Type: i.kind.Name, RoleARN: i.roleARN, VCPUs: i.kind.VCPUs, Monitored: i.monitored, Launched: i.launched, Running: i.changedAt,
		Tags: maps.Clone(i.tags), Host: i.machine}
}

// CPU is the CPU time that an instance has used since its start, in seconds,
// and the number of cores that it may use. Both are 0 for an unknown one.
func (s *Service) CPU(id string) (usedSeconds, cpus float64) {
	s.mu.Lock()
	i, ok := s.instances[id]
	var machine *host.Instance
	if ok {
		machine = i.machine
	}
	s.mu.Unlock()
	if machine == nil {
		return 0, 0
	}
	return machine.CPU()
}

// Kill ends an instance as a failing machine would: at once, with nothing told
// to what runs on it. It says whether there was such an instance.
func (s *Service) Kill(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.instances[id]
	if !ok || i.machine == nil || i.state != running && i.state != pending {
		return false
	}
	i.machine.Kill()
	return true
}

func errNoInstance(id string) error {
	return fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
}
