package ec2

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// The answer's shapes, under EC2's element names.
type (
	reservationItem struct {
		ID        string         `xml:"reservationId"`
		Owner     string         `xml:"ownerId"`
		Groups    []groupItem    `xml:"groupSet"`
		Instances []instanceItem `xml:"instancesSet"`
	}
	groupItem struct {
		ID   string `xml:"groupId"`
		Name string `xml:"groupName"`
	}
	instanceItem struct {
		ID               string       `xml:"instanceId"`
		ImageID          string       `xml:"imageId"`
		State            state        `xml:"instanceState"`
		PrivateDNSName   string       `xml:"privateDnsName"`
		DNSName          string       `xml:"dnsName"`
		Reason           string       `xml:"reason"`
		LaunchIndex      int          `xml:"amiLaunchIndex"`
		Type             string       `xml:"instanceType"`
		Launched         time.Time    `xml:"launchTime"`
		Placement        placement    `xml:"placement"`
		Monitoring       monitoring   `xml:"monitoring"`
		SubnetID         string       `xml:"subnetId,omitempty"`
		VPC              string       `xml:"vpcId,omitempty"`
		PrivateIPAddress string       `xml:"privateIpAddress,omitempty"`
		Groups           []groupItem  `xml:"groupSet"`
		StateReason      *reason      `xml:"stateReason"`
		Architecture     string       `xml:"architecture"`
		RootDeviceType   string       `xml:"rootDeviceType"`
		RootDeviceName   string       `xml:"rootDeviceName"`
		Virtualization   string       `xml:"virtualizationType"`
		ClientToken      string       `xml:"clientToken"`
		Tags             []tag        `xml:"tagSet"`
		Hypervisor       string       `xml:"hypervisor"`
		Profile          *profileItem `xml:"iamInstanceProfile"`
		EbsOptimized     bool         `xml:"ebsOptimized"`
		CPU              cpuOptions   `xml:"cpuOptions"`
		Metadata         metadataItem `xml:"metadataOptions"`
	}
	placement struct {
		Zone    string `xml:"availabilityZone"`
		Group   string `xml:"groupName"`
		Tenancy string `xml:"tenancy"`
	}
	monitoring struct {
		State string `xml:"state"`
	}
	profileItem struct {
		Arn string `xml:"arn"`
		ID  string `xml:"id"`
	}
	cpuOptions struct {
		Cores   int `xml:"coreCount"`
		Threads int `xml:"threadsPerCore"`
	}
	metadataItem struct {
		State    string `xml:"state"`
		Tokens   string `xml:"httpTokens"`
		HopLimit int    `xml:"httpPutResponseHopLimit"`
		Endpoint string `xml:"httpEndpoint"`
		Tags     string `xml:"instanceMetadataTags"`
	}
)

func (i *instance) item() instanceItem {
	item := instanceItem{ID: i.id, ImageID: i.image.id, State: i.state, Reason: "", LaunchIndex: i.index, Type: i.kind.Name, Launched: i.launched,
		Placement: placement{Zone: i.zone, Tenancy: "default"}, Monitoring: monitoring{"disabled"}, Architecture: i.kind.Architecture,
		RootDeviceType: "ebs", RootDeviceName: "/dev/xvda", Virtualization: "hvm", ClientToken: i.clientToken, Tags: tagItems(i.tags),
		Hypervisor: "xen", CPU: cpuOptions{i.kind.VCPUs / i.kind.threads, i.kind.threads},
		Metadata: metadataItem{"applied", "required", cmp.Or(i.metadata.HTTPPutResponseHopLimit, 2), "enabled", cmp.Or(i.metadata.InstanceMetadataTags, "disabled")}}
	if i.monitored {
		item.Monitoring.State = "enabled"
	}
	if i.reason.Code != "" {
		why := i.reason
		item.StateReason = &why
		item.Reason = "User initiated (" + i.changedAt.UTC().Format("2006-01-02 15:04:05 GMT") + ")"
		if i.reason != reasonUser {
			item.Reason = i.reason.Code
		}
	}
	if i.profileARN != "" {
		item.Profile = &profileItem{i.profileARN, "AIPA" + strings.ToUpper(i.id[2:])}
	}
	if i.state == terminated { // EC2 takes network and profile away
		item.Profile = nil
		return item
	}
	item.SubnetID, item.VPC, item.PrivateIPAddress = i.subnet.id, i.subnet.VPC, i.spec.Addr.String()
	item.PrivateDNSName = "ip-" + strings.ReplaceAll(item.PrivateIPAddress, ".", "-") + ".ec2.internal"
	for _, g := range i.groups {
		item.Groups = append(item.Groups, groupItem{g.id, g.Name})
	}
	return item
}

// field gives an instance's values under a filter's name.
func (i *instance) field(name string) ([]string, bool) {
	item := i.item()
	one := func(value string) ([]string, bool) {
		if value == "" {
			return nil, true
		}
		return []string{value}, true
	}
	switch name {
	case "instance-id":
		return one(i.id)
	case "instance-state-name":
		return one(i.state.Name)
	case "instance-state-code":
		return one(strconv.Itoa(i.state.Code))
	case "instance-type":
		return one(i.kind.Name)
	case "architecture":
		return one(i.kind.Architecture)
	case "image-id":
		return one(i.image.id)
	case "reservation-id":
		return one(i.reservation)
	case "client-token":
		return one(i.clientToken)
	case "availability-zone":
		return one(i.zone)
	case "vpc-id":
		return one(item.VPC)
	case "subnet-id":
		return one(item.SubnetID)
	case "private-ip-address":
		return one(item.PrivateIPAddress)
	case "private-dns-name":
		return one(item.PrivateDNSName)
	case "iam-instance-profile.arn":
		return one(i.profileARN)
	case "monitoring-state":
		return one(item.Monitoring.State)
	case "instance.group-id", "instance.group-name":
		var values []string
		for _, g := range item.Groups {
			if name == "instance.group-id" {
				values = append(values, g.ID)
			} else {
				values = append(values, g.Name)
			}
		}
		return values, true
	}
	return tagField(i.tags, name)
}

// reservationOf is RunInstances' answer; nil when its instances ended so long
// ago that they are forgotten. mu is held.
func (s *Service) reservationOf(id string) *reservationItem {
	all := s.reservations(s.list(func(i *instance) bool { return i.reservation == id }))
	if len(all) == 0 {
		return nil
	}
	return &all[0]
}

// forgotten says whether a terminated instance has left all answers.
func (i *instance) forgotten() bool {
	return i.state == terminated && time.Since(i.changedAt) > visible
}

// list gives the instances that pass, in the order of their launch, and drops
// those that ended long ago. mu is held.
func (s *Service) list(keep func(*instance) bool) []*instance {
	var all []*instance
	for id, i := range s.instances {
		if i.forgotten() {
			delete(s.instances, id)
		} else if keep(i) {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b *instance) int { return a.serial - b.serial })
	return all
}

func (s *Service) reservations(all []*instance) []reservationItem {
	var out []reservationItem
	for _, i := range all {
		if len(out) == 0 || out[len(out)-1].ID != i.reservation {
			out = append(out, reservationItem{ID: i.reservation, Owner: s.config.Account})
		}
		last := &out[len(out)-1]
		last.Instances = append(last.Instances, i.item())
	}
	return out
}

func (s *Service) describeInstances(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		InstanceID []string `json:"InstanceId"`
		Filter     []filter
		MaxResults int
		NextToken  string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeInstances", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	if len(in.InstanceID) > 0 && in.MaxResults != 0 {
		return nil, fail("InvalidParameterCombination", "The parameter instancesSet cannot be used with the parameter maxResults")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.filtered(in.InstanceID, in.Filter)
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(found, in.MaxResults, 5, 1000, in.NextToken)
	return struct {
		Reservations []reservationItem `xml:"reservationSet"`
		NextToken    string            `xml:"nextToken,omitempty"`
	}{s.reservations(page), next}, err
}

// filtered finds instances by ids, all of which must exist, and filters. mu is held.
func (s *Service) filtered(ids []string, filters []filter) ([]*instance, error) {
	if _, err := s.named(ids); err != nil {
		return nil, err
	}
	if _, err := matches(filters, (&instance{subnet: &subnet{}, kind: Type{threads: 1}}).field); err != nil {
		return nil, err // an unknown filter is one also where there are no instances
	}
	var failed error
	found := s.list(func(i *instance) bool {
		if len(ids) > 0 && !slices.Contains(ids, i.id) {
			return false
		}
		ok, err := matches(filters, i.field)
		failed = cmp.Or(failed, err)
		return ok
	})
	return found, failed
}

var validID = regexp.MustCompile(`^i-([0-9a-f]{8}|[0-9a-f]{17})$`)

// named finds instances by their ids: all, or an error. mu is held.
func (s *Service) named(ids []string) ([]*instance, error) {
	var missing []string
	var found []*instance
	for _, id := range ids {
		if !validID.MatchString(id) {
			return nil, fail("InvalidInstanceID.Malformed", "Invalid id: \"%s\"", id)
		}
		if i, ok := s.instances[id]; ok && !i.forgotten() {
			found = append(found, i)
		} else {
			missing = append(missing, id)
		}
	}
	switch len(missing) {
	case 0:
		return found, nil
	case 1:
		return nil, errNoInstance(missing[0])
	}
	return nil, fail("InvalidInstanceID.NotFound", "The instance IDs '%s' do not exist", strings.Join(missing, ", "))
}

type statusItem struct {
	ID     string `xml:"instanceId"`
	Zone   string `xml:"availabilityZone"`
	State  state  `xml:"instanceState"`
	System check  `xml:"systemStatus"`
	Own    check  `xml:"instanceStatus"`
}

type check struct {
	Status string `xml:"status"`
}

func (s *Service) describeInstanceStatus(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		InstanceID          []string `json:"InstanceId"`
		Filter              []filter
		IncludeAllInstances bool
		MaxResults          int
		NextToken           string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeInstanceStatus", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.filtered(in.InstanceID, in.Filter)
	if err != nil {
		return nil, err
	}
	var items []statusItem
	for _, i := range found {
		status := check{"not-applicable"}
		if i.state == running {
			status.Status = "ok"
		} else if !in.IncludeAllInstances {
			continue
		}
		items = append(items, statusItem{i.id, i.zone, i.state, status, status})
	}
	page, next, err := paginate(items, in.MaxResults, 5, 1000, in.NextToken)
	return struct {
		Items     []statusItem `xml:"instanceStatusSet"`
		NextToken string       `xml:"nextToken,omitempty"`
	}{page, next}, err
}
