package steps

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// hosts is a resolver that may need some time to know a name.
type hosts struct {
	addrs []string
	since time.Time // unknown before
	fail  error
}

func (h hosts) LookupHost(_ context.Context, host string) ([]string, error) {
	switch {
	case host != "alb.test":
		return nil, errors.New("lookup of " + host)
	case time.Now().Before(h.since):
		return nil, errors.New("no such host")
	}
	return slices.Clone(h.addrs), h.fail
}

const albPlan = `{
	"clusters": [{"name": "one", "instanceType": "t2.micro", "count": 3}],
	"targets": [{"kind": "alb", "algorithm": "round_robin"}, {"kind": "proxy"}, {"kind": "alb", "algorithm": "weighted_random"}, {"kind": "direct"}],
	"load": {"kind": "burst", "requests": 30, "timeout": "2s"}, "blocks": 1, "shards": 2
}`

// behind is a planned run whose load balancer has two addresses, and the number
// of requests that each of its four listeners' addresses took.
func behind(t *testing.T) (m *memory, s *site, a *Aimer, taken func() map[string]int) {
	t.Helper()
	m, s = planned(t, albPlan), newSite(t, 3)
	write(t, m, keysOfR.Fleet(), s.fleet)
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	r.T0Lead = bench.Duration(50 * time.Millisecond)
	write(t, m, keysOfR.Plan(), r)
	write(t, m, keysOfR.Balancer(), bench.Balancer{DNSName: "alb.test", Listeners: []bench.Listener{
		{Port: 8000, Algorithm: "round_robin"}, {Port: 8001, Algorithm: "weighted_random"},
	}})
	var mu sync.Mutex
	counts := map[string]int{}
	for _, addr := range []string{"10.1.0.1:8000", "10.1.0.2:8000", "10.1.0.1:8001", "10.1.0.2:8001"} {
		s.serve(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			counts[addr]++
			mu.Unlock()
			s.pass(w, r)
		}))
	}
	taken = func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return counts
	}
	return m, s, &Aimer{Store: m, HTTP: s.client(), Resolver: hosts{addrs: []string{"10.1.0.2", "10.1.0.1"}}}, taken
}

func TestProveThroughALoadBalancer(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*site, *Aimer)
		want string // in the error; empty for proven
	}{
		{"all answer through every listener", func(*site, *Aimer) {}, ""},
		{"one node never answers", func(s *site, _ *Aimer) { s.mute["i-2"] = true }, "i-2 (one) through alb/weighted_random"},
		{"no node is healthy", func(s *site, _ *Aimer) { s.mute["i-1"], s.mute["i-2"], s.mute["i-3"] = true, true, true }, "status 503 from 10.1.0.1:8000"},
		{"one address of one listener is dead", func(s *site, _ *Aimer) { delete(s.servers, "10.1.0.2:8001") }, "one through alb/weighted_random: dial 10.1.0.2:8001"},
		{"its name is unknown", func(_ *site, a *Aimer) { a.Resolver = hosts{fail: errors.New("no such host")} }, "through alb/round_robin: find the load balancer's addresses: no such host"},
	} {
		t.Run(tc.why, func(t *testing.T) {
			t.Parallel()
			_, s, a, taken := behind(t)
			tc.make(s, a)
			ctx, cancel := context.WithTimeout(t.Context(), reserve+500*time.Millisecond)
			defer cancel()
			out, err := a.Prove(ctx, "r")
			if tc.want == "" {
				if err != nil || out.Nodes != 3 || !slices.Equal(out.Targets, []string{"alb/round_robin", "proxy", "alb/weighted_random", "direct"}) || len(taken()) != 4 {
					t.Errorf("got %+v, %v; taken %v", out, err, taken())
				}
				return
			}
			missing, ok := own[*PathUnproven](err)
			if !ok || !strings.Contains(missing.Error(), tc.want) {
				t.Errorf("got %T: %v, want …%s…", err, err, tc.want)
			}
		})
	}
}

func TestAimThroughALoadBalancer(t *testing.T) {
	m, s, a, taken := behind(t)
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	for _, trial := range r.Trials {
		if !strings.Contains(trial.Arm, "weighted_random") {
			continue
		}
		out, err := a.Aim(t.Context(), "r", trial.Key)
		if err != nil {
			t.Fatal(err)
		}
		aim := read[bench.Aim](t, m, keysOfR.Trial(trial.Key).Aim())
		if want := []bench.Endpoint{{Addr: "10.1.0.1:8001"}, {Addr: "10.1.0.2:8001"}}; !slices.Equal(aim.Endpoints, want) || len(aim.Nodes) != 3 {
			t.Errorf("aim %+v", aim)
		}
		for _, n := range out.Shards {
			if _, err := shardOf(m, s).Run(t.Context(), ShardIn{Run: "r", Trial: trial.Key, Shard: n, Worker: "w"}); err != nil {
				t.Fatal(err)
			}
		}
		if got := taken(); got["10.1.0.1:8001"] != 15 || got["10.1.0.2:8001"] != 15 || len(got) != 2 {
			t.Errorf("30 requests were shared as %v", got)
		}
		if _, err := a.Observe(t.Context(), "r", trial.Key); err != nil {
			t.Fatal(err)
		}
		line, err := (&Merger{Store: m}).Run(t.Context(), TrialIn{Run: "r", Trial: trial.Key})
		if err != nil || line.Requests != 30 || line.Errors != 0 || strings.Contains(line.Reason, "balancer") {
			t.Errorf("got %+v, %v", line, err)
		}
		if tally := read[bench.Tally](t, m, keysOfR.Trial(trial.Key).Tally()); len(tally.Nodes) != 3 {
			t.Errorf("nodes %v", tally.Nodes)
		}
	}
	if len(s.calls) > 0 {
		t.Errorf("the proxy, which is not in the way, was told %v", s.calls)
	}
}

// A resolver may remember for a while that a new name was unknown.
func TestALoadBalancersNameIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		write(t, m, keysOfR.Balancer(), bench.Balancer{DNSName: "alb.test", Listeners: []bench.Listener{{Port: 8000, Algorithm: "round_robin"}}})
		for _, tc := range []struct {
			after time.Duration
			ok    bool
		}{{5 * time.Second, true}, {time.Hour, false}} {
			a := &Aimer{Store: m, Resolver: hosts{addrs: []string{"10.1.0.1", "fd00::1", "10.1.0.1"}, since: time.Now().Add(tc.after)}}
			l, err := a.listens(t.Context(), "r")
			if (err == nil) != tc.ok || err != nil && !strings.Contains(err.Error(), "no such host") {
				t.Fatalf("after %v: %v", tc.after, err)
			}
			if !tc.ok {
				continue
			}
			if addrs, err := l.at("round_robin"); err != nil || !slices.Equal(addrs, []string{"10.1.0.1:8000", "[fd00::1]:8000"}) {
				t.Errorf("%v, %v", addrs, err)
			}
			if _, err := l.at("weighted_random"); err == nil {
				t.Error("an algorithm without listener has an address")
			}
		}
	})
}
