package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/host"
)

// runInput is RunInstances' input under EC2's wire names.
type runInput struct {
	ImageID            string `json:"ImageId"`
	InstanceType       string
	MinCount, MaxCount int
	ClientToken        string
	SubnetID           string   `json:"SubnetId"`
	SecurityGroupID    []string `json:"SecurityGroupId"`
	IamInstanceProfile InstanceProfile
	LaunchTemplate     *templateRef
	TagSpecification   []struct {
		ResourceType string
		Tag          []tag
	}
	UserData                          string
	InstanceInitiatedShutdownBehavior string
	MetadataOptions                   MetadataOptions
	Monitoring                        struct{ Enabled *bool }
	CreditSpecification               struct {
		CPUCredits string `json:"CpuCredits"`
	}
	BlockDeviceMapping []BlockDevice
	EbsOptimized       bool
	DryRun             bool
}

// request is a launch with the template's values filled in and every name resolved.
type request struct {
	template        *template // nil: none
	version         int
	data            LaunchTemplateData // what holds: the call's values over the template's
	image           image
	kind            Type
	subnet          *subnet
	groups          []*group
	profileARN      string
	roleARN         string
	tags            map[string]map[string]string // by the type of resource
	userData        []byte
	overrides       map[string]bool // what the call itself names: image, subnet, security-group
	minimum, count  int
	token, tokenKey string
	digest          [32]byte
}

// launch is what an earlier call with a client token did.
type launch struct {
	digest      [32]byte
	reservation string
}

func (s *Service) runInstances(_ context.Context, r *gateway.Request) (any, error) {
	var in runInput
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.resolve(r, in)
	if err != nil {
		return nil, err
	}
	if err := s.authorizeRun(r, q); err != nil {
		return nil, err
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	if q.token != "" {
		if before, ok := s.launches[q.tokenKey]; ok {
			made := s.reservationOf(before.reservation)
			if before.digest != q.digest || made == nil {
				return nil, fail("IdempotentParameterMismatch", "The client token you have provided is associated with a resource that is already deleted or has different parameters.")
			}
			return made, nil
		}
	}
	if s.closed {
		return nil, fail("Unavailable", "the local cloud is shutting down")
	}
	reservation, err := s.launch(q)
	if err != nil {
		return nil, err
	}
	return s.reservationOf(reservation), nil
}

// errDryRun is what a call with DryRun gets when it would have succeeded.
func errDryRun() error {
	return &gateway.Error{Code: "DryRunOperation", Message: "Request would have succeeded, but DryRun flag is set.", Status: 412}
}

// resolve checks a launch and finds all that it names. mu is held.
func (s *Service) resolve(r *gateway.Request, in runInput) (*request, error) {
	q := &request{overrides: map[string]bool{"image": in.ImageID != "", "subnet": true, "security-group": len(in.SecurityGroupID) > 0},
		minimum: in.MinCount, count: in.MaxCount, token: in.ClientToken}
	if in.LaunchTemplate != nil {
		var err error
		if q.template, q.version, err = s.find(*in.LaunchTemplate); err != nil {
			return nil, err
		}
		q.data = q.template.versions[q.version-1]
	}
	q.override(in)
	if in.MinCount < 1 || in.MaxCount < in.MinCount {
		return nil, fail("InvalidParameterValue", "Value ( %d ) for parameter maxCount or ( %d ) for minCount is invalid: 1 ≤ minCount ≤ maxCount", in.MaxCount, in.MinCount)
	}
	if len(in.ClientToken) > 64 {
		return nil, fail("InvalidParameterValue", "ClientToken must have at most 64 characters")
	}
	if err := q.data.check(); err != nil {
		return nil, err
	}
	if q.data.ImageID == "" {
		return nil, fail("MissingParameter", "The request must contain the parameter ImageId")
	}
	if q.data.InstanceType == "" {
		q.data.InstanceType = "m1.small" // EC2's default, which it then refuses for modern images
	}
	var ok bool
	if q.kind, ok = TypeNamed(q.data.InstanceType); !ok {
		return nil, errType(q.data.InstanceType)
	}
	var err error
	if q.image, err = s.image(r, q.data.ImageID); err != nil {
		return nil, err
	}
	if q.image.architecture != q.kind.Architecture {
		return nil, fail("InvalidParameterValue", "The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
			q.kind.Architecture, q.image.architecture)
	}
	if err := s.resolveNetwork(q, in.SubnetID); err != nil {
		return nil, err
	}
	if err := s.resolveProfile(q); err != nil {
		return nil, err
	}
	if q.userData, err = decodeUserData(q.data.UserData); err != nil {
		return nil, err
	}
	if err := q.mergeTags(in); err != nil {
		return nil, err
	}
	// With a subnet a token counts in the subnet's zone (EC2 API reference,
	// "Ensuring idempotency").
	q.tokenKey = q.token + "\x00" + q.subnet.Zone
	text, err := json.Marshal(in)
	q.digest = sha256.Sum256(text)
	return q, err
}

// override puts the call's values over the template's.
func (q *request) override(in runInput) {
	set := func(into *string, value string) {
		if value != "" {
			*into = value
		}
	}
	d := &q.data
	set(&d.ImageID, in.ImageID)
	set(&d.InstanceType, in.InstanceType)
	set(&d.UserData, in.UserData)
	set(&d.InstanceInitiatedShutdownBehavior, in.InstanceInitiatedShutdownBehavior)
	set(&d.CreditSpecification.CPUCredits, in.CreditSpecification.CPUCredits)
	set(&d.MetadataOptions.HTTPTokens, in.MetadataOptions.HTTPTokens)
	set(&d.MetadataOptions.HTTPEndpoint, in.MetadataOptions.HTTPEndpoint)
	set(&d.MetadataOptions.InstanceMetadataTags, in.MetadataOptions.InstanceMetadataTags)
	if n := in.MetadataOptions.HTTPPutResponseHopLimit; n != 0 {
		d.MetadataOptions.HTTPPutResponseHopLimit = n
	}
	if in.IamInstanceProfile != (InstanceProfile{}) {
		d.IamInstanceProfile = in.IamInstanceProfile
	}
	if len(in.SecurityGroupID) > 0 {
		d.SecurityGroupIDs = in.SecurityGroupID
	}
	if in.Monitoring.Enabled != nil {
		d.Monitoring.Enabled = *in.Monitoring.Enabled
	}
	if len(in.BlockDeviceMapping) > 0 {
		d.BlockDeviceMappings = in.BlockDeviceMapping
	}
	d.EbsOptimized = d.EbsOptimized || in.EbsOptimized
}

// resolveNetwork finds subnet and groups. mu is held.
func (s *Service) resolveNetwork(q *request, subnetID string) error {
	if subnetID == "" {
		return fail("VPCIdNotSpecified", "No default VPC for this user. A subnet is needed.")
	}
	var ok bool
	if q.subnet, ok = s.subnets[subnetID]; !ok {
		return fail("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", subnetID)
	}
	for _, id := range q.data.SecurityGroupIDs {
		g, ok := s.groups[id]
		if !ok {
			return errNoGroup(id)
		}
		if g.VPC != q.subnet.VPC {
			return fail("InvalidParameter", "Security group %s and subnet %s belong to different networks.", id, subnetID)
		}
		q.groups = append(q.groups, g)
	}
	if len(q.groups) == 0 {
		return fail("MissingParameter", "SecurityGroupId is needed: the local cloud makes no default security group")
	}
	return nil
}

func (s *Service) resolveProfile(q *request) error {
	p := q.data.IamInstanceProfile
	if p == (InstanceProfile{}) {
		return nil
	}
	name, shown := p.Arn, "arn"
	q.profileARN = p.Arn
	if p.Name != "" {
		name, shown = p.Name, "name"
		q.profileARN = "arn:aws:iam::" + s.config.Account + ":instance-profile/" + p.Name
	}
	var ok bool
	if q.roleARN, ok = s.config.Roles.InstanceProfileRole(name); !ok {
		return fail("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.%s is invalid. Invalid IAM Instance Profile %s", name, shown, shown)
	}
	return nil
}

// mergeTags puts the call's tags over the template's, for each type of resource.
func (q *request) mergeTags(in runInput) error {
	q.tags = map[string]map[string]string{}
	add := func(kind string, tags []tag) error {
		if err := checkTagged(kind); err != nil {
			return err
		}
		set, err := tagSet(tags)
		if err != nil {
			return err
		}
		if q.tags[kind] == nil {
			q.tags[kind] = map[string]string{}
		}
		maps.Copy(q.tags[kind], set)
		return nil
	}
	for _, t := range q.data.TagSpecifications {
		if err := add(t.ResourceType, t.Tags); err != nil {
			return err
		}
	}
	seen := map[string]bool{}
	for _, t := range in.TagSpecification {
		if seen[t.ResourceType] {
			return fail("InvalidParameterValue", "The same resource type may not be specified more than once in tag specifications: '%s'", t.ResourceType)
		}
		seen[t.ResourceType] = true
		if err := add(t.ResourceType, t.Tag); err != nil {
			return err
		}
	}
	return nil
}

// launch makes the records and starts the instances. mu is held.
func (s *Service) launch(q *request) (reservation string, err error) {
	count, err := s.admit(q)
	if err != nil {
		return "", err
	}
	var addrs []netip.Addr
	for len(addrs) < count {
		addr, err := s.config.Host.Reserve()
		if errors.Is(err, host.ErrFull) && len(addrs) >= q.minimum {
			break
		}
		if err != nil {
			for _, a := range addrs {
				s.config.Host.Release(a)
			}
			return "", &gateway.Error{Code: "InsufficientInstanceCapacity", Status: 500,
				Message: "We currently do not have sufficient " + q.kind.Name + " capacity in the Availability Zone you requested: " + err.Error()}
		}
		addrs = append(addrs, addr)
	}
	reservation = newID("r")
	now := time.Now()
	tags := maps.Clone(q.tags["instance"])
	if tags == nil {
		tags = map[string]string{}
	}
	if q.template != nil { // EC2 adds these itself
		tags["aws:ec2launchtemplate:id"] = q.template.id
		tags["aws:ec2launchtemplate:version"] = strconv.Itoa(q.version)
	}
	for n, addr := range addrs {
		s.serial++
		i := &instance{id: newID("i"), reservation: reservation, serial: s.serial, index: n, kind: q.kind, image: q.image, zone: q.subnet.Zone,
			subnet: q.subnet, groups: slices.Clone(q.groups), launched: now, profileARN: q.profileARN, roleARN: q.roleARN, clientToken: q.token,
			onShutdown: q.data.InstanceInitiatedShutdownBehavior, monitored: q.data.Monitoring.Enabled, metadata: q.data.MetadataOptions,
			leave: make(chan struct{}), ended: make(chan struct{}), state: pending, changedAt: now, tags: maps.Clone(tags)}
		if i.onShutdown == "" {
			i.onShutdown = "stop" // EC2's default
		}
		i.spec = host.Spec{ID: i.id, Type: i.kind.Name, Architecture: i.kind.Architecture, ImageID: i.image.id, Zone: i.zone, VCPUs: i.kind.VCPUs,
			ProfileARN: i.profileARN, RoleARN: i.roleARN, Addr: addr, Tags: i.tags,
			MetadataTags: i.metadata.InstanceMetadataTags == "enabled", UserData: q.userData}
		s.instances[i.id] = i
		go s.live(i)
	}
	if q.token != "" {
		s.launches[q.tokenKey] = launch{q.digest, reservation}
	}
	return reservation, nil
}
