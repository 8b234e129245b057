package ssm

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/local/ec2"
	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// agent is the SSM agent of one instance that has registered.
type agent struct {
	machine    ec2.Machine
	caller     iam.Caller
	messages   bool // speaks ec2messages, because its role has no ssmmessages
	registered time.Time
}

// register lets the agents of running instances register whose time has come.
// It is asked whenever somebody looks, so that it needs no clock of its own.
// mu is held.
func (s *Service) register() {
	for _, m := range s.config.Machines.Machines() {
		if a, ok := s.agents[m.ID]; ok {
			a.machine = m // tags may have changed
			continue
		}
		if m.RoleARN == "" || time.Since(m.Running) < s.config.Delays.Registration {
			continue
		}
		if a, ok := s.try(m); ok {
			s.agents[m.ID] = a
		}
	}
}

// try does what an agent does to register, under the instance's role: it tells
// of itself and opens its channel. Agents since 3.3.40 use ec2messages only where
// ssmmessages is not allowed (Systems Manager user guide, "Reference:
// ec2messages, ssmmessages, and other API operations").
func (s *Service) try(m ec2.Machine) (*agent, bool) {
	_, caller, err := s.config.Roles.AssumeRole(m.RoleARN, m.ID, "ec2.amazonaws.com", time.Hour)
	if err != nil {
		return nil, false
	}
	a := &agent{machine: m, caller: caller, registered: time.Now()}
	tags := resourceTags(m.Tags)
	if s.config.Roles.Authorize(caller, "ssm:UpdateInstanceInformation", s.instanceARN(m.ID), tags) != nil {
		return nil, false
	}
	may := func(actions ...string) bool {
		for _, action := range actions {
			if s.config.Roles.Authorize(caller, action, "*", nil) != nil {
				return false
			}
		}
		return true
	}
	if may("ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel") {
		return a, true
	}
	a.messages = true
	return a, may("ec2messages:GetEndpoint", "ec2messages:GetMessages")
}

// acknowledge is what an agent that speaks ec2messages does with each command.
func (s *Service) acknowledge(a *agent) error {
	if !a.messages {
		return nil
	}
	for _, action := range []string{"ec2messages:AcknowledgeMessage", "ec2messages:SendReply", "ec2messages:DeleteMessage"} {
		if err := s.config.Roles.Authorize(a.caller, action, "*", nil); err != nil {
			return err
		}
	}
	return nil
}

// resourceTags are the condition keys of an instance's tags.
func resourceTags(tags map[string]string) iam.Keys {
	keys := iam.Keys{}
	for key, value := range tags {
		keys["ssm:resourceTag/"+key] = []string{value}
		keys["aws:ResourceTag/"+key] = []string{value}
	}
	return keys
}

type instanceInformation struct {
	InstanceID       string `json:"InstanceId"`
	PingStatus       string
	LastPingDateTime time.Time
	AgentVersion     string
	IsLatestVersion  bool
	PlatformType     string
	PlatformName     string
	PlatformVersion  string
	ResourceType     string
	IPAddress        string
	ComputerName     string
	RegistrationDate time.Time
}

func (s *Service) describeInstanceInformation(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Filters []struct {
			Key    string
			Values []string
		}
		InstanceInformationFilterList []struct {
			Key      string   `json:"key"`
			ValueSet []string `json:"valueSet"`
		}
		MaxResults int
		NextToken  string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ssm:DescribeInstanceInformation", "*", nil); err != nil {
		return nil, err
	}
	for _, f := range in.InstanceInformationFilterList { // the older name of the same
		in.Filters = append(in.Filters, struct {
			Key    string
			Values []string
		}{f.Key, f.ValueSet})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.register()
	list := []instanceInformation{}
	for _, id := range slices.Sorted(maps.Keys(s.agents)) {
		info := s.information(s.agents[id])
		keep := true
		for _, f := range in.Filters {
			var have string
			switch f.Key {
			case "InstanceIds":
				have = info.InstanceID
			case "PingStatus":
				have = info.PingStatus
			case "PlatformTypes":
				have = info.PlatformType
			case "ResourceType":
				have = info.ResourceType
			default:
				return nil, fail("InvalidFilterKey", "The filter key %s is not one that the local cloud knows", f.Key)
			}
			keep = keep && slices.Contains(f.Values, have)
		}
		if keep {
			list = append(list, info)
		}
	}
	page, next, err := paginate(list, in.MaxResults, 50, in.NextToken)
	return struct {
		InstanceInformationList []instanceInformation
		NextToken               string `json:",omitempty"`
	}{page, next}, err
}

func (s *Service) information(a *agent) instanceInformation {
	info := instanceInformation{InstanceID: a.machine.ID, PingStatus: "ConnectionLost", LastPingDateTime: a.registered, AgentVersion: "3.3.0.0",
		PlatformType: "Linux", PlatformName: "Amazon Linux", PlatformVersion: "2023", ResourceType: "EC2Instance",
		IPAddress: a.machine.Host.Addr.String(), ComputerName: a.machine.ID, RegistrationDate: a.registered}
	if _, ok := s.config.Machines.Machine(a.machine.ID); ok {
		info.PingStatus, info.LastPingDateTime = "Online", time.Now()
	}
	return info
}

// paginate cuts a page out of a list; a token is a position.
func paginate[T any](all []T, limit, most int, token string) (page []T, next string, err error) {
	from := 0
	if token != "" {
		if from, err = strconv.Atoi(token); err != nil || from < 0 {
			return nil, "", fail("InvalidNextToken", "The specified token isn't valid.")
		}
	}
	if limit < 0 || limit > most {
		return nil, "", fail("ValidationException", "MaxResults must be 1 to %d", most)
	}
	if limit == 0 {
		limit = most
	}
	from = min(from, len(all))
	to := min(from+limit, len(all))
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return all[from:to], next, nil
}
