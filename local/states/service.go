package states

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

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

// New starts a service without machines.
func New(c Config) *Service {
	s := &Service{config: c, machines: map[string]*machine{}, executions: map[string]*execution{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// ServeAWS answers the API; see Operations.
func (s *Service) ServeAWS(w http.ResponseWriter, r *gateway.Request) {
	gateway.Table(s.Operations()).ServeAWS(w, r)
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

func noExecution(arn string) error {
	return &gateway.Error{Code: "ExecutionDoesNotExist", Message: fmt.Sprintf("Execution Does Not Exist: '%s'", arn)}
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

// Expire makes a running execution meet its machine's TimeoutSeconds now: its
// context ends with the cause that its deadline has, so that all goes the way it
// goes when the time has run out. It returns when the execution has ended.
func (s *Service) Expire(arn string) error {
	x, err := s.execution(arn)
	if err != nil {
		return err
	}
	switch {
	case x.mapRun != nil:
		return fmt.Errorf("execution %s is a child of a Map Run and has no time of its own: expire its parent, %s", arn, x.mapRun.parent.arn)
	case x.deadline.IsZero():
		return fmt.Errorf("execution %s cannot expire: its state machine has no TimeoutSeconds", arn)
	}
	x.stop(errExpired)
	<-x.done
	if status, _, _, _ := x.state(); status != statusTimedOut {
		return fmt.Errorf("execution %s had ended before: it is %s", arn, status)
	}
	return nil
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
