package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// memory is a Store with S3's conditional writes and their ways to fail.
type memory struct {
	mu        sync.Mutex
	objects   map[string][]byte
	conflicts map[string]int   // so many 409s before the write is taken
	lost      map[string]bool  // the write is taken, its answer lost, the client's repetition refused
	fail      map[string]error // by operation and key: "put runs/r/x"
	puts      []string
}

func newMemory() *memory {
	return &memory{objects: map[string][]byte{}, conflicts: map[string]int{}, lost: map[string]bool{}, fail: map[string]error{}}
}

func (m *memory) Get(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["get "+key]; err != nil {
		return nil, err
	}
	body, ok := m.objects[key]
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, key)
	}
	return slices.Clone(body), nil
}

func (m *memory) Put(_ context.Context, key string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail["put "+key]; err != nil {
		return err
	}
	m.objects[key] = slices.Clone(body)
	m.puts = append(m.puts, key)
	return nil
}

func (m *memory) PutIfAbsent(_ context.Context, key string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conflicts[key] > 0 {
		m.conflicts[key]--
		return ErrConflict
	}
	if _, ok := m.objects[key]; ok {
		return ErrExists
	}
	m.objects[key] = slices.Clone(body)
	if m.lost[key] {
		return ErrExists
	}
	return nil
}

func (m *memory) List(_ context.Context, prefix string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []string
	for _, k := range slices.Sorted(maps.Keys(m.objects)) {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func (m *memory) keys() []string {
	keys, _ := m.List(context.Background(), "")
	return keys
}

// read decodes an object that must be there.
func read[T any](t *testing.T, m *memory, key string) T {
	t.Helper()
	v, err := getJSON[T](t.Context(), m, key)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func write(t *testing.T, m *memory, key string, v any) {
	t.Helper()
	if err := putJSON(t.Context(), m, key, v); err != nil {
		t.Fatal(err)
	}
}

// cloud is a fleet that starts and ends slowly, forgets, refuses and lags as EC2 does.
type cloud struct {
	mu       sync.Mutex
	machines map[string]*Machine
	changed  map[string]time.Time // since when in this state
	tokens   map[string]order
	orders   []LaunchOrder // each call, those that a token answered too
	ends     []string      // each Terminate, its ids joined by a space

	boot, end time.Duration    // pending to running, shutting-down to terminated
	lag       time.Duration    // after its launch no call knows a machine
	refuse    map[string]error // by subnet
	lose      int              // so many launches succeed although the answer is an error
	stuck     map[string]bool  // never ends
	denied    error            // of Terminate
	blind     error            // of Instances
}

type order struct {
	LaunchOrder
	ids []string
}

func newCloud() *cloud {
	return &cloud{
		machines: map[string]*Machine{}, changed: map[string]time.Time{}, tokens: map[string]order{},
		refuse: map[string]error{}, stuck: map[string]bool{}, boot: 5 * time.Second, end: 30 * time.Second,
	}
}

var errLost = errors.New("the answer was lost")

func (c *cloud) Launch(_ context.Context, o LaunchOrder) ([]Machine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.orders = append(c.orders, o)
	if err := c.refuse[o.Subnet]; err != nil {
		return nil, err
	}
	known, ok := c.tokens[o.Token]
	if ok && fmt.Sprint(known.LaunchOrder) != fmt.Sprint(o) {
		return nil, errors.New("IdempotentParameterMismatch")
	}
	if !ok {
		known = order{LaunchOrder: o}
		for range o.Count {
			id := fmt.Sprintf("i-%d", len(c.machines)+1)
			c.machines[id] = &Machine{
				ID: id, Type: o.Type, State: statePending, AvailabilityZone: "zone-of-" + o.Subnet,
				Tags: maps.Clone(o.Tags), Launched: time.Now(),
			}
			c.changed[id] = time.Now()
			known.ids = append(known.ids, id)
		}
		c.tokens[o.Token] = known
	}
	if c.lose > 0 {
		c.lose--
		return nil, errLost
	}
	var out []Machine
	for _, id := range known.ids {
		out = append(out, *c.machines[id])
	}
	return out, nil
}

// advance moves machines on in time.
func (c *cloud) advance() {
	for id, m := range c.machines {
		age := time.Since(c.changed[id])
		switch {
		case m.State == statePending && age >= c.boot:
			m.State, m.PrivateIP = stateRunning, "10.0.0."+strings.TrimPrefix(id, "i-")
		case m.State == stateShuttingDown && age >= c.end && !c.stuck[id]:
			m.State, m.PrivateIP = stateTerminated, ""
		}
	}
}

func (c *cloud) visible(id string) bool {
	m, ok := c.machines[id]
	return ok && time.Since(m.Launched) >= c.lag
}

func (c *cloud) Instances(_ context.Context, filters map[string][]string) ([]Machine, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blind != nil {
		return nil, c.blind
	}
	c.advance()
	var out []Machine
	for _, id := range slices.Sorted(maps.Keys(c.machines)) {
		m := c.machines[id]
		match := c.visible(id)
		for name, values := range filters {
			var value string
			switch {
			case name == "instance-id":
				value = id
			case name == "instance-state-name":
				value = m.State
			case strings.HasPrefix(name, "tag:"):
				value = m.Tags[strings.TrimPrefix(name, "tag:")]
			default:
				return nil, fmt.Errorf("unknown filter %q", name)
			}
			match = match && slices.Contains(values, value)
		}
		if match {
			out = append(out, *m)
		}
	}
	return out, nil
}

func (c *cloud) Terminate(_ context.Context, ids []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends = append(c.ends, strings.Join(ids, " "))
	if c.denied != nil {
		return c.denied
	}
	c.advance()
	for _, id := range ids {
		if !c.visible(id) {
			return fmt.Errorf("%w: %s", ErrNoMachine, id)
		}
	}
	for _, id := range ids {
		if m := c.machines[id]; m.State != stateTerminated && m.State != stateShuttingDown {
			m.State, c.changed[id] = stateShuttingDown, time.Now()
		}
	}
	return nil
}

// alive counts the machines of a run that are not terminated.
func (c *cloud) alive(run string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance()
	n := 0
	for _, m := range c.machines {
		if m.Tags[bench.TagRun] == run && m.State != stateTerminated {
			n++
		}
	}
	return n
}

// execution is the ARN of the test's run, whose name is "r".
const execution = "arn:aws:states:us-east-1:000000000000:execution:bench:r"

var keysOfR = bench.RunKeys{Run: "r"}

var settings = Settings{
	Stack: "fl", T0Lead: 10 * time.Second, Subnets: []string{"subnet-a", "subnet-b"}, Document: "doc",
	BalancerGroup: "sg-alb",
	Images: map[string]bench.Image{
		bench.ArchX86: {
			NodeTemplate: bench.LaunchTemplate{ID: "lt-node", Version: "3"}, ProxyTemplate: bench.LaunchTemplate{ID: "lt-proxy", Version: "4"},
			Backend: bench.Artifact{URI: "s3://assets/backend", SHA256: strings.Repeat("a", 64)},
			Proxy:   bench.Artifact{URI: "s3://assets/proxy", SHA256: strings.Repeat("b", 64)},
		},
		bench.ArchARM: {
			NodeTemplate: bench.LaunchTemplate{ID: "lt-node-arm", Version: "5"}, ProxyTemplate: bench.LaunchTemplate{ID: "lt-proxy-arm", Version: "6"},
			Backend: bench.Artifact{URI: "s3://assets/backend-arm64", SHA256: strings.Repeat("c", 64)},
			Proxy:   bench.Artifact{URI: "s3://assets/proxy-arm64", SHA256: strings.Repeat("d", 64)},
		},
	},
}

// planned is a store in which run r has been planned.
func planned(t *testing.T, input string) *memory {
	t.Helper()
	m := newMemory()
	p := &Planner{Store: m, Account: roomy(), Settings: settings}
	if _, err := p.Run(t.Context(), PlanIn{Input: json.RawMessage(input), Execution: execution, StartedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	return m
}

// launched is a planned run with all its groups started.
func launched(t *testing.T, m *memory, c *cloud) {
	t.Helper()
	for _, g := range read[bench.RunRecord](t, m, keysOfR.Plan()).Groups {
		if _, err := (&Launcher{Store: m, Fleet: c}).Run(t.Context(), LaunchIn{Run: "r", Group: g.Name}); err != nil {
			t.Fatal(err)
		}
	}
}

// own is err itself as a T: Step Functions shows the name of the outermost
// type, so an error that is only wrapped does not count.
func own[T error](err error) (T, bool) {
	e, ok := err.(T) //nolint:errorlint // the outermost type is the point
	return e, ok
}
