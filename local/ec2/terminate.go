package ec2

import (
	"context"

	"github.com/fairlead/fairlead/local/gateway"
)

type stateChange struct {
	ID       string `xml:"instanceId"`
	Current  state  `xml:"currentState"`
	Previous state  `xml:"previousState"`
}

// terminateInstances is all or nothing: an unknown id, or one that the caller
// may not end, and none ends (EC2 API reference, TerminateInstances).
func (s *Service) terminateInstances(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		InstanceID []string `json:"InstanceId"`
		DryRun     bool
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.InstanceID) == 0 {
		return nil, fail("MissingParameter", "The request must contain the parameter InstanceId")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.named(in.InstanceID)
	if err != nil {
		return nil, err
	}
	for _, i := range found {
		if err := r.Authorize("ec2:TerminateInstances", s.arn("instance", i.id), s.instanceKeys(i)); err != nil {
			return nil, err
		}
	}
	if in.DryRun {
		return nil, errDryRun()
	}
	changes := make([]stateChange, len(found))
	for n, i := range found {
		before := i.state
		s.terminate(i, reasonUser)
		changes[n] = stateChange{i.id, i.state, before}
	}
	return struct {
		Items []stateChange `xml:"instancesSet"`
	}{changes}, nil
}
