package elb

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/fairlead/fairlead/local/gateway"
)

// health is a state with its reason, as TargetHealth of the API reference.
type health struct {
	State       string
	Reason      string `json:",omitempty"`
	Description string `json:",omitempty"`
}

var (
	healthy      = health{State: "healthy"}
	registering  = health{"initial", "Elb.RegistrationInProgress", "Target registration is in progress"}
	checking     = health{"initial", "Elb.InitialHealthChecking", "Initial health checks in progress"}
	notInUse     = health{"unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"}
	otherZone    = health{"unused", "Target.NotInUse", "Target is in an Availability Zone that is not enabled for the load balancer"}
	draining     = health{"draining", "Target.DeregistrationInProgress", "Target deregistration is in progress"}
	unregistered = health{"unused", "Target.NotRegistered", "Target is not registered to the target group"}
	timedOut     = health{"unhealthy", "Target.Timeout", "Request timed out"}
	checksFailed = health{"unhealthy", "Target.FailedHealthChecks", "Health checks failed"}
)

func invalidState(state string) health {
	return health{"unused", "Target.InvalidState", "Target is in the " + state + " state"}
}

func mismatch(status int) health {
	return health{"unhealthy", "Target.ResponseCodeMismatch", fmt.Sprintf("Health checks failed with these codes: [%d]", status)}
}

type targetHealth struct {
	Target           targetName
	HealthCheckPort  string `json:",omitempty"`
	TargetHealth     health
	AnomalyDetection *anomalyDetection `json:",omitempty"`
}

type anomalyDetection struct {
	Result             string // normal or anomalous
	MitigationInEffect string // yes or no
}

func (s *Service) describeTargetHealth(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		targetsInput
		Include []string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := s.authorize(r, "DescribeTargetHealth", "*", nil, nil); err != nil {
		return nil, err
	}
	anomalies := false
	for _, what := range in.Include {
		if what != "AnomalyDetection" && what != "All" {
			return nil, invalid("Include '%s' must be AnomalyDetection or All", what)
		}
		anomalies = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, _ := s.group(in.TargetGroupArn)
	if g == nil {
		return nil, errNoGroup(in.TargetGroupArn)
	}
	items := []targetHealth{}
	for _, t := range g.targets {
		if len(in.Targets) > 0 && !slices.ContainsFunc(in.Targets, t.named) {
			continue
		}
		item := targetHealth{Target: targetName{t.id, &t.port}, HealthCheckPort: g.checkPort, TargetHealth: s.healthOf(t)}
		if g.checkPort == "traffic-port" {
			item.HealthCheckPort = strconv.Itoa(t.port)
		}
		if anomalies {
			item.AnomalyDetection = t.endpoint.shown(g.pool.algorithm.Load().mitigate)
		}
		items = append(items, item)
	}
	for _, n := range in.Targets {
		if !slices.ContainsFunc(g.targets, func(t *target) bool { return t.named(n) }) {
			items = append(items, targetHealth{Target: n, TargetHealth: unregistered})
		}
	}
	return struct{ TargetHealthDescriptions []targetHealth }{items}, nil
}

func (t *target) named(n targetName) bool {
	return t.id == n.ID && (n.Port == nil || *n.Port == t.port)
}

// healthOf is a target's health, with the state of its instance as it is now.
// mu is held.
func (s *Service) healthOf(t *target) health {
	at, ok := s.config.Network.Instance(t.id)
	switch {
	case t.drained != nil:
		return t.health
	case !ok:
		return invalidState("terminated")
	case at.State != "running":
		return invalidState(at.State)
	}
	return t.health
}
