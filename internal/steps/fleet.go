package steps

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Machine is an instance as EC2 tells of it.
type Machine struct {
	ID               string
	Type             string
	State            string // as EC2 names it
	StateReason      string // why it left running
	PrivateIP        string
	AvailabilityZone string
	Tags             map[string]string
	Launched         time.Time
}

// States of a Machine that steps tell apart.
const (
	statePending      = "pending"
	stateRunning      = "running"
	stateShuttingDown = "shutting-down"
	stateTerminated   = "terminated"
)

// Viewer lists machines that match all filters, named as EC2 names them.
type Viewer interface {
	Instances(ctx context.Context, filters map[string][]string) ([]Machine, error)
}

// LaunchOrder is one call to start machines: all of Count, or none. The same
// token with the same fields starts nothing anew and gives the first machines.
type LaunchOrder struct {
	Token    string
	Template string
	Version  string
	Type     string
	Subnet   string
	Count    int
	Tags     map[string]string
	UserData string
}

// Starter starts machines. Errors: ErrNoCapacity, ErrQuota; both mean that
// nothing was started. After any other error nothing is known.
type Starter interface {
	Launch(ctx context.Context, o LaunchOrder) ([]Machine, error)
}

// Ender ends machines: all or, on one unknown id (ErrNoMachine), none.
type Ender interface {
	Viewer
	Terminate(ctx context.Context, ids []string) error
}

// Errors of a fleet.
var (
	ErrNoCapacity = errors.New("no capacity in this zone")
	ErrQuota      = errors.New("the account's limit is reached")
	ErrNoMachine  = errors.New("unknown instance")
)

// ofRun filters the machines of one run of one stack. The stack is named as
// well: two stacks may hold runs of one name, and must not end each other's.
func ofRun(stack, run string) map[string][]string {
	return map[string][]string{"tag:" + bench.TagStack: {stack}, "tag:" + bench.TagRun: {run}}
}

// instance is a machine in the words of the results.
func instance(m Machine) bench.Instance {
	return bench.Instance{
		ID: m.ID, Group: m.Tags[bench.TagGroup], Role: bench.Role(m.Tags[bench.TagRole]), Type: m.Type,
		PrivateIP: m.PrivateIP, AvailabilityZone: m.AvailabilityZone, Launched: m.Launched,
	}
}

func instancesOf(ms []Machine) []bench.Instance {
	out := make([]bench.Instance, 0, len(ms))
	for _, m := range ms {
		out = append(out, instance(m))
	}
	slices.SortFunc(out, func(a, b bench.Instance) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.ID, b.ID))
	})
	return out
}
