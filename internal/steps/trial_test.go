package steps

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/load"
)

const trialPlan = `{
	"clusters": [{"name": "one", "instanceType": "t2.micro", "count": 3}],
	"targets": [{"kind": "proxy", "strategy": "p2c"}, {"kind": "direct"}],
	"load": {"kind": "burst", "requests": 30, "timeout": "2s"}, "work": {"cpu": "1ms", "bytes": 10},
	"blocks": 1, "shards": 2
}`

// ground is a planned run with a fleet of real servers, and the keys of its two trials.
func ground(t *testing.T) (m *memory, s *site, a *Aimer, proxied, direct string) {
	t.Helper()
	m, s = planned(t, trialPlan), newSite(t, 3)
	write(t, m, keysOfR.Fleet(), s.fleet)
	r := read[bench.RunRecord](t, m, keysOfR.Plan())
	r.T0Lead = bench.Duration(50 * time.Millisecond)
	write(t, m, keysOfR.Plan(), r)
	for _, trial := range r.Trials {
		if strings.HasSuffix(trial.Arm, "direct") {
			direct = trial.Key
		} else {
			proxied = trial.Key
		}
	}
	return m, s, &Aimer{Store: m, HTTP: s.client()}, proxied, direct
}

// shardOf runs a shard with the real generator, through the site's own addresses.
func shardOf(m *memory, s *site) *Shard {
	return &Shard{Store: m, Load: func(ctx context.Context, spec load.Spec) (*load.Result, error) {
		for k, e := range spec.Aim.Endpoints {
			spec.Aim.Endpoints[k].Addr = s.servers[e.Addr]
		}
		return load.Run(ctx, spec)
	}}
}

func TestATrialFromAimToTally(t *testing.T) {
	m, s, a, proxied, direct := ground(t)
	for _, trial := range []string{proxied, direct} {
		before := time.Now()
		out, err := a.Aim(t.Context(), "r", trial)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(out.Shards, []int{0, 1}) || out.T0.Before(before) || out.QuiesceAt.Sub(out.T0) != 2*time.Second+grace {
			t.Errorf("aim %+v", out)
		}
		if left := out.QuiesceAt.Sub(before).Seconds(); float64(out.TimeoutSeconds) < left+10 || float64(out.TimeoutSeconds) > left+20 {
			t.Errorf("the tasks time out after %d s, the load may last %.1f s", out.TimeoutSeconds, left)
		}
		shard := shardOf(m, s)
		for _, n := range out.Shards {
			if _, err := shard.Run(t.Context(), ShardIn{Run: "r", Trial: trial, Shard: n, Worker: "w"}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Observe(t.Context(), "r", trial); err != nil {
			t.Fatal(err)
		}
		line, err := (&Merger{Store: m}).Run(t.Context(), TrialIn{Run: "r", Trial: trial})
		if err != nil {
			t.Fatal(err)
		}
		tally := read[bench.Tally](t, m, keysOfR.Trial(trial).Tally())
		if line.Requests != 30 || line.Errors != 0 || tally.ShardsDone != 2 || len(tally.Nodes) != 3 {
			t.Errorf("%s: %+v; nodes %v", trial, line, tally.Nodes)
		}
		if strings.Contains(line.Reason, "balancer") || strings.Contains(line.Reason, "lost") {
			t.Errorf("%s: %s", trial, line.Reason)
		}
		if trial == proxied && tally.BalancerCPU != 0.2 { // 0.1 s of half a core
			t.Errorf("the balancer's CPU is %v, want 0.2", tally.BalancerCPU)
		}
	}
	if want := []string{"strategy p2c", "reset"}; !slices.Equal(s.calls, want) {
		t.Errorf("the proxy was told %v, want %v", s.calls, want)
	}
	aim := read[bench.Aim](t, m, keysOfR.Trial(direct).Aim())
	if len(aim.Endpoints) != 3 || aim.Path != "/one?bytes=10&cpu=1ms" || len(aim.Nodes) != 3 {
		t.Errorf("direct aim %+v", aim)
	}
	n := read[[]bench.NodeSamples](t, m, keysOfR.Trial(direct).Nodes())
	if len(n) != 4 || n[0].Emulation == nil || n[0].Seconds[0].Steal != 0.25 || n[0].Seconds[0].T < aim.T0.Unix()-1 {
		t.Errorf("samples %+v", n)
	}
}

func TestAimWaitsForHealth(t *testing.T) {
	m, s, a, proxied, _ := ground(t)
	s.health["i-2"] = "unhealthy"
	answered := make(chan error, 1)
	go func() {
		_, err := a.Aim(t.Context(), "r", proxied)
		answered <- err
	}()
	<-s.reset // it has begun, and now looks at the nodes
	s.mu.Lock()
	s.health["i-2"] = ""
	s.mu.Unlock()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if _, ok := m.objects[keysOfR.Trial(proxied).Aim()]; !ok {
		t.Error("no aim")
	}
}

func TestAimNamesWhoIsMissing(t *testing.T) {
	for _, tc := range []struct {
		why    string
		make   func(*site)
		direct bool
		want   string
	}{
		{"the proxy finds a node unhealthy", func(s *site) { s.health["i-2"] = "unhealthy" }, false, "i-2 (the proxy finds it unhealthy)"},
		{"the proxy has lost a node", func(s *site) { s.health["i-3"] = "unseen" }, false, "i-3 (the proxy does not see it)"},
		{"a node does not answer", func(s *site) { s.lose(s.fleet.Instances[0]) }, true, "i-1 ("},
	} {
		t.Run(tc.why, func(t *testing.T) {
			t.Parallel()
			m, s, a, trial, direct := ground(t)
			if tc.direct {
				trial = direct
			}
			tc.make(s)
			ctx, cancel := context.WithTimeout(t.Context(), reserve+300*time.Millisecond)
			defer cancel()
			_, err := a.Aim(ctx, "r", trial)
			bad, ok := own[*NodesUnhealthy](err)
			if !ok || len(bad.Nodes) != 1 || !strings.HasPrefix(bad.Nodes[0], tc.want) {
				t.Errorf("got %T: %v, want …%s…", err, err, tc.want)
			}
			if _, there := m.objects[keysOfR.Trial(trial).Aim()]; there {
				t.Error("an aim was written")
			}
		})
	}
}

func TestProve(t *testing.T) {
	for _, tc := range []struct {
		why  string
		make func(*site)
		want string // in the error; empty for proven
	}{
		{"all answer through both", func(*site) {}, ""},
		{"the proxy never chooses one", func(s *site) { s.mute["i-2"] = true }, "i-2 (one) through proxy"},
		{"the proxy has no node at all", func(s *site) { s.mute["i-1"], s.mute["i-2"], s.mute["i-3"] = true, true, true }, "status 503"},
		{"one is not there directly", func(s *site) { s.lose(s.fleet.Instances[2]) }, "i-3 (one) through direct: "},
	} {
		t.Run(tc.why, func(t *testing.T) {
			t.Parallel()
			_, s, a, _, _ := ground(t)
			tc.make(s)
			ctx, cancel := context.WithTimeout(t.Context(), reserve+500*time.Millisecond)
			defer cancel()
			out, err := a.Prove(ctx, "r")
			if tc.want == "" {
				if err != nil || out.Nodes != 3 || !slices.Equal(out.Targets, []string{"proxy", "direct"}) || s.strategy != "round-robin" {
					t.Errorf("got %+v, %v", out, err)
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

func TestObserveWaitsForTheSecondToClose(t *testing.T) {
	m, s, a, proxied, _ := ground(t)
	s.partial = false
	if _, err := a.Aim(t.Context(), "r", proxied); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Unix()
	if _, err := a.Observe(t.Context(), "r", proxied); err != nil {
		t.Fatal(err)
	}
	for _, n := range read[[]bench.NodeSamples](t, m, keysOfR.Trial(proxied).Nodes()) {
		if len(n.Seconds) == 0 || n.Seconds[len(n.Seconds)-1].T < now {
			t.Errorf("%s tells nothing of second %d: %v", n.ID, now, n.Seconds)
		}
	}
}

func TestALostNodeSpoilsTheTrialAndNotTheStep(t *testing.T) {
	m, s, a, proxied, _ := ground(t)
	if _, err := a.Aim(t.Context(), "r", proxied); err != nil {
		t.Fatal(err)
	}
	s.lose(s.fleet.Instances[1])
	out, err := a.Observe(t.Context(), "r", proxied)
	if err != nil || !slices.Equal(out.Lost, []string{"i-2"}) {
		t.Fatalf("got %+v, %v", out, err)
	}
	line, err := (&Merger{Store: m}).Run(t.Context(), TrialIn{Run: "r", Trial: proxied})
	if err != nil || line.Status != "invalid" || !strings.Contains(line.Reason, "2 of 2 shards left no tally") {
		t.Errorf("got %+v, %v", line, err)
	}
	all := strings.Join(read[bench.Tally](t, m, keysOfR.Trial(proxied).Tally()).Invalid, "\n")
	for _, want := range []string{"i-2 of one is lost", "what is missing never began"} {
		if !strings.Contains(all, want) {
			t.Errorf("reasons %q lack %q", all, want)
		}
	}
}

// Whoever looks for a lost shard must know whether there is anything to find.
func TestFateOfLostShards(t *testing.T) {
	keys := keysOfR.Trial("b01-x")
	done := []string{keys.Lease(0), keys.Shard(0)}
	for want, present := range map[string][]string{
		"never began":                             done,
		"ended while it loaded":                   append(slices.Clone(done), keys.Lease(1), keys.Lease(2)),
		"1 ended while loading and 1 never began": append(slices.Clone(done), keys.Lease(2)),
	} {
		if got := fate(keys, bench.Aim{Shards: 3}, present, 2, "Runtime.ExitError: exit status 1"); !strings.Contains(got, want) || !strings.HasSuffix(got, "exit status 1") {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// A burst through a balancer that nobody watched may have measured the balancer,
// and nodes that nobody asked afterwards may have died.
func TestMergeWithoutSamples(t *testing.T) {
	m, s, a, proxied, direct := ground(t)
	for trial, want := range map[string]bool{proxied: true, direct: false} {
		out, err := a.Aim(t.Context(), "r", trial)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range out.Shards {
			if _, err := shardOf(m, s).Run(t.Context(), ShardIn{Run: "r", Trial: trial, Shard: n, Worker: "w"}); err != nil {
				t.Fatal(err)
			}
		}
		line, err := (&Merger{Store: m}).Run(t.Context(), TrialIn{Run: "r", Trial: trial})
		why := strings.Join(read[bench.Tally](t, m, keysOfR.Trial(trial).Tally()).Invalid, "; ")
		if err != nil || line.Status != "invalid" || strings.Contains(why, "balancer's CPU is unknown") != want || !strings.Contains(why, "one may be lost") {
			t.Errorf("%s: %+v, %q, %v", trial, line, why, err)
		}
	}
}

func TestAShardsLoadIsSentOnce(t *testing.T) {
	for _, tc := range []struct {
		why    string
		make   func(m *memory, key string)
		worker string
		sends  bool
	}{
		{"the lease is free", func(*memory, string) {}, "me", true},
		{"the answer of the put was lost", func(m *memory, key string) { m.lost[key] = true }, "me", true},
		{"another write was under way", func(m *memory, key string) { m.conflicts[key] = 2 }, "me", true},
		{"another invocation has it", func(m *memory, key string) { m.objects[key] = []byte(`{"owner":"you"}`) }, "me", false},
		{"Lambda ran one request twice", func(m *memory, key string) { m.objects[key] = []byte(`{"owner":"me","taken":"2026-11-23T15:00:00Z"}`) }, "me", false},
	} {
		t.Run(tc.why, func(t *testing.T) {
			m, _, a, _, trial := ground(t)
			if _, err := a.Aim(t.Context(), "r", trial); err != nil {
				t.Fatal(err)
			}
			tc.make(m, keysOfR.Trial(trial).Lease(1))
			sent := 0
			s := &Shard{Store: m, Load: func(context.Context, load.Spec) (*load.Result, error) {
				sent++
				return &load.Result{}, nil
			}}
			_, err := s.Run(t.Context(), ShardIn{Run: "r", Trial: trial, Shard: 1, Worker: tc.worker})
			taken, refused := own[*LeaseTaken](err)
			if tc.sends != (sent == 1) || tc.sends == refused || refused && taken.Owner == "" {
				t.Errorf("sent %d times, error %v", sent, err)
			}
		})
	}
}

// Of two invocations at the same moment one sends.
func TestTwoInvocationsOfAShard(t *testing.T) {
	m, _, a, _, trial := ground(t)
	if _, err := a.Aim(t.Context(), "r", trial); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	sent := 0
	s := &Shard{Store: m, Load: func(context.Context, load.Spec) (*load.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		sent++
		return &load.Result{}, nil
	}}
	var both sync.WaitGroup
	for _, worker := range []string{"a", "b", "c", "d"} {
		both.Go(func() { _, _ = s.Run(t.Context(), ShardIn{Run: "r", Trial: trial, Worker: worker}) })
	}
	both.Wait()
	if sent != 1 {
		t.Errorf("the load was sent %d times", sent)
	}
}

// Time is nearly over: what was counted is stored nevertheless.
func TestAShardCutShortKeepsItsTally(t *testing.T) {
	m, _, a, _, trial := ground(t)
	if _, err := a.Aim(t.Context(), "r", trial); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &Shard{Store: m, Load: func(ctx context.Context, _ load.Spec) (*load.Result, error) {
		cancel()
		<-ctx.Done()
		return &load.Result{Tally: bench.ShardTally{Counts: bench.Counts{Requests: 3}, Invalid: []string{"stopped"}}, Log: []byte("log")}, nil
	}}
	if out, err := s.Run(ctx, ShardIn{Run: "r", Trial: trial, Worker: "w"}); err != nil || out.Requests != 3 {
		t.Fatalf("got %+v, %v", out, err)
	}
	if got := read[bench.ShardTally](t, m, keysOfR.Trial(trial).Shard(0)); got.Requests != 3 || string(m.objects[keysOfR.Trial(trial).Log(0)]) != "log" {
		t.Errorf("stored %+v", got)
	}
}

func TestAimOutputIsSmall(t *testing.T) {
	shards := make([]int, 1000)
	raw, err := json.Marshal(AimOut{Shards: shards})
	if err != nil || len(raw) > 32<<10 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}
