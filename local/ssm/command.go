package ssm

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/host/supervisor"
)

// Limits of SendCommand and of what the API keeps of a script's output.
const (
	maxInstances = 50
	maxStdout    = 24_000 // characters
	maxStderr    = 8_000
)

// command is one SendCommand.
type command struct {
	id, document, comment string
	parameters            map[string][]string
	requested             time.Time
	delivery              time.Duration // TimeoutSeconds: delivery only
	invocations           []*invocation
}

// invocation is a command on one instance. The fields under "state" change,
// under Service.mu.
type invocation struct {
	command  *command
	instance string
	cancel   context.CancelFunc

	// state
	status, details string
	step            string // the last that ran: the plugin's name
	code            int    // -1 until it has ended
	began, ended    time.Time
	stdout, stderr  string
}

func (s *Service) sendCommand(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		DocumentName    string
		DocumentVersion string
		InstanceIDs     []string `json:"InstanceIds"`
		Parameters      map[string][]string
		TimeoutSeconds  int
		Comment         string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if n := len(in.InstanceIDs); n == 0 || n > maxInstances {
		return nil, fail("ValidationException", "InstanceIds must have 1 to %d members, not %d", maxInstances, n)
	}
	if !slices.Contains([]string{"", "1", "$DEFAULT", "$LATEST"}, in.DocumentVersion) {
		return nil, fail("InvalidDocumentVersion", "The document has no version %s", in.DocumentVersion)
	}
	if in.TimeoutSeconds == 0 {
		in.TimeoutSeconds = 3600
	}
	if in.TimeoutSeconds < 30 || in.TimeoutSeconds > 2592000 || len(in.Comment) > 100 {
		return nil, fail("ValidationException", "TimeoutSeconds must be 30 to 2592000, Comment at most 100 characters")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	doc, arn, err := s.document(in.DocumentName)
	if denied := r.Authorize("ssm:SendCommand", arn, nil); denied != nil {
		return nil, denied
	}
	if err != nil {
		return nil, err
	}
	if err := s.targets(r, in.InstanceIDs); err != nil {
		return nil, err
	}
	values, err := doc.values(in.Parameters)
	if err != nil {
		return nil, err
	}
	scripts, err := doc.scripts(values)
	if err != nil {
		return nil, err
	}
	if s.closed {
		return nil, fail("InternalServerError", "the local cloud is shutting down")
	}
	c := &command{id: newID(), document: in.DocumentName, comment: in.Comment, parameters: in.Parameters, requested: time.Now(),
		delivery: time.Duration(in.TimeoutSeconds) * time.Second}
	for _, id := range in.InstanceIDs {
		ctx, cancel := context.WithCancel(s.context)
		i := &invocation{command: c, instance: id, cancel: cancel, status: "Pending", details: "Pending", code: -1, step: scripts[0].name}
		c.invocations = append(c.invocations, i)
		s.running.Add(1)
		a := *s.agents[id] // as it is now: register refreshes the agent
		go s.invoke(ctx, i, &a, scripts)
	}
	s.forget()
	s.commands = append(s.commands, c)
	return struct{ Command commandItem }{c.item()}, nil
}

// maxKept is how many commands a cloud that stays up remembers, with up to
// 32,000 characters of output for each instance. AWS forgets them after 30 days.
const maxKept = 500

// forget drops the oldest command that has ended when there are too many. mu is held.
func (s *Service) forget() {
	if len(s.commands) < maxKept {
		return
	}
	done := func(c *command) bool {
		return !slices.ContainsFunc(c.invocations, func(i *invocation) bool { return i.ended.IsZero() })
	}
	if n := slices.IndexFunc(s.commands, done); n >= 0 {
		s.commands = slices.Delete(s.commands, n, n+1)
	}
}

// targets authorises the call on each instance, then asks that each has an
// agent: one without fails the whole call. An instance that has ended keeps its
// tags for a while (EC2 user guide, "Terminate your instance"), so that it is told
// that it has no agent. mu is held.
func (s *Service) targets(r *gateway.Request, ids []string) error {
	s.register()
	for n, id := range ids {
		if slices.Contains(ids[:n], id) {
			return fail("DuplicateInstanceId", "The instance %s is named twice", id)
		}
		if err := r.Authorize("ssm:SendCommand", s.instanceARN(id), resourceTags(s.config.Machines.Tags(id))); err != nil {
			return err
		}
	}
	for _, id := range ids {
		_, running := s.config.Machines.Machine(id)
		if _, ok := s.agents[id]; !ok || !running {
			return fail("InvalidInstanceId", "Instances [[%s]] not in a valid state for account %s", id, s.config.Account)
		}
	}
	return nil
}

// invoke runs the steps on one instance, one after the other, to the first
// that fails.
func (s *Service) invoke(ctx context.Context, i *invocation, a *agent, scripts []script) {
	defer s.running.Done()
	defer i.cancel()
	machine := a.machine.Host
	ctx, gone := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-machine.Done():
			gone(errGone)
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer gone(nil)
	if err := s.acknowledge(a); err != nil {
		s.finish(i, "Failed", "Undeliverable", -1)
		return
	}
	s.mu.Lock()
	i.status, i.details, i.began = "InProgress", "InProgress", time.Now()
	s.mu.Unlock()
	for _, step := range scripts {
		name := filepath.Join("ssm", i.command.id, fileName(step.name))
		code, timedOut, err := machine.Script(ctx, name, supervisor.Script{Text: step.text, WorkingDirectory: step.workingDirectory, Timeout: step.timeout})
		s.mu.Lock()
		i.step = step.name
		i.stdout = head(filepath.Join(machine.Dir, name, "stdout"), maxStdout)
		i.stderr = head(filepath.Join(machine.Dir, name, "stderr"), maxStderr)
		s.mu.Unlock()
		if err != nil && ctx.Err() == nil { // a lost connection is an instance that ends
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
		switch {
		case timedOut:
			s.finish(i, "TimedOut", "ExecutionTimedOut", 137)
			return
		case errors.Is(context.Cause(ctx), errGone):
			// On AWS such an invocation stays InProgress until its execution
			// times out; nobody here gains from waiting.
			s.finish(i, "Failed", "Undeliverable", -1)
			return
		case ctx.Err() != nil:
			s.finish(i, "Cancelled", "Cancelled", -1)
			return
		case err != nil:
			s.mu.Lock()
			i.stderr += err.Error()
			s.mu.Unlock()
			s.finish(i, "Failed", "Failed", 1)
			return
		case code != 0:
			s.finish(i, "Failed", "Failed", code)
			return
		}
	}
	s.finish(i, "Success", "Success", 0)
}

// errGone is the cause when an instance ends under a command.
var errGone = errors.New("the instance has ended")

func (s *Service) finish(i *invocation, status, details string, code int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i.status, i.details, i.code, i.ended = status, details, code, time.Now()
}

// head is the first n characters of a file; an unreadable file has none.
func head(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, 4*n) // UTF-8 has up to four bytes a character
	read, _ := f.ReadAt(text, 0)
	runes := []rune(string(text[:read]))
	return string(runes[:min(len(runes), n)])
}

func fileName(step string) string {
	return string(slices.DeleteFunc([]rune(step), func(r rune) bool { return r == '/' || r == ':' || r == '.' }))
}

// newID makes a command id: a UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *Service) cancelCommand(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		CommandID   string   `json:"CommandId"`
		InstanceIDs []string `json:"InstanceIds"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ssm:CancelCommand", "*", nil); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.command(in.CommandID)
	if err != nil {
		return nil, err
	}
	for _, id := range in.InstanceIDs {
		if !slices.ContainsFunc(c.invocations, func(i *invocation) bool { return i.instance == id }) {
			return nil, fail("InvalidInstanceId", "The command %s was not sent to %s", in.CommandID, id)
		}
	}
	for _, i := range c.invocations {
		if len(in.InstanceIDs) == 0 || slices.Contains(in.InstanceIDs, i.instance) {
			i.cancel()
		}
	}
	return struct{}{}, nil
}

// command finds a command. mu is held.
func (s *Service) command(id string) (*command, error) {
	for _, c := range s.commands {
		if c.id == id {
			return c, nil
		}
	}
	return nil, fail("InvalidCommandId", "The command ID %s is not one of this account", id)
}
