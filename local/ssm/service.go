package ssm

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/ec2"
	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// Machines finds instances. *ec2.Service is one.
type Machines interface {
	Machines() []ec2.Machine               // that are running
	Machine(id string) (ec2.Machine, bool) // one of them
	Tags(id string) map[string]string      // also of one that has ended lately
}

// Roles is what an agent does under its instance's role. *iam.Store is one.
type Roles interface {
	AssumeRole(roleARN, sessionName, service string, ttl time.Duration) (iam.Credentials, iam.Caller, error)
	Authorize(c iam.Caller, action, resource string, keys iam.Keys) error
}

var (
	_ Machines = (*ec2.Service)(nil)
	_ Roles    = (*iam.Store)(nil)
)

// Delays stretch what is instant here to what it takes on AWS.
type Delays struct {
	Registration time.Duration // from running to registered (5–20 s on AWS)
}

// Config is what the service is made from.
type Config struct {
	Account, Region string
	Machines        Machines
	Roles           Roles
	Parameters      map[string]string // public parameters; ec2.PublicParameters
	Delays          Delays
}

// Service is Systems Manager. It owns the commands that run: Close ends them.
type Service struct {
	gateway.Service
	config Config

	mu        sync.Mutex
	documents map[string]*document
	agents    map[string]*agent // by instance
	commands  []*command        // in the order of their sending

	context context.Context // of all invocations; the service is their scope
	cancel  context.CancelFunc
	running sync.WaitGroup // invocations
	closed  bool
}

// New makes the service, with no document of the account's own.
func New(config Config) *Service {
	s := &Service{config: config, documents: map[string]*document{}, agents: map[string]*agent{}}
	s.context, s.cancel = context.WithCancel(context.Background())
	s.Service = gateway.Table(map[string]gateway.Operation{
		"SendCommand":                 s.sendCommand,
		"CancelCommand":               s.cancelCommand,
		"GetCommandInvocation":        s.getCommandInvocation,
		"ListCommands":                s.listCommands,
		"ListCommandInvocations":      s.listCommandInvocations,
		"DescribeInstanceInformation": s.describeInstanceInformation,
		"GetParameter":                s.getParameter,
		"GetParameters":               s.getParameters,
	})
	return s
}

// Close cancels every command and waits until none runs.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
}

func fail(code, format string, args ...any) error {
	return &gateway.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (s *Service) instanceARN(id string) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:instance/%s", s.config.Region, s.config.Account, id)
}
