package steps

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
)

// proofTime bounds the path proof, and with it the number of tries. Right after
// Setup the proxy may not have discovered or probed every node yet, and the name
// of a new load balancer may not be known.
const proofTime = 45 * time.Second

// ProveOut counts the nodes that answered, and names the ways in.
type ProveOut struct {
	Nodes   int      `json:"nodes"`
	Targets []string `json:"targets"`
}

// Prove sends requests through each way in until every node has answered one.
// Through the proxy it uses round-robin, because a strategy that prefers the
// fastest may never choose some node. A load balancer's algorithm is part of the
// way: there it tries again and again. Errors: *PathUnproven.
func (a *Aimer) Prove(ctx context.Context, run string) (ProveOut, error) {
	r, fleet, err := a.read(ctx, run)
	if err != nil {
		return ProveOut{}, err
	}
	ctx, cancel := within(ctx, proofTime)
	defer cancel()
	ways, err := a.ways(ctx, r, fleet)
	if err != nil {
		return ProveOut{}, err
	}
	out := ProveOut{Targets: []string{}}
	for _, w := range ways {
		out.Targets = append(out.Targets, w.name)
	}
	for _, c := range r.Plan.Clusters {
		out.Nodes += len(members(fleet, c.Name))
	}
	if missing := a.prove(ctx, r.Plan, fleet, ways); len(missing) > 0 {
		return ProveOut{}, &PathUnproven{Missing: missing}
	}
	return out, nil
}

// way is one way in to all clusters.
type way struct {
	name string   // "proxy", "alb/round_robin", "direct"
	via  []string // the addresses of what stands before the nodes; none if direct
	fail string   // why there is no address
}

// ways readies the plan's ways in.
func (a *Aimer) ways(ctx context.Context, r bench.RunRecord, fleet bench.Fleet) ([]way, error) {
	var list []way
	var l listening
	var lookup error
	if len(r.Plan.ALBs()) > 0 {
		l, lookup = a.listens(ctx, r.Run)
	}
	for _, t := range r.Plan.Targets {
		w := way{name: string(t.Kind)}
		switch t.Kind {
		case bench.TargetProxy:
			proxy, err := balancerOf(fleet)
			if err != nil {
				return nil, err
			}
			w.via = []string{proxyAddr(proxy)}
			if slices.ContainsFunc(list, func(had way) bool { return had.name == w.name }) {
				continue // strategies share the way
			}
			if err := (programs{a.HTTP}).setStrategy(ctx, proxy, "round-robin"); err != nil {
				return nil, err
			}
		case bench.TargetALB:
			err := lookup
			if err == nil {
				w.via, err = l.at(t.Algorithm)
			}
			if w.name = t.String(); err != nil {
				w.fail = err.Error()
			}
		}
		list = append(list, w)
	}
	return list, nil
}

// prove tries all clusters through all ways at once and lists who kept silent.
func (a *Aimer) prove(ctx context.Context, plan bench.Plan, fleet bench.Fleet, ways []way) []string {
	silent := make([][]string, len(ways)*len(plan.Clusters))
	var all sync.WaitGroup
	for i, w := range ways {
		for k, c := range plan.Clusters {
			if w.fail != "" {
				silent[i*len(plan.Clusters)+k] = []string{c.Name + " through " + w.name + ": " + w.fail}
				continue
			}
			t := trail{programs: programs{a.HTTP}, way: w, cluster: c.Name, nodes: members(fleet, c.Name), answered: map[string]bool{}, last: map[string]string{}}
			all.Go(func() { silent[i*len(plan.Clusters)+k] = t.follow(ctx) })
		}
	}
	all.Wait()
	return slices.Concat(silent...)
}

// trail is the proof of one cluster through one way.
type trail struct {
	programs
	way
	cluster string
	nodes   []bench.Instance

	mu       sync.Mutex
	answered map[string]bool   // nodes by id, addresses by themselves
	last     map[string]string // why the latest request to an address proved nothing
}

// follow asks in rounds: each address of a balancer as many times as there are
// nodes, and at once, because one that prefers idle nodes may give requests that
// come one by one to the same; directly each node that is still silent.
func (t *trail) follow(ctx context.Context) []string {
	// The error is ctx's; what it means stands in the silent nodes.
	_ = poll(ctx, func(ctx context.Context) (bool, error) {
		var round errgroup.Group
		round.SetLimit(8)
		for _, addr := range t.round() {
			round.Go(func() error {
				t.ask(ctx, addr)
				return nil
			})
		}
		err := round.Wait()
		return len(t.silent()) == 0, err
	})
	return t.silent()
}

// round lists the addresses to ask next.
func (t *trail) round() []string {
	var addrs []string
	for _, n := range t.nodes {
		if len(t.via) > 0 {
			addrs = append(addrs, t.via...)
		} else if !t.answered[n.ID] {
			addrs = append(addrs, nodeAddr(n))
		}
	}
	return addrs
}

// silent lists the nodes that have not answered, and the addresses of a
// balancer through which nobody has.
func (t *trail) silent() []string {
	var out []string
	for _, n := range t.nodes {
		if t.answered[n.ID] {
			continue
		}
		line := fmt.Sprintf("%s (%s) through %s", n.ID, t.cluster, t.name)
		addrs := t.via
		if len(addrs) == 0 {
			addrs = []string{nodeAddr(n)}
		}
		for _, addr := range addrs {
			if why := t.last[addr]; why != "" {
				line += ": " + why
				break
			}
		}
		out = append(out, line)
	}
	if len(out) > 0 {
		return out
	}
	for _, addr := range t.via {
		if !t.answered[addr] {
			out = append(out, fmt.Sprintf("%s through %s: %s", t.cluster, t.name, t.last[addr]))
		}
	}
	return out
}

func (t *trail) ask(ctx context.Context, addr string) {
	a, err := t.send(ctx, http.MethodGet, addr, "/"+t.cluster, nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil:
		if ctx.Err() == nil { // the end of the proof is no news of the path
			t.last[addr] = err.Error()
		}
	case a.status != http.StatusOK:
		t.last[addr] = fmt.Sprintf("status %d from %s", a.status, addr)
	case a.node == "":
		t.last[addr] = "the answer from " + addr + " names no node"
	default:
		t.answered[a.node], t.answered[addr] = true, true
	}
}
