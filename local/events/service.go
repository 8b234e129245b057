package events

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"
)

// Event is what a service tells the bus.
type Event struct {
	Source     string // aws.states
	DetailType string
	Resources  []string // ARNs
	Time       time.Time
	Detail     json.RawMessage // an object
}

// Target hands events to Lambda functions.
type Target interface {
	// InvokeAsync queues the event if the function's own policy lets the service
	// in for the rule's ARN, and fails with AWS's error if not. The function's
	// queue tries a failed event twice more.
	InvokeAsync(functionARN string, payload []byte, service, sourceARN string) error
}

// Config is what the service needs from the rest of the cloud.
type Config struct {
	Account string
	Region  string
	Target  Target
	// Undelivered hears of every event that a target's function refused. On AWS
	// this is only a metric (FailedInvocations); may be nil.
	Undelivered func(ruleARN, targetARN string, err error)
}

// Rule is an AWS::Events::Rule on the default bus.
type Rule struct {
	Name       string
	Pattern    json.RawMessage // nil: none
	Schedule   string          // rate(5 minutes); empty: none
	Disabled   bool
	TargetARNs []string // of Lambda functions
}

// Service is EventBridge. Close ends its schedules.
type Service struct {
	config Config
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup // schedules and deliveries

	mu     sync.Mutex
	closed bool
	rules  map[string]*rule
}

type rule struct {
	Rule
	arn     string
	pattern *Pattern
	cancel  context.CancelFunc // ends its schedule
}

// New starts a service without rules.
func New(c Config) *Service {
	s := &Service{config: c, rules: map[string]*rule{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Close ends the schedules and waits for deliveries under way.
func (s *Service) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	return nil
}

var (
	ruleName    = regexp.MustCompile(`^[.\-_A-Za-z0-9]{1,64}$`)
	functionARN = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+$`)
)

// Put makes a rule or replaces the one of that name, and gives its ARN. All that
// is wrong with it is said at once.
func (s *Service) Put(r Rule) (arn string, err error) {
	made := &rule{Rule: r, arn: fmt.Sprintf("arn:aws:events:%s:%s:rule/%s", s.config.Region, s.config.Account, r.Name)}
	var problems []error
	if !ruleName.MatchString(r.Name) {
		problems = append(problems, fmt.Errorf("rule name %q has other than 1 to 64 letters, digits and .-_", r.Name))
	}
	if r.Pattern == nil && r.Schedule == "" {
		problems = append(problems, errors.New("a rule needs an event pattern or a schedule"))
	}
	if r.Pattern != nil {
		p, err := ParsePattern(r.Pattern)
		if err != nil {
			problems = append(problems, err)
		}
		made.pattern = &p
	}
	var every time.Duration
	if r.Schedule != "" {
		if every, err = ParseSchedule(r.Schedule); err != nil {
			problems = append(problems, err)
		}
	}
	if len(r.TargetARNs) > 5 {
		problems = append(problems, errors.New("a rule has at most 5 targets"))
	}
	for _, t := range r.TargetARNs {
		if !functionARN.MatchString(t) {
			problems = append(problems, fmt.Errorf("target %q is not supported: only Lambda functions, by ARN, are", t))
		}
	}
	if len(problems) > 0 {
		return "", fmt.Errorf("rule %s: %w", r.Name, errors.Join(problems...))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", errors.New("the event bus is closed")
	}
	s.remove(r.Name)
	var ctx context.Context
	ctx, made.cancel = context.WithCancel(s.ctx)
	s.rules[r.Name] = made
	if every > 0 && !r.Disabled {
		s.work.Go(func() { s.tick(ctx, made, every) })
	}
	return made.arn, nil
}

// Delete removes a rule, if there is one of that name.
func (s *Service) Delete(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(name)
}

func (s *Service) remove(name string) {
	if old, ok := s.rules[name]; ok {
		old.cancel()
		delete(s.rules, name)
	}
}

// Publish gives an event to every rule whose pattern it matches. It does not
// wait for the deliveries.
func (s *Service) Publish(e Event) {
	payload := s.envelope(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	for _, r := range s.rules {
		if r.pattern != nil && !r.Disabled && r.pattern.Matches(payload) {
			s.work.Go(func() { s.deliver(r, payload) })
		}
	}
}

func (s *Service) deliver(r *rule, payload []byte) {
	for _, target := range r.TargetARNs {
		err := s.config.Target.InvokeAsync(target, payload, "events.amazonaws.com", r.arn)
		if err != nil && s.config.Undelivered != nil {
			s.config.Undelivered(r.arn, target, err)
		}
	}
}

// tick fires a schedule; the first time is one interval after the rule was made.
func (s *Service) tick(ctx context.Context, r *rule, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case at := <-ticker.C:
			s.deliver(r, s.envelope(Event{Source: "aws.events", DetailType: "Scheduled Event", Resources: []string{r.arn}, Time: at, Detail: json.RawMessage("{}")}))
		case <-ctx.Done():
			return
		}
	}
}

// envelope is an event as targets receive it (EventBridge user guide, "Events").
func (s *Service) envelope(e Event) []byte {
	resources := e.Resources
	if resources == nil {
		resources = []string{}
	}
	payload, err := json.Marshal(struct {
		Version    string          `json:"version"`
		ID         string          `json:"id"`
		DetailType string          `json:"detail-type"`
		Source     string          `json:"source"`
		Account    string          `json:"account"`
		Time       string          `json:"time"`
		Region     string          `json:"region"`
		Resources  []string        `json:"resources"`
		Detail     json.RawMessage `json:"detail"`
	}{"0", eventID(), e.DetailType, e.Source, s.config.Account, e.Time.UTC().Format(time.RFC3339), s.config.Region, resources, e.Detail})
	if err != nil {
		// A detail that is no JSON is a bug of the publisher; nothing can match it.
		return []byte("{}")
	}
	return payload
}

// eventID is a random UUID (RFC 9562, version 4).
func eventID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
