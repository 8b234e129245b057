package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// agents is Systems Manager: instances register late, commands are unknown at
// first, take their time and fail on some.
type agents struct {
	mu       sync.Mutex
	online   map[string]time.Time // since when; never if absent
	sent     map[string]time.Time // by instance
	commands []Command
	refused  int // so many sends find the instance unregistered after all
	fail     map[string]CommandResult
	sendErr  error
	takes    time.Duration
}

func (a *agents) Online(_ context.Context, ids []string) ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []string
	for _, id := range ids {
		if since, ok := a.online[id]; ok && !time.Now().Before(since) {
			out = append(out, id)
		}
	}
	return out, nil
}

func (a *agents) Send(_ context.Context, c Command) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sendErr != nil {
		return "", a.sendErr
	}
	if a.refused > 0 {
		a.refused--
		return "", fmt.Errorf("%w: InvalidInstanceId", ErrNotYet)
	}
	a.sent[c.Instance] = time.Now()
	a.commands = append(a.commands, c)
	return "cmd-" + c.Instance, nil
}

func (a *agents) Result(_ context.Context, command, instance string) (CommandResult, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	age := time.Since(a.sent[instance])
	switch {
	case command != "cmd-"+instance:
		return CommandResult{}, errors.New("wrong command")
	case age < time.Second:
		return CommandResult{}, fmt.Errorf("%w: InvocationDoesNotExist", ErrNotYet)
	case age < a.takes:
		return CommandResult{Status: "InProgress"}, nil
	}
	if r, bad := a.fail[instance]; bad {
		return r, nil
	}
	return CommandResult{Status: "Success"}, nil
}

func setupOf(t *testing.T, a *agents, ids ...string) error {
	t.Helper()
	in := SetupIn{Run: "r", Group: "cluster1"}
	for _, id := range ids {
		in.Instances = append(in.Instances, bench.Instance{ID: id, Group: "cluster1", Role: bench.RoleNode})
	}
	_, err := (&Setup{Store: planned(t, `{}`), Commands: a}).Run(t.Context(), in)
	return err
}

func newAgents(ids ...string) *agents {
	a := &agents{online: map[string]time.Time{}, sent: map[string]time.Time{}, fail: map[string]CommandResult{}, takes: 5 * time.Second}
	for n, id := range ids {
		a.online[id] = time.Now().Add(time.Duration(n) * 20 * time.Second)
	}
	return a
}

func TestSetupSendsAsEachComesOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAgents("i-1", "i-2", "i-3")
		a.refused = 2
		if err := setupOf(t, a, "i-1", "i-2", "i-3"); err != nil {
			t.Fatal(err)
		}
		if len(a.commands) != 3 {
			t.Fatalf("%d commands, want 3", len(a.commands))
		}
		// The first must not wait for the last, 40 s later.
		if gap := a.sent["i-3"].Sub(a.sent["i-1"]); gap < 30*time.Second {
			t.Errorf("i-1 got its command only %v before i-3", gap)
		}
	})
}

func TestSetupNamesTheNodeThatFailed(t *testing.T) {
	for _, tc := range []struct {
		why     string
		prepare func(*agents)
		want    []string
	}{
		{"the script's last words, not the agent's", func(a *agents) {
			a.fail["i-2"] = CommandResult{Status: "Failed", Stderr: "fetching\nsha256 of backend is wrong\nfailed to run commands: exit status 1\n"}
		}, []string{"i-2", "cluster1", "sha256 of backend is wrong"}},
		{"it said nothing", func(a *agents) { a.fail["i-2"] = CommandResult{Status: "TimedOut", Detail: "DeliveryTimedOut"} },
			[]string{"i-2", "DeliveryTimedOut"}},
		{"it never registered", func(a *agents) { delete(a.online, "i-2") }, []string{"i-2", "did not register"}},
		{"it registered and went away", func(a *agents) { a.refused = 1000 }, []string{"has it ended?"}},
		{"the function may not send", func(a *agents) { a.sendErr = errors.New("AccessDeniedException: no") }, []string{"AccessDeniedException"}},
		{"the script hangs", func(a *agents) { a.takes = time.Hour }, []string{"did not end in time"}},
	} {
		t.Run(tc.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAgents("i-1", "i-2")
				tc.prepare(a)
				err := setupOf(t, a, "i-1", "i-2")
				failed, ok := own[*SetupFailed](err) // unwrapped, or Step Functions shows another name
				if !ok {
					t.Fatalf("got %T: %v", err, err)
				}
				for _, want := range tc.want {
					if !strings.Contains(failed.Error(), want) {
						t.Errorf("%q lacks %q", failed, want)
					}
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("%q is more than a line", err)
				}
			})
		})
	}
}

// A function is killed at its timeout and then says nothing.
func TestSetupSpeaksBeforeItIsKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		in := SetupIn{Run: "r", Group: "cluster1", Instances: []bench.Instance{{ID: "i-1", Group: "cluster1"}}}
		_, err := (&Setup{Store: planned(t, `{}`), Commands: newAgents()}).Run(ctx, in)
		if _, ok := own[*SetupFailed](err); !ok || ctx.Err() != nil {
			t.Errorf("got %v with the function's own time %v", err, ctx.Err())
		}
	})
}

func TestSetupParameters(t *testing.T) {
	r := read[bench.RunRecord](t, planned(t, `{}`), keysOfR.Plan())
	node := command(r, bench.Instance{ID: "i-1", Group: "cluster2", Role: bench.RoleNode})
	proxy := command(r, bench.Instance{ID: "i-9", Group: "proxy", Role: bench.RoleProxy})
	for _, tc := range []struct {
		got  Command
		want []string
	}{
		{node, []string{"Arguments=-cluster cluster2", "Artifact=s3://assets/backend", "Service=backend", "Sha256=" + strings.Repeat("a", 64)}},
		{proxy, []string{"Arguments=-stack fl -run r -clusters cluster1,cluster2 -answer-timeout 11s", "Artifact=s3://assets/proxy", "Service=proxy", "Sha256=" + strings.Repeat("b", 64)}},
	} {
		var got []string
		for k, v := range tc.got.Parameters {
			got = append(got, k+"="+v)
		}
		slices.Sort(got)
		if !slices.Equal(got, tc.want) || tc.got.Document != "doc" {
			t.Errorf("got %s %v, want %v", tc.got.Document, got, tc.want)
		}
	}
}
