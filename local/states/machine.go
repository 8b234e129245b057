package states

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// machine is one version of a state machine; an update makes a new one.
type machine struct {
	ARN, Name, RoleARN string
	Definition         *Definition
	Created, Updated   time.Time
	Revision           string
	Tracing            bool
}

// Machine is what a state machine is created from.
type Machine struct {
	Name       string
	RoleARN    string
	Definition string // Amazon States Language, tokens already substituted
	Tracing    bool   // TracingConfiguration.Enabled: traces are asked for under the role, and kept nowhere
	Logging    bool   // LoggingConfiguration with a destination: the role must be allowed to deliver; the history is the log
}

func (s *Service) machine(arn string) (*machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.machines[arn]; ok {
		return m, nil
	}
	return nil, noMachine(arn)
}

func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > maxName || strings.ContainsFunc(name, nameRefuses) {
		return &gateway.Error{Code: "InvalidName", Message: fmt.Sprintf("Invalid Name: '%s'", name)}
	}
	return nil
}

// Create makes a state machine, or refuses its definition with every problem
// (*gateway.Error InvalidDefinition). It is idempotent for the same content.
func (s *Service) Create(m Machine) (arn string, err error) {
	made, err := s.check(m)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.machines[made.ARN]; ok {
		if old.Definition.Source == m.Definition && old.RoleARN == m.RoleARN {
			return old.ARN, nil
		}
		return "", &gateway.Error{Code: "StateMachineAlreadyExists", Message: fmt.Sprintf("State Machine Already Exists: '%s'", made.ARN)}
	}
	s.machines[made.ARN] = made
	return made.ARN, nil
}

func (s *Service) check(m Machine) (*machine, error) {
	if err := checkName(m.Name); err != nil {
		return nil, err
	}
	def, err := Parse(m.Definition)
	var invalid *DefinitionError
	if errors.As(err, &invalid) {
		return nil, &gateway.Error{Code: "InvalidDefinition", Message: invalid.Error()}
	}
	if err != nil {
		return nil, err
	}
	caller, err := s.assume(m.RoleARN, "create")
	if err != nil {
		return nil, err
	}
	if m.Logging {
		if err := s.logDelivery(caller); err != nil {
			return nil, err
		}
	}
	now := time.Now()
	return &machine{ARN: s.arn("stateMachine", m.Name), Name: m.Name, RoleARN: m.RoleARN, Definition: def,
		Created: now, Updated: now, Revision: newUUID(), Tracing: m.Tracing}, nil
}

func (s *Service) assume(role, session string) (iam.Caller, error) {
	_, caller, err := s.config.Authorizer.AssumeRole(role, session, "states.amazonaws.com", 12*time.Hour)
	if err != nil {
		return iam.Caller{}, &gateway.Error{Code: "AccessDeniedException", Message: fmt.Sprintf(
			"Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role. (%v)", err)}
	}
	return caller, nil
}

// Update replaces a machine's definition and role. Running executions keep theirs.
func (s *Service) Update(arn string, m Machine) error {
	made, err := s.check(m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.machines[arn]
	if !ok || made.ARN != arn {
		return noMachine(arn)
	}
	made.Created = old.Created
	s.machines[arn] = made
	return nil
}

// Delete removes a machine. Its executions end by themselves, as on AWS.
func (s *Service) Delete(arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.machines, arn)
}

func noMachine(arn string) error {
	return &gateway.Error{Code: "StateMachineDoesNotExist", Message: fmt.Sprintf("State Machine Does Not Exist: '%s'", arn)}
}
