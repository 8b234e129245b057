package steps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Times of Ready: after Setup the instances run, or never will; after the load
// balancer is active its targets are healthy within two of its checks.
const (
	readyTime  = 90 * time.Second
	targetTime = 90 * time.Second
)

// Ready waits until all instances run, and are healthy targets if the plan has a
// load balancer, and writes down where they are.
type Ready struct {
	Store   Store
	Fleet   Viewer
	Targets TargetViewer
}

// RunIn names a run.
type RunIn struct {
	Run string `json:"run"`
}

// ReadyOut tells the size of the fleet.
type ReadyOut struct {
	Instances int `json:"instances"`
}

// Run writes fleet.json. Errors: *NodeLost, for the first instance that ended,
// or did not run in time; *TargetsUnhealthy.
func (s *Ready) Run(ctx context.Context, in RunIn) (ReadyOut, error) {
	r, err := record(ctx, s.Store, in.Run)
	if err != nil {
		return ReadyOut{}, err
	}
	expected, err := s.launched(ctx, r)
	if err != nil {
		return ReadyOut{}, err
	}
	running, cancel := within(ctx, readyTime)
	defer cancel()
	var fleet bench.Fleet
	var missing error
	err = poll(running, func(ctx context.Context) (bool, error) {
		seen, err := s.Fleet.Instances(ctx, ofRun(r.Stack, r.Run))
		if err != nil {
			return false, err
		}
		fleet, missing, err = assemble(expected, seen)
		return missing == nil, err
	})
	switch {
	case err != nil && errors.Is(err, context.DeadlineExceeded) && missing != nil:
		return ReadyOut{}, missing
	case err != nil:
		return ReadyOut{}, err
	}
	if err := putJSON(ctx, s.Store, bench.RunKeys{Run: in.Run}.Fleet(), fleet); err != nil {
		return ReadyOut{}, err
	}
	if len(r.Plan.ALBs()) > 0 {
		if err := s.healthy(ctx, r, fleet); err != nil {
			return ReadyOut{}, err
		}
	}
	return ReadyOut{Instances: len(fleet.Instances)}, nil
}

// launched reads what Launch recorded of all groups.
func (s *Ready) launched(ctx context.Context, r bench.RunRecord) ([]bench.Instance, error) {
	var all []bench.Instance
	for _, g := range r.Groups {
		list, err := getJSON[[]bench.Instance](ctx, s.Store, bench.RunKeys{Run: r.Run}.Group(g.Name))
		if err != nil {
			return nil, err
		}
		if len(list) != g.Count {
			return nil, fmt.Errorf("group %s has %d instances, and the plan asks for %d", g.Name, len(list), g.Count)
		}
		all = append(all, list...)
	}
	return all, nil
}

// assemble matches what was launched with what is seen. missing is the first
// instance that may still come; err is one that will not.
func assemble(expected []bench.Instance, seen []Machine) (fleet bench.Fleet, missing, err error) {
	byID := map[string]Machine{}
	for _, m := range seen {
		byID[m.ID] = m
	}
	for _, i := range expected {
		m, known := byID[i.ID]
		switch {
		case !known:
			missing = &NodeLost{Node: i.ID, Group: i.Group, Reason: "EC2 does not list it"}
		case m.State == statePending || m.State == stateRunning && m.PrivateIP == "":
			missing = &NodeLost{Node: i.ID, Group: i.Group, Reason: "it is still " + m.State}
		case m.State != stateRunning:
			reason := m.StateReason
			if reason == "" {
				reason = "no reason given"
			}
			return fleet, nil, &NodeLost{Node: i.ID, Group: i.Group, Reason: "it is " + m.State + ": " + reason}
		}
		i.PrivateIP, i.AvailabilityZone, i.Type, i.Launched = m.PrivateIP, m.AvailabilityZone, m.Type, m.Launched
		fleet.Instances = append(fleet.Instances, i)
	}
	return fleet, missing, nil
}
