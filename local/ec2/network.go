package ec2

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// VPC is a network as a template declares it.
type VPC struct {
	CIDR string
	Tags map[string]string
}

// Subnet is a part of a VPC in one zone.
type Subnet struct {
	VPC, CIDR, Zone     string
	MapPublicIPOnLaunch bool
	Tags                map[string]string
}

// SecurityGroup is a named set of rules. They are validated, kept and shown;
// loopback traffic passes whatever they say.
type SecurityGroup struct {
	VPC, Name, Description string
	Ingress, Egress        []Rule // nil Egress: all traffic may leave
	Tags                   map[string]string
}

// Rule allows traffic. Exactly one of CIDR and Group is set.
type Rule struct {
	Protocol         string // tcp, udp, icmp or -1 (all)
	FromPort, ToPort int    // of tcp and udp; -1 with -1
	CIDR             string
	Group            string // id of the other security group
	Description      string
}

type vpc struct {
	id string
	VPC
}

type subnet struct {
	id string
	Subnet
}

type group struct {
	id string
	SecurityGroup
}

// CreateVPC makes a VPC and gives its id.
func (s *Service) CreateVPC(v VPC) (string, error) {
	p, err := netip.ParsePrefix(v.CIDR)
	if err != nil || p != p.Masked() || p.Bits() < 16 || p.Bits() > 28 || !p.Addr().Is4() {
		return "", fail("InvalidVpc.Range", "The CIDR '%s' is invalid: a network of /16 to /28 is needed", v.CIDR)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := newID("vpc")
	s.vpcs[id] = &vpc{id, v}
	return id, nil
}

// DeleteVPC removes a VPC that nothing uses.
func (s *Service) DeleteVPC(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.vpcs[id]; !ok {
		return fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", id)
	}
	for _, n := range s.subnets {
		if n.VPC == id {
			return fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted: %s", id, n.id)
		}
	}
	for _, g := range s.groups {
		if g.VPC == id {
			return fail("DependencyViolation", "The vpc '%s' has dependencies and cannot be deleted: %s", id, g.id)
		}
	}
	delete(s.vpcs, id)
	return nil
}

// CreateSubnet makes a subnet and gives its id. An empty zone is the first.
func (s *Service) CreateSubnet(n Subnet) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.vpcs[n.VPC]
	if !ok {
		return "", fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", n.VPC)
	}
	if n.Zone == "" {
		n.Zone = Zones(s.config.Region)[0]
	}
	if !slices.Contains(Zones(s.config.Region), n.Zone) {
		return "", fail("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %v.", n.Zone, Zones(s.config.Region))
	}
	p, err := netip.ParsePrefix(n.CIDR)
	whole := netip.MustParsePrefix(v.CIDR)
	if err != nil || p != p.Masked() || p.Bits() > 28 || p.Bits() < whole.Bits() || !whole.Overlaps(p) {
		return "", fail("InvalidSubnet.Range", "The CIDR '%s' is invalid in %s.", n.CIDR, v.CIDR)
	}
	for _, other := range s.subnets {
		if other.VPC == n.VPC && netip.MustParsePrefix(other.CIDR).Overlaps(p) {
			return "", fail("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", n.CIDR)
		}
	}
	id := newID("subnet")
	s.subnets[id] = &subnet{id, n}
	return id, nil
}

// DeleteSubnet removes a subnet that no instance is in.
func (s *Service) DeleteSubnet(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.subnets[id]; !ok {
		return fail("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
	}
	for _, i := range s.instances {
		if i.subnet.id == id && i.state != terminated {
			return fail("DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted: %s", id, i.id)
		}
	}
	delete(s.subnets, id)
	return nil
}

// CreateSecurityGroup makes a group and gives its id.
func (s *Service) CreateSecurityGroup(g SecurityGroup) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.vpcs[g.VPC]; !ok {
		return "", fail("InvalidVpcID.NotFound", "The vpc ID '%s' does not exist", g.VPC)
	}
	if g.Description == "" {
		return "", fail("MissingParameter", "The request must contain the parameter GroupDescription")
	}
	id := newID("sg")
	if g.Name == "" {
		g.Name = id
	}
	for _, other := range s.groups {
		if other.VPC == g.VPC && other.Name == g.Name {
			return "", fail("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", g.Name, g.VPC)
		}
	}
	if g.Egress == nil { // EC2's default for a new group
		g.Egress = []Rule{{Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}}
	}
	for _, rule := range append(slices.Clone(g.Ingress), g.Egress...) {
		if err := s.checkRule(rule); err != nil {
			return "", err
		}
	}
	s.groups[id] = &group{id, g}
	return id, nil
}

// AddRule adds a rule to a group.
func (s *Service) AddRule(groupID string, ingress bool, rule Rule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groups[groupID]
	if !ok {
		return errNoGroup(groupID)
	}
	if err := s.checkRule(rule); err != nil {
		return err
	}
	rules := &g.Egress
	if ingress {
		rules = &g.Ingress
	}
	if slices.ContainsFunc(*rules, rule.same) {
		return fail("InvalidPermission.Duplicate", "the specified rule \"%s\" already exists", rule)
	}
	*rules = append(*rules, rule)
	return nil
}

// RemoveRule takes a rule out of a group; one that is not there is no error.
func (s *Service) RemoveRule(groupID string, ingress bool, rule Rule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groups[groupID]
	if !ok {
		return errNoGroup(groupID)
	}
	if ingress {
		g.Ingress = slices.DeleteFunc(g.Ingress, rule.same)
	} else {
		g.Egress = slices.DeleteFunc(g.Egress, rule.same)
	}
	return nil
}

// DeleteSecurityGroup removes a group that no instance has and no rule names.
func (s *Service) DeleteSecurityGroup(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.groups[id]; !ok {
		return errNoGroup(id)
	}
	for _, i := range s.instances {
		if i.state != terminated && slices.ContainsFunc(i.groups, func(g *group) bool { return g.id == id }) {
			return fail("DependencyViolation", "resource %s has a dependent object: %s", id, i.id)
		}
	}
	for _, other := range s.groups {
		names := func(r Rule) bool { return r.Group == id }
		if other.id != id && (slices.ContainsFunc(other.Ingress, names) || slices.ContainsFunc(other.Egress, names)) {
			return fail("DependencyViolation", "resource %s has a dependent object: %s", id, other.id)
		}
	}
	delete(s.groups, id)
	return nil
}

func (s *Service) checkRule(r Rule) error {
	if (r.CIDR == "") == (r.Group == "") {
		return fail("InvalidParameterValue", "A rule needs exactly one source or destination: a CIDR or a security group")
	}
	if r.CIDR != "" {
		if p, err := netip.ParsePrefix(r.CIDR); err != nil || p != p.Masked() {
			return fail("InvalidParameterValue", "CIDR block %s is malformed", r.CIDR)
		}
	} else if _, ok := s.groups[r.Group]; !ok {
		return errNoGroup(r.Group)
	}
	switch r.Protocol {
	case "tcp", "udp":
		if r.FromPort < 0 || r.ToPort > 65535 || r.FromPort > r.ToPort {
			return fail("InvalidParameterValue", "Invalid TCP/UDP port range (%d:%d)", r.FromPort, r.ToPort)
		}
	case "icmp", "-1":
	default:
		return fail("InvalidPermission.Malformed", "Unsupported IP protocol \"%s\"", r.Protocol)
	}
	return nil
}

// same compares what a rule allows; its description is not part of it.
func (r Rule) same(o Rule) bool {
	r.Description = o.Description
	return r == o
}

func (r Rule) String() string {
	return fmt.Sprintf("peer: %s%s, %s, from port: %d, to port: %d, ALLOW", r.CIDR, r.Group, r.Protocol, r.FromPort, r.ToPort)
}

func errNoGroup(id string) error {
	return fail("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
}

// sorted lists a map's values by their keys.
func sorted[V any](m map[string]V) []V {
	out := make([]V, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[key])
	}
	return out
}
