package main

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/fleet"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/discovery"
	"github.com/fairlead/fairlead/proxy/forward"
	"github.com/fairlead/fairlead/proxy/health"
	"github.com/fairlead/fairlead/proxy/loadprobe"
)

// lister is what is used of EC2.
type lister interface {
	Instances(ctx context.Context, filters map[string][]string) ([]fleet.Instance, error)
}

var _ lister = (*fleet.Client)(nil)

// tagged finds the nodes of a run by their tags.
type tagged struct {
	fleet      lister
	stack, run string
	clusters   []string
}

var _ discovery.Source = (*tagged)(nil)

func (t *tagged) Nodes(ctx context.Context) ([]discovery.Node, error) {
	instances, err := t.fleet.Instances(ctx, map[string][]string{
		"tag:" + bench.TagStack: {t.stack},
		"tag:" + bench.TagRun:   {t.run},
		"tag:" + bench.TagGroup: t.clusters,
		"instance-state-name":   {fleet.Running},
	})
	if err != nil {
		return nil, err
	}
	nodes := make([]discovery.Node, 0, len(instances))
	for _, i := range instances {
		if i.PrivateIP != "" { // EC2 may show the state before the address
			nodes = append(nodes, discovery.Node{Cluster: i.Tags[bench.TagGroup], ID: i.ID, IP: i.PrivateIP, Weight: weight(i.Type)})
		}
	}
	return nodes, nil
}

// weight is what a node of this type can do: as much as it has processors. A
// type that is not known counts as one.
func weight(instanceType string) float64 {
	t, _ := bench.TypeOf(instanceType)
	return float64(max(1, t.VCPUs))
}

// group is a cluster with the checker of its health and the prober of its
// load. It joins discovery, health and data plane, which know nothing of each
// other.
type group struct {
	*cluster.Cluster
	checker *health.Checker
	loads   *loadprobe.Prober
	log     *slog.Logger
}

var _ health.Listener = (*group)(nil)

func newGroup(c *cluster.Cluster, p health.Prober, log *slog.Logger) *group {
	g := &group{Cluster: c, log: log.With("cluster", c.Name)}
	g.checker = health.New(health.Defaults(), p, g)
	g.loads = loadprobe.New(loadprobe.Defaults(), c)
	return g
}

// Probed and Changed are what the checker tells.

func (g *group) Probed(t health.Target, latency time.Duration) {
	g.SetProbed(cluster.Member(t), latency)
}

func (g *group) Changed(t health.Target, healthy bool, err error) {
	g.SetHealth(cluster.Member(t), healthy)
	if healthy {
		g.log.Info("node is healthy", "node", t.ID, "addr", t.Addr)
	} else {
		g.log.Warn("node is unhealthy", "node", t.ID, "addr", t.Addr, "reason", err)
	}
}

// found takes over what discovery has found.
func (g *group) found(nodes []discovery.Node, port int) {
	members := make([]cluster.Member, len(nodes))
	targets := make([]health.Target, len(nodes))
	for i, n := range nodes {
		members[i] = cluster.Member{ID: n.ID, Addr: net.JoinHostPort(n.IP, strconv.Itoa(port))}
		targets[i] = health.Target(members[i])
	}
	// The cluster first: a probe's news of a node that it does not know is lost.
	g.Sync(members)
	for i, n := range nodes {
		g.SetWeight(members[i], n.Weight)
	}
	g.checker.Sync(targets)
	g.log.Info("nodes found", "count", len(nodes))
}

// groups are all clusters, by name.
type groups map[string]*group

var _ forward.Suspecter = groups(nil)

func (gs groups) Suspect(name string, m cluster.Member) {
	gs[name].checker.Suspect(health.Target(m))
}

// settled tells whether every cluster has a healthy node.
func (gs groups) settled() bool {
	for _, g := range gs {
		if healthy, _ := g.Healthy(); healthy == 0 {
			return false
		}
	}
	return true
}

func (gs groups) close() {
	for _, g := range gs {
		g.checker.Close()
		g.loads.Close()
	}
}
