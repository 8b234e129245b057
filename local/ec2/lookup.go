package ec2

import (
	"maps"
	"net/netip"
)

// Location is where an instance stands, in whatever state, as other services of
// the local cloud see it.
type Location struct {
	State  string // pending, running, shutting-down, terminated or stopped
	VPC    string
	Subnet string
	Zone   string
	Addr   netip.Addr // its loopback address, which may be another's once it has ended
}

// Locate finds an instance.
func (s *Service) Locate(id string) (Location, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.instances[id]
	if !ok {
		return Location{}, false
	}
	return Location{State: i.state.Name, VPC: i.subnet.VPC, Subnet: i.subnet.id, Zone: i.zone, Addr: i.spec.Addr}, true
}

// Tags are an instance's, for as long as EC2 tells of it: also when it has ended.
func (s *Service) Tags(id string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, ok := s.instances[id]; ok {
		return maps.Clone(i.tags)
	}
	return nil
}

// Subnet finds a subnet.
func (s *Service) Subnet(id string) (Subnet, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.subnets[id]
	if !ok {
		return Subnet{}, false
	}
	return n.Subnet, true
}

// SecurityGroupVPC finds the VPC of a security group.
func (s *Service) SecurityGroupVPC(id string) (vpc string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groups[id]
	if !ok {
		return "", false
	}
	return g.VPC, true
}

// HasVPC says whether there is a VPC.
func (s *Service) HasVPC(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.vpcs[id] != nil
}
