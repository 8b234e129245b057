package steps

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// LoadBalancer is an Application Load Balancer as ELB tells of it.
type LoadBalancer struct {
	ARN     string
	Name    string
	DNSName string
	VPC     string
	State   string // provisioning, active, active_impaired or failed
	Reason  string // of the state, often empty
	Created time.Time
}

// States of a LoadBalancer that steps tell apart.
const (
	balancerActive = "active"
	balancerFailed = "failed"
)

// BalancerOrder is one internal load balancer for HTTP.
type BalancerOrder struct {
	Name          string
	Subnets       []string // one in each zone, at least two
	SecurityGroup string
	Tags          map[string]string
}

// TargetGroup is a target group's identity.
type TargetGroup struct{ ARN, Name string }

// TargetGroupOrder is one target group of instances that speak HTTP on Port and
// are healthy when HealthPath answers 200.
type TargetGroupOrder struct {
	Name       string
	VPC        string
	Port       int
	HealthPath string
	Interval   time.Duration // between health checks; whole seconds, as Timeout
	Timeout    time.Duration
	Healthy    int // checks passed in a row
	Unhealthy  int // checks failed in a row
	Tags       map[string]string
}

// ListenerOrder is one HTTP listener that answers 404 unless a rule knows better.
type ListenerOrder struct {
	Balancer string // ARN
	Port     int
	Tags     map[string]string
}

// Rule forwards the requests for some paths. No two rules of a listener have
// one priority; the lowest is tried first.
type Rule struct {
	Listener    string // ARN
	Priority    int
	Paths       []string // patterns: "/cluster1", "/cluster1/*"
	TargetGroup string   // ARN
	Tags        map[string]string
}

// TargetHealth is what a load balancer thinks of one target.
type TargetHealth struct {
	ID          string // of the instance
	State       string // healthy, initial, unhealthy, unused, draining, …
	Reason      string // code: "Target.FailedHealthChecks"; empty if healthy
	Description string
}

const targetHealthy = "healthy"

// BalancerMaker creates the parts of a load balancer. Each creation is
// idempotent: the same name, or the same port of the same load balancer, with
// the same settings gives what exists (ELB API reference, CreateLoadBalancer,
// CreateTargetGroup, CreateListener: "This operation is idempotent").
// Errors: ErrBalancerQuota.
type BalancerMaker interface {
	CreateBalancer(ctx context.Context, o BalancerOrder) (LoadBalancer, error)
	CreateTargetGroup(ctx context.Context, o TargetGroupOrder) (arn string, err error)
	// SetAttributes changes attributes of a target group, by ELB's keys.
	SetAttributes(ctx context.Context, targetGroup string, attributes map[string]string) error
	CreateListener(ctx context.Context, o ListenerOrder) (arn string, err error)
}

// RuleMaker creates rules, which is not idempotent.
type RuleMaker interface {
	// CreateRule errors: ErrPriorityInUse, ErrBalancerQuota.
	CreateRule(ctx context.Context, r Rule) error
	// Rules lists a listener's rules but for the default one, without their tags.
	Rules(ctx context.Context, listener string) ([]Rule, error)
}

// BalancerUser waits for a load balancer and gives it targets.
type BalancerUser interface {
	// Balancer looks one up by name. Errors: ErrNoBalancer.
	Balancer(ctx context.Context, name string) (LoadBalancer, error)
	// Register adds running instances to a target group; those that it has
	// already stay.
	Register(ctx context.Context, targetGroup string, instances []string, port int) error
}

// Balancers is all that Balance needs of ELB.
type Balancers interface {
	BalancerMaker
	RuleMaker
	BalancerUser
}

// TargetViewer tells how a target group's targets are.
type TargetViewer interface {
	Health(ctx context.Context, targetGroup string) ([]TargetHealth, error)
}

// BalancerEnder finds and deletes load balancers with their listeners and rules,
// and target groups. To delete what is gone is no error.
type BalancerEnder interface {
	// Balancers and TargetGroups list those whose names begin with prefix.
	Balancers(ctx context.Context, prefix string) ([]LoadBalancer, error)
	TargetGroups(ctx context.Context, prefix string) ([]TargetGroup, error)
	// Listeners gives the ARNs. Errors: ErrNoBalancer.
	Listeners(ctx context.Context, balancer string) ([]string, error)
	DeleteBalancer(ctx context.Context, arn string) error
	// DeleteTargetGroup errors: ErrInUse while a load balancer's rule names it.
	DeleteTargetGroup(ctx context.Context, arn string) error
}

// TagReader gives tags by ARN; what is gone by now is left out.
type TagReader interface {
	Tags(ctx context.Context, arns []string) (map[string]map[string]string, error)
}

// Errors of load balancers.
var (
	ErrNoBalancer    = errors.New("no such load balancer")
	ErrPriorityInUse = errors.New("the priority is another rule's")
	ErrInUse         = errors.New("it is in use")
	ErrBalancerQuota = errors.New("the account's limit of load balancing is reached")
)

// Names of load balancers and target groups: at most 32 letters, digits and
// hyphens. They are made of hashes, so that every step finds a run's without a
// record, and a sweep those of its stack.

// balancerPrefix begins the names of all that belongs to a stack.
func balancerPrefix(stack string) string { return "fl-" + short(8, stack) + "-" }

func balancerName(stack, run string) string { return balancerPrefix(stack) + short(16, run) }

func targetGroupName(stack, run, cluster, algorithm string) string {
	return balancerPrefix(stack) + short(16, run+"\x00"+cluster+"\x00"+algorithm)
}

func short(digits int, of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:])[:digits]
}

// balancerTags mark a part of the load balancer. They come from the record, so
// that a repeated creation has the same settings.
func balancerTags(r bench.RunRecord, group string) map[string]string {
	return map[string]string{
		bench.TagStack:  r.Stack,
		bench.TagRun:    r.Run,
		bench.TagGroup:  group,
		bench.TagExpiry: r.Expiry.UTC().Format(time.RFC3339),
	}
}

// complete tells whether a recorded load balancer has all that the plan asks for.
func complete(b bench.Balancer, plan bench.Plan) bool {
	algorithms := plan.ALBs()
	if len(algorithms) == 0 || len(b.Listeners) != len(algorithms) {
		return false
	}
	for _, l := range b.Listeners {
		for _, c := range plan.Clusters {
			if l.TargetGroups[c.Name] == "" {
				return false
			}
		}
	}
	return true
}
