package ec2

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/host"
)

// Roles finds the role of an instance profile. *iam.Store is one.
type Roles interface {
	InstanceProfileRole(arnOrName string) (roleARN string, ok bool)
}

// Delays stretch what is instant here to what it takes on AWS.
type Delays struct {
	Boot     time.Duration // at least, from pending to running
	Shutdown time.Duration // at least, from shutting-down to terminated
}

// Config is what the service is made from.
type Config struct {
	Account, Region string
	Host            *host.Host
	Roles           Roles
	Delays          Delays
	VCPUs           int // that Standard instances may have at once; 0 means DefaultVCPUs
}

// Service is EC2. It owns its instances: Close ends them.
type Service struct {
	gateway.Service
	config Config

	mu        sync.Mutex
	vpcs      map[string]*vpc
	subnets   map[string]*subnet
	groups    map[string]*group
	templates map[string]*template
	instances map[string]*instance
	launches  map[string]launch // by client token and zone
	serial    int               // of the last instance
	closed    bool
}

// New makes the service, with no VPC, as in an account whose default VPC was
// deleted.
func New(config Config) *Service {
	if config.VCPUs == 0 {
		config.VCPUs = DefaultVCPUs
	}
	s := &Service{config: config, vpcs: map[string]*vpc{}, subnets: map[string]*subnet{}, groups: map[string]*group{},
		templates: map[string]*template{}, instances: map[string]*instance{}, launches: map[string]launch{}}
	s.Service = gateway.Table(map[string]gateway.Operation{
		"RunInstances":                  s.runInstances,
		"DescribeInstances":             s.describeInstances,
		"DescribeInstanceStatus":        s.describeInstanceStatus,
		"TerminateInstances":            s.terminateInstances,
		"CreateTags":                    s.createTags,
		"DeleteTags":                    s.deleteTags,
		"DescribeTags":                  s.describeTags,
		"DescribeInstanceTypes":         s.describeInstanceTypes,
		"DescribeInstanceTypeOfferings": s.describeInstanceTypeOfferings,
		"DescribeVpcs":                  s.describeVPCs,
		"DescribeSubnets":               s.describeSubnets,
		"DescribeSecurityGroups":        s.describeSecurityGroups,
		"DescribeLaunchTemplates":       s.describeLaunchTemplates,
	})
	return s
}

// Zones are the region's availability zones.
func Zones(region string) []string { return []string{region + "a", region + "b", region + "c"} }

// Close ends all instances and waits for them. The service then starts no more.
func (s *Service) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	return s.TerminateAll(ctx)
}

// TerminateAll ends all instances, whoever started them, and waits until
// nothing of them runs.
func (s *Service) TerminateAll(ctx context.Context) error {
	s.mu.Lock()
	var ending []*instance
	for _, i := range s.instances {
		s.terminate(i, reasonUser)
		ending = append(ending, i)
	}
	s.mu.Unlock()
	for _, i := range ending {
		select {
		case <-i.ended:
		case <-ctx.Done():
			return fmt.Errorf("instance %s is still ending: %w", i.id, ctx.Err())
		}
	}
	return nil
}

// arn names one of the account's resources.
func (s *Service) arn(kind, id string) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", s.config.Region, s.config.Account, kind, id)
}

// newID makes an id such as i-0123456789abcdef0.
func newID(prefix string) string {
	var b [9]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + "-" + hex.EncodeToString(b[:])[:17]
}

// fail makes an error of EC2's.
func fail(code, format string, args ...any) error {
	return &gateway.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
