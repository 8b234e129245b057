package states

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fairlead/fairlead/local/gateway"
)

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

func (s *Service) start(machineARN, name, input, header string) (*execution, error) {
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
		start: time.Now(), caller: caller, header: header, status: statusRunning, history: &history{}, done: make(chan struct{})}
	if t := m.Definition.TimeoutSeconds; t > 0 {
		x.deadline = x.start.Add(time.Duration(t) * time.Second)
	}
	var ctx context.Context
	ctx, x.stop = context.WithCancelCause(context.Background())
	s.forget()
	s.executions[arn] = x
	s.order = append(s.order, x)
	s.running.Go(func() { x.run(ctx) })
	return x, nil
}

// maxKept is how many executions, children of Map Runs included, a cloud that
// stays up remembers. AWS forgets them after 90 days; here a history of 25,000
// events is memory.
const maxKept = 10_000

// forget drops the oldest executions that have ended, with their children, when
// there are too many. mu is held.
func (s *Service) forget() {
	excess := len(s.order) - maxKept
	if excess < 0 {
		return
	}
	children := map[*execution]int{}
	for _, x := range s.order {
		if x.mapRun != nil {
			children[x.mapRun.parent]++
		}
	}
	dropped := map[*execution]bool{}
	for _, x := range s.order {
		if excess < 0 {
			break
		}
		if status, _, _, _ := x.state(); x.mapRun == nil && status != statusRunning {
			dropped[x] = true
			excess -= 1 + children[x]
		}
	}
	s.order = slices.DeleteFunc(s.order, func(x *execution) bool {
		gone := dropped[x] || x.mapRun != nil && dropped[x.mapRun.parent]
		if gone {
			delete(s.executions, x.arn)
		}
		return gone
	})
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
