// Package discovery keeps the proxy's clusters in step with the instances that
// run.
package discovery

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Node is a running instance of a cluster.
type Node struct {
	Cluster string // its fairlead:group tag
	ID      string
	IP      string  // private IPv4 address
	Weight  float64 // what it can do compared with the cluster's others; 0: not known
}

// Source knows the running nodes of all clusters. An error means that it does
// not know them now.
type Source interface {
	Nodes(ctx context.Context) ([]Node, error)
}

// Settings are how often Run looks.
type Settings struct {
	Interval time.Duration // in the long run
	Fast     time.Duration // until every cluster has a healthy node
	Timeout  time.Duration // of one look
	Slowest  time.Duration // what repeated failures double the pause up to
}

// Defaults gives the settings of the real proxy.
func Defaults() Settings {
	return Settings{
		Interval: 2 * time.Second,
		Fast:     250 * time.Millisecond,
		Timeout:  10 * time.Second,
		Slowest:  30 * time.Second,
	}
}

// Callbacks are what Run tells. They are called from its goroutine.
type Callbacks struct {
	// Found is called with all nodes, by cluster, whenever they have changed.
	Found func(map[string][]Node)
	// Outage is called with the error when looking begins to fail, and with
	// nil when it works again. While it fails, what was found last stays.
	Outage func(error)
	// Settled tells whether every cluster has a healthy node.
	Settled func() bool
}

// Run looks for nodes until ctx ends.
func Run(ctx context.Context, s Settings, source Source, on Callbacks) {
	var last []Node
	failures := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		nodes, err := look(ctx, s.Timeout, source)
		if ctx.Err() != nil {
			return
		}
		switch {
		case err != nil:
			if failures == 0 {
				on.Outage(err)
			}
			failures++
		default:
			if failures > 0 {
				on.Outage(nil)
			}
			failures = 0
			if !slices.Equal(nodes, last) {
				last = nodes
				on.Found(byCluster(nodes))
			}
		}
		timer.Reset(pause(s, failures, on.Settled()))
	}
}

func look(ctx context.Context, timeout time.Duration, source Source) ([]Node, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	nodes, err := source.Nodes(ctx)
	// EC2 gives no order; ours makes two answers comparable.
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.ID, b.ID) })
	return nodes, err
}

func byCluster(nodes []Node) map[string][]Node {
	m := make(map[string][]Node)
	for _, n := range nodes {
		m[n.Cluster] = append(m[n.Cluster], n)
	}
	return m
}

// pause is how long to wait before the next look. An API that refuses is
// asked less and less often.
func pause(s Settings, failures int, settled bool) time.Duration {
	p := s.Fast
	if settled {
		p = s.Interval
	}
	for range failures {
		if p >= s.Slowest {
			return s.Slowest
		}
		p *= 2
	}
	return min(p, s.Slowest)
}
