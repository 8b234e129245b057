// Package cluster is the proxy's view of one cluster: which nodes it has,
// which of them are healthy, what each has in flight, and how each has done.
// Discovery and health write into it, the data plane takes nodes from it and
// gives them back, the admin endpoint and the metrics read it.
package cluster

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// Member is a node that discovery has found.
type Member struct {
	ID   string // instance id
	Addr string // host:port of its service
}

// health of a node. A node that has never been healthy is still being set up;
// one that was and is not has failed.
type health int

const (
	unknown health = iota
	healthy
	unhealthy
)

// Node is one instance behind the proxy. ID and Addr never change; the rest
// belongs to its Cluster.
type Node struct {
	Member

	health   health
	inFlight int
	probed   time.Duration
	weight   float64
	slot     int // in Cluster.usable, −1: not there
	gone     bool
	outlier  outlier
	warming  warming
	window   int // choices in the running window of Cluster.herding
	tally    tally
}

// Cluster is safe for concurrent use. One lock orders choices and their ends,
// so that a choice sees all earlier ones: two requests at the same instant do
// not both take "the idle node". It is held for some 100 ns per request.
type Cluster struct {
	Name string

	mu       sync.Mutex
	options  strategy.Options
	rule     string
	strategy strategy.Strategy
	probing  strategy.Probing // the strategy, if it is one of these
	ask      func(Member)     // see OnProbe
	nodes    []*Node          // present and gone, in the order of their ids
	served   served
	herding  herding
	trace    *trace // nil: off
	traced   []Pick // of the last trace that has ended

	now     time.Time // as of the last change
	waiting bool      // for due, when time will change which nodes are used or their weights
	due     time.Time
	panics  bool // so few nodes are healthy that all are used

	// usable and view hold the nodes that may be chosen, in the same order.
	// view is what the strategy sees, kept up to date in place.
	usable  []*Node
	view    []strategy.Node
	scratch struct { // the same without the nodes that a retry has tried
		usable []*Node
		view   []strategy.Node
	}
}

// New gives a cluster without nodes. The error is *strategy.UnknownError.
func New(name, rule string, o strategy.Options) (*Cluster, error) {
	c := &Cluster{Name: name, options: o, served: newServed()}
	if err := c.SetStrategy(rule); err != nil {
		return nil, err
	}
	return c, nil
}

// SetStrategy makes every later choice by the named rule, which begins
// without history. The error is *strategy.UnknownError; then nothing changes.
func (c *Cluster) SetStrategy(rule string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := strategy.New(rule, c.options)
	if err != nil {
		return err
	}
	c.rule, c.strategy = rule, s
	c.probing, _ = s.(strategy.Probing)
	return nil
}

// Strategy names the rule in force.
func (c *Cluster) Strategy() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rule
}

// NoNodeError says why a request could not be given a node.
type NoNodeError struct {
	Cluster string
	Known   int // nodes that discovery knows
	Tried   int // nodes that this request has been to already
}

func (e *NoNodeError) Error() string {
	switch {
	case e.Tried > 0:
		return fmt.Sprintf("%s has no other node to try after %d", e.Cluster, e.Tried)
	case e.Known == 0:
		return e.Cluster + " has no running nodes"
	default:
		return fmt.Sprintf("none of the %d nodes of %s has been healthy yet", e.Known, e.Cluster)
	}
}

// Acquire chooses a node for a request, none of those it has tried already,
// and counts the request as in flight there until Release. The error is
// *NoNodeError.
func (c *Cluster) Acquire(now time.Time, tried ...*Node) (*Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting && !now.Before(c.due) {
		c.advance(now)
	}
	usable, view := c.usable, c.view
	if len(tried) > 0 {
		usable, view = c.without(tried)
	}
	if len(usable) == 0 {
		return nil, &NoNodeError{c.Name, c.present(), len(tried)}
	}
	if c.probing != nil && c.ask != nil && len(tried) == 0 {
		for _, i := range c.probing.Probe(now, view) {
			c.ask(usable[i].Member)
		}
	}
	var traced *Pick
	if c.trace != nil {
		traced = c.explain(now, view, len(tried))
	}
	n := usable[c.strategy.Pick(now, view)]
	if traced != nil {
		traced.Chosen = n.ID
	}
	c.setInFlight(n, n.inFlight+1)
	c.note(now, n)
	return n, nil
}

// Release ends a request that Acquire began.
func (c *Cluster) Release(now time.Time, n *Node, latency time.Duration, r strategy.Result) {
	c.ReleaseTold(now, n, latency, r, strategy.Load{})
}

// ReleaseTold is Release with the load that the node told in its answer.
func (c *Cluster) ReleaseTold(now time.Time, n *Node, latency time.Duration, r strategy.Result, told strategy.Load) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setInFlight(n, n.inFlight-1)
	n.tally.add(latency, r)
	c.strategy.Done(now, strategy.Outcome{Node: n.ID, Latency: latency, Result: r, Load: told})
	if r != strategy.Abandoned {
		c.judge(now, n, r == strategy.Failure)
	}
}

func (c *Cluster) setInFlight(n *Node, k int) {
	n.inFlight = k
	if n.slot >= 0 {
		c.view[n.slot].InFlight = k
	}
}

func (c *Cluster) without(tried []*Node) ([]*Node, []strategy.Node) {
	s := &c.scratch
	s.usable, s.view = s.usable[:0], s.view[:0]
	for i, n := range c.usable {
		if !slices.Contains(tried, n) {
			s.usable, s.view = append(s.usable, n), append(s.view, c.view[i])
		}
	}
	return s.usable, s.view
}

func (c *Cluster) present() int {
	k := 0
	for _, n := range c.nodes {
		if !n.gone {
			k++
		}
	}
	return k
}
