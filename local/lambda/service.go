package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/iam"
)

// Roles gives functions their credentials and asks what a role may do.
// *iam.Store is one.
type Roles interface {
	AssumeRole(roleARN, sessionName, service string, ttl time.Duration) (iam.Credentials, iam.Caller, error)
	Authorize(c iam.Caller, action, resource string, keys iam.Keys) error
	// SetSessionKeys gives a session condition keys that come with each of its calls.
	SetSessionKeys(accessKeyID string, keys iam.Keys)
}

// Config is what the service needs of its surroundings.
type Config struct {
	Dir        string // code/, sandboxes/ and logs/ live below it
	Region     string
	Account    string
	Endpoint   string // where the functions' SDKs send their calls: http://host:port
	RuntimeAPI string // host:port at which RuntimeHandler is served
	Roles      Roles
	Objects    Objects
	Log        *slog.Logger

	Concurrency int             // invocations at once in the account, and so processes; 0 means 100
	IdleAfter   time.Duration   // a process unused for so long is ended; 0 means 5 minutes
	RetryDelays []time.Duration // before each further try of a failed asynchronous event; nil means 1 and 2 minutes
}

// session is how long a role's credentials live, AWS's longest.
const session = 12 * time.Hour

// Service runs functions. It owns their processes: Close ends them all.
type Service struct {
	cfg     Config
	starter *starter

	processes sync.WaitGroup // each process's wait
	work      sync.WaitGroup // invocations, the reaper, asynchronous events
	ctx       context.Context
	stop      context.CancelFunc

	mu        sync.Mutex
	functions map[string]*function
	logGroups map[string]bool
	sandboxes map[string]*sandbox
	busy      int // invocations that hold a process or start one
	closed    bool
	pending   int           // asynchronous events, see pend
	quiet     chan struct{} // closed when there are none
}

// function is a deployed function with its warm processes.
type function struct {
	Function
	arn      string
	bundle   bundle
	revision string
	modified time.Time
	log      *logFile

	permissions map[string]Permission // under Service.mu
	idle        []*sandbox            // under Service.mu; the last was used last
	creds       iam.Credentials       // under Service.mu
	caller      iam.Caller
	deleted     bool
}

// New makes a service without functions.
func New(cfg Config) *Service {
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 100
	}
	if cfg.IdleAfter == 0 {
		cfg.IdleAfter = 5 * time.Minute
	}
	if cfg.RetryDelays == nil {
		cfg.RetryDelays = []time.Duration{time.Minute, 2 * time.Minute}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Service{
		cfg: cfg, starter: newStarter(), ctx: ctx, stop: stop,
		functions: map[string]*function{}, logGroups: map[string]bool{}, sandboxes: map[string]*sandbox{},
	}
	s.work.Go(s.reap)
	return s
}

// Create deploys a function and returns its ARN. It fetches and unpacks the
// code, and does under the function's role what AWS does at creation.
func (s *Service) Create(ctx context.Context, f Function) (string, error) {
	if err := f.check(); err != nil {
		return "", err
	}
	fn := &function{
		Function: f, arn: s.arn(f.Name), revision: newID(), modified: time.Now(),
		permissions: map[string]Permission{},
		log:         &logFile{path: filepath.Join(s.cfg.Dir, "logs", f.Name+".log")},
	}
	if err := s.renew(fn); err != nil {
		return "", err
	}
	if err := s.attach(fn); err != nil {
		return "", err
	}
	var err error
	if fn.bundle, err = unpack(ctx, s.cfg.Objects, f.Code, filepath.Join(s.cfg.Dir, "code")); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.functions[f.Name] != nil {
		return "", conflict("Function already exist: " + f.Name)
	}
	s.functions[f.Name] = fn
	return fn.arn, nil
}

// Delete removes a function; its processes end when they are idle.
func (s *Service) Delete(name string) error {
	s.mu.Lock()
	fn := s.functions[name]
	if fn == nil {
		s.mu.Unlock()
		return notFound(s.arn(name))
	}
	delete(s.functions, name)
	fn.deleted = true
	idle := fn.idle
	fn.idle = nil
	s.mu.Unlock()
	for _, sb := range idle {
		sb.kill()
	}
	return fn.log.close()
}

// Concurrency is how many invocations may run at once in the account.
func (s *Service) Concurrency() int { return s.cfg.Concurrency }

// AddLogGroup says that a log group exists, so that functions need no
// permission to create it. The logs themselves are files, one per function.
func (s *Service) AddLogGroup(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logGroups[name] = true
}

// RemoveLogGroup takes AddLogGroup back.
func (s *Service) RemoveLogGroup(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logGroups, name)
}

// LogFile is where a function's log lies, once it has written one.
func (s *Service) LogFile(name string) string {
	return filepath.Join(s.cfg.Dir, "logs", name+".log")
}

// Close kills all functions and returns when no process and no goroutine of
// the service is left.
func (s *Service) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	all := make([]*sandbox, 0, len(s.sandboxes))
	for _, sb := range s.sandboxes {
		all = append(all, sb)
	}
	s.mu.Unlock()
	s.stop()
	for _, sb := range all {
		sb.kill()
	}
	s.work.Wait()
	s.processes.Wait()
	s.starter.close()
	var errs []error
	for _, fn := range s.functions {
		errs = append(errs, fn.log.close())
	}
	errs = append(errs, os.RemoveAll(filepath.Join(s.cfg.Dir, "sandboxes")))
	return errors.Join(errs...)
}

func (s *Service) arn(name string) string {
	return fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", s.cfg.Region, s.cfg.Account, name)
}

// find takes a name, a partial ARN or an ARN, with or without $LATEST.
func (s *Service) find(ref string) (*function, error) {
	name := ref
	if i := strings.Index(ref, ":function:"); i >= 0 {
		name = ref[i+len(":function:"):]
		if prefix := ref[:i]; strings.HasPrefix(prefix, "arn:") && prefix != strings.TrimSuffix(s.arn(""), ":function:") {
			return nil, notFound(ref)
		}
	}
	name, qualifier, qualified := strings.Cut(name, ":")
	s.mu.Lock()
	defer s.mu.Unlock()
	fn := s.functions[name]
	if fn == nil || (qualified && qualifier != "$LATEST") {
		arn := s.arn(name)
		if qualified {
			arn += ":" + qualifier
		}
		return nil, notFound(arn)
	}
	return fn, nil
}

// list gives the functions by name.
func (s *Service) list() []*function {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*function, 0, len(s.functions))
	for _, fn := range s.functions {
		all = append(all, fn)
	}
	slices.SortFunc(all, func(a, b *function) int { return strings.Compare(a.Name, b.Name) })
	return all
}
