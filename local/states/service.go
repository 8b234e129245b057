package states

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// Authorizer knows roles and what they may do. *iam.Store is one.
type Authorizer interface {
	// AssumeRole fails when the role's trust policy does not name the service.
	AssumeRole(roleARN, sessionName, service string, ttl time.Duration) (iam.Credentials, iam.Caller, error)
	Authorize(c iam.Caller, action, resource string, keys iam.Keys) error
}

// Config is what the service needs from the rest of the cloud.
type Config struct {
	Account    string
	Region     string
	Invoker    Invoker
	Authorizer Authorizer
	// Publish hears of every status change, in order for each execution, before
	// the change can be seen through the API's waiters. It must not block. May be nil.
	Publish func(Event)
}

// Service is Step Functions. Close ends it.
type Service struct {
	config      Config
	ctx         context.Context // of invocations: they outlive their tasks, not the service
	cancel      context.CancelFunc
	running     sync.WaitGroup // executions
	invocations sync.WaitGroup

	mu         sync.Mutex
	machines   map[string]*machine
	executions map[string]*execution
	order      []*execution // as started
	closing    error        // set once nothing may start any more
}

// machine is one version of a state machine; an update makes a new one.
type machine struct {
	ARN, Name, RoleARN string
	Definition         *Definition
	Created, Updated   time.Time
	Revision           string
}

// Machine is what a state machine is created from.
type Machine struct {
	Name       string
	RoleARN    string
	Definition string // Amazon States Language, tokens already substituted
}

// New starts a service without machines.
func New(c Config) *Service {
	s := &Service{config: c, machines: map[string]*machine{}, executions: map[string]*execution{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// AbortAll ends every running execution as ABORTED, with its events, and refuses
// new ones. It returns when all have ended.
func (s *Service) AbortAll(cause string) {
	s.mu.Lock()
	s.closing = &aborted{Cause: cause}
	var top []*execution
	for _, x := range s.order {
		if x.mapRun == nil {
			top = append(top, x)
		}
	}
	s.mu.Unlock()
	var wg sync.WaitGroup
	for _, x := range top {
		wg.Go(func() { x.abort(&aborted{Cause: cause}) })
	}
	wg.Wait()
	s.running.Wait()
}

// Close aborts what runs, then cancels the invocations that outlived their
// tasks and waits for them.
func (s *Service) Close() error {
	s.AbortAll("The service is shutting down.")
	s.cancel()
	s.invocations.Wait()
	return nil
}

func (s *Service) arn(kind, name string) string {
	return fmt.Sprintf("arn:aws:states:%s:%s:%s:%s", s.config.Region, s.config.Account, kind, name)
}

// functionARN completes a function's name; ARNs pass as they are.
func (s *Service) functionARN(name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", s.config.Region, s.config.Account, name)
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
	if _, err := s.assume(m.RoleARN, "create"); err != nil {
		return nil, err
	}
	now := time.Now()
	return &machine{ARN: s.arn("stateMachine", m.Name), Name: m.Name, RoleARN: m.RoleARN, Definition: def,
		Created: now, Updated: now, Revision: newUUID()}, nil
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

func noExecution(arn string) error {
	return &gateway.Error{Code: "ExecutionDoesNotExist", Message: fmt.Sprintf("Execution Does Not Exist: '%s'", arn)}
}

// Start begins an execution. An empty name gives it a random one; an empty
// input means {}. The same name with the same input answers the running
// execution; a name that was used otherwise is refused.
func (s *Service) Start(machineARN, name, input string) (arn string, started time.Time, err error) {
	x, err := s.start(machineARN, name, input, "")
	if err != nil {
		return "", time.Time{}, err
	}
	return x.arn, x.start, nil
}

func (s *Service) start(machineARN, name, input, trace string) (*execution, error) {
	if name == "" {
		name = newUUID()
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if input == "" {
		input = "{}"
	}
	if len(input) > maxPayload || !utf8.ValidString(input) || !json.Valid([]byte(input)) {
		return nil, &gateway.Error{Code: "InvalidExecutionInput", Message: fmt.Sprintf("Invalid State Machine Execution Input: it must be valid JSON of at most %d bytes", maxPayload)}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.machines[machineARN]
	if !ok {
		return nil, noMachine(machineARN)
	}
	if s.closing != nil {
		return nil, &gateway.Error{Code: "ServiceUnavailable", Message: "the service is shutting down", Status: 503}
	}
	arn := s.arn("execution", m.Name+":"+name)
	if old, ok := s.executions[arn]; ok {
		if status, _, _, _ := old.state(); status == statusRunning && string(old.input) == input {
			return old, nil
		}
		return nil, &gateway.Error{Code: "ExecutionAlreadyExists", Message: fmt.Sprintf("Execution Already Exists: '%s'", arn)}
	}
	caller, err := s.assume(m.RoleARN, session(name))
	if err != nil {
		return nil, err
	}
	x := &execution{service: s, machine: m, flow: &m.Definition.Flow, arn: arn, name: name, input: json.RawMessage(input),
		start: time.Now(), caller: caller, trace: trace, status: statusRunning, history: &history{}, done: make(chan struct{})}
	if t := m.Definition.TimeoutSeconds; t > 0 {
		x.deadline = x.start.Add(time.Duration(t) * time.Second)
	}
	var ctx context.Context
	ctx, x.stop = context.WithCancelCause(context.Background())
	s.executions[arn] = x
	s.order = append(s.order, x)
	s.running.Go(func() { x.run(ctx) })
	return x, nil
}

// session is a role session's name for an execution: 64 characters of those
// that STS allows.
func session(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r < 0x80 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_+=,.@-", r)) {
			return r
		}
		return '-'
	}, name)
	if len(clean) < 2 {
		clean += "--"
	}
	return clean[:min(len(clean), 64)]
}

// add registers a child of a Map Run.
func (s *Service) add(x *execution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.executions[x.arn] = x
	s.order = append(s.order, x)
}

func (x *execution) addMapRun(r *mapRun) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.mapRuns = append(x.mapRuns, r)
}

// Stop aborts a running execution; one that has ended stays as it is. It gives
// the time at which the execution ended.
func (s *Service) Stop(arn, errorName, cause string) (time.Time, error) {
	x, err := s.execution(arn)
	if err != nil {
		return time.Time{}, err
	}
	x.abort(&aborted{Name: errorName, Cause: cause})
	_, _, _, at := x.state()
	return at, nil
}

// Wait returns when the execution has ended, with its status and its output, or
// the error name and cause it ended with.
func (s *Service) Wait(ctx context.Context, arn string) (status string, output json.RawMessage, errorName, cause string, err error) {
	x, err := s.execution(arn)
	if err != nil {
		return "", nil, "", "", err
	}
	select {
	case <-x.done:
	case <-ctx.Done():
		return "", nil, "", "", ctx.Err()
	}
	status, output, f, _ := x.state()
	if f != nil {
		errorName, cause = f.Name, f.Cause
	}
	return status, output, errorName, cause, nil
}

func (s *Service) execution(arn string) (*execution, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.executions[arn]; ok {
		return x, nil
	}
	return nil, noExecution(arn)
}

func (s *Service) machine(arn string) (*machine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.machines[arn]; ok {
		return m, nil
	}
	return nil, noMachine(arn)
}

func (s *Service) mapRun(arn string) (*mapRun, error) {
	s.mu.Lock()
	all := slices.Clone(s.order)
	s.mu.Unlock()
	for _, x := range all {
		for _, r := range x.runs() {
			if r.arn == arn {
				return r, nil
			}
		}
	}
	return nil, &gateway.Error{Code: "ResourceNotFound", Message: fmt.Sprintf("Map Run Does Not Exist: '%s'", arn)}
}

func (x *execution) runs() []*mapRun {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.mapRuns)
}
