package steps

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
)

// proofTime bounds the path proof. Right after Setup the proxy may not have
// discovered or probed every node yet.
const proofTime = 45 * time.Second

// ProveOut counts the nodes that answered through each kind of target.
type ProveOut struct {
	Nodes   int      `json:"nodes"`
	Targets []string `json:"targets"`
}

// Prove sends requests through each kind of target until every node has
// answered one. Through the proxy it uses round-robin, because a strategy that
// prefers the fastest may never choose some node. Errors: *PathUnproven.
func (a *Aimer) Prove(ctx context.Context, run string) (ProveOut, error) {
	r, fleet, err := a.read(ctx, run)
	if err != nil {
		return ProveOut{}, err
	}
	ctx, cancel := within(ctx, proofTime)
	defer cancel()
	out := ProveOut{Targets: []string{}}
	var missing []string
	for _, kind := range []bench.TargetKind{bench.TargetProxy, bench.TargetDirect} {
		if !slices.ContainsFunc(r.Plan.Targets, func(t bench.Target) bool { return t.Kind == kind }) {
			continue
		}
		out.Targets = append(out.Targets, string(kind))
		silent, err := a.prove(ctx, r.Plan, fleet, kind)
		if err != nil {
			return ProveOut{}, err
		}
		missing = append(missing, silent...)
	}
	if len(missing) > 0 {
		return ProveOut{}, &PathUnproven{Missing: missing}
	}
	for _, c := range r.Plan.Clusters {
		out.Nodes += len(members(fleet, c.Name))
	}
	return out, nil
}

// prove tries all clusters at once and lists the nodes that kept silent.
func (a *Aimer) prove(ctx context.Context, plan bench.Plan, fleet bench.Fleet, kind bench.TargetKind) ([]string, error) {
	p := programs{a.HTTP}
	var proxy bench.Instance
	if kind == bench.TargetProxy {
		var err error
		if proxy, err = balancerOf(fleet); err != nil {
			return nil, err
		}
		if err := p.setStrategy(ctx, proxy, "round-robin"); err != nil {
			return nil, err
		}
	}
	silent := make([][]string, len(plan.Clusters))
	var all errgroup.Group
	for k, c := range plan.Clusters {
		t := trail{programs: p, cluster: c.Name, nodes: members(fleet, c.Name), kind: kind, proxy: proxy, answered: map[string]bool{}}
		all.Go(func() error {
			silent[k] = t.follow(ctx)
			return nil
		})
	}
	err := all.Wait()
	return slices.Concat(silent...), err
}

// trail is the proof of one cluster through one kind of target.
type trail struct {
	programs
	cluster  string
	kind     bench.TargetKind
	proxy    bench.Instance
	nodes    []bench.Instance
	answered map[string]bool
	last     string // why the latest request proved nothing
}

// follow asks in rounds: through the proxy one request for each node, directly
// one for each that is still silent.
func (t *trail) follow(ctx context.Context) []string {
	// The error is ctx's; what it means stands in the silent nodes.
	_ = poll(ctx, func(ctx context.Context) (bool, error) {
		for _, n := range t.nodes {
			switch {
			case t.kind == bench.TargetProxy:
				t.ask(ctx, proxyAddr(t.proxy))
			case !t.answered[n.ID]:
				t.ask(ctx, nodeAddr(n))
			}
		}
		return len(t.silent()) == 0, nil
	})
	var out []string
	for _, n := range t.silent() {
		line := fmt.Sprintf("%s (%s) through %s", n.ID, t.cluster, t.kind)
		if t.last != "" {
			line += ": " + t.last
		}
		out = append(out, line)
	}
	return out
}

func (t *trail) silent() []bench.Instance {
	return slices.DeleteFunc(slices.Clone(t.nodes), func(n bench.Instance) bool { return t.answered[n.ID] })
}

func (t *trail) ask(ctx context.Context, addr string) {
	a, err := t.send(ctx, http.MethodGet, addr, "/"+t.cluster, nil)
	switch {
	case err != nil:
		if ctx.Err() == nil { // the end of the proof is no news of the path
			t.last = err.Error()
		}
	case a.status != http.StatusOK:
		t.last = fmt.Sprintf("status %d from %s", a.status, addr)
	case a.node == "":
		t.last = "the answer from " + addr + " names no node"
	default:
		t.answered[a.node] = true
	}
}
