package elb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// Network knows what load balancers stand in and send to. EC2 of the local
// cloud, behind an adapter, is one.
type Network interface {
	Instance(id string) (Instance, bool)
	Subnet(id string) (Subnet, bool)
	SecurityGroup(id string) (vpc string, ok bool)
	HasVPC(id string) bool
}

// Instance is an instance in whatever state.
type Instance struct {
	State string // EC2's name of it: pending, running, shutting-down, terminated, stopped
	VPC   string
	Zone  string
	Addr  netip.Addr
}

// Subnet is a part of a VPC in one zone.
type Subnet struct{ VPC, Zone string }

// Addresses hands out loopback addresses, each to one owner until it is given
// back. *host.Host is one.
type Addresses interface {
	Reserve() (netip.Addr, error)
	Release(netip.Addr)
}

// Config is what the service is made from.
type Config struct {
	Account, Region string
	Network         Network
	Addresses       Addresses
	Provisioning    time.Duration // from provisioning to active; 0: at once
}

// Service is Elastic Load Balancing. It owns its load balancers: Close ends
// them. mu guards all that calls change; requests that pass through a load
// balancer read what is published in atomics (routes, pool) and never wait.
type Service struct {
	gateway.Service
	config Config
	second time.Duration // how long a second of a setting takes; tests shorten it

	mu        sync.Mutex
	balancers map[string]*balancer // by ARN, as the others
	listeners map[string]*listener
	rules     map[string]*rule
	groups    map[string]*group
	serial    int64 // of the last resource
	linked    bool  // the account has the service-linked role
	closed    bool
	running   sync.WaitGroup // every goroutine but those of the fronts
}

// New makes the service, in an account that never had a load balancer.
func New(config Config) *Service {
	s := &Service{config: config, second: time.Second, balancers: map[string]*balancer{}, listeners: map[string]*listener{},
		rules: map[string]*rule{}, groups: map[string]*group{}}
	s.Service = gateway.Table(map[string]gateway.Operation{
		"CreateLoadBalancer":            s.createLoadBalancer,
		"DescribeLoadBalancers":         s.describeLoadBalancers,
		"DeleteLoadBalancer":            s.deleteLoadBalancer,
		"CreateListener":                s.createListener,
		"DescribeListeners":             s.describeListeners,
		"DeleteListener":                s.deleteListener,
		"CreateRule":                    s.createRule,
		"DescribeRules":                 s.describeRules,
		"CreateTargetGroup":             s.createTargetGroup,
		"DescribeTargetGroups":          s.describeTargetGroups,
		"DeleteTargetGroup":             s.deleteTargetGroup,
		"ModifyTargetGroupAttributes":   s.modifyTargetGroupAttributes,
		"DescribeTargetGroupAttributes": s.describeTargetGroupAttributes,
		"RegisterTargets":               s.registerTargets,
		"DeregisterTargets":             s.deregisterTargets,
		"DescribeTargetHealth":          s.describeTargetHealth,
		"AddTags":                       s.addTags,
		"DescribeTags":                  s.describeTags,
	})
	return s
}

// Close ends all load balancers and waits until nothing of them runs. The
// service then makes no more.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	var ended []*balancer
	for _, b := range s.balancers {
		s.remove(b)
		ended = append(ended, b)
	}
	for _, g := range s.groups {
		g.stopTargets()
	}
	s.mu.Unlock()
	for _, b := range ended {
		s.end(b)
	}
	s.running.Wait()
}

// arn names one of the account's resources.
func (s *Service) arn(resource string) string {
	return fmt.Sprintf("arn:aws:elasticloadbalancing:%s:%s:%s", s.config.Region, s.config.Account, resource)
}

// next numbers resources in the order of their creation. mu is held.
func (s *Service) next() int64 {
	s.serial++
	return s.serial
}

// newID makes the last part of an ARN, sixteen hexadecimal digits.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// wait waits for a duration, or until done is closed; it says whether the time
// has passed.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fail makes an error of the service's.
func fail(code, format string, args ...any) error {
	return &gateway.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error { return fail("ValidationError", format, args...) }

// unimplemented refuses what AWS does and the local cloud does not.
func unimplemented(format string, args ...any) error {
	return invalid("the local cloud does not implement "+format, args...)
}

var errClosed = &gateway.Error{Code: "ServiceUnavailable", Message: "the local cloud is shutting down", Status: 503}
