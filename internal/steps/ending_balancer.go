package steps

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// askAgain is how long a deletion that was accepted is waited for before it is
// asked for once more.
const askAgain = 20 * time.Second

// balancerEnding deletes one run's load balancer and target groups: those that
// Balance recorded, those that have the run's names, and those that a sweep
// found by their tags.
type balancerEnding struct {
	cloud  BalancerEnder
	prefix string
	names  map[string]string // the run's names, each with its group
	parts  map[string]*part  // by ARN
	start  time.Time         // of the load balancer, or of the run
	began  time.Time
	looked bool // ELB has told at least once
}

// part is a load balancer, a listener or a target group.
type part struct {
	kind    string // one of bench's Kinds
	group   string
	of      string    // a listener's load balancer
	created time.Time // zero if nothing tells
	seen    bool      // at any time
	there   bool      // in the latest look
	gone    time.Time // when it was first missed, having been seen
	asked   time.Time // when its deletion was last accepted
}

// orphan is what a sweep found by its tags.
type orphan struct {
	arn, kind, group string
	created          time.Time // zero for a target group
}

// newBalancerEnding takes what is known of the run: its record and that of its
// load balancer may be nil. What an earlier receipt says is gone is not waited for.
func newBalancerEnding(cloud BalancerEnder, k known) *balancerEnding {
	e := &balancerEnding{
		cloud: cloud, prefix: balancerPrefix(k.stack), began: time.Now(),
		names: map[string]string{balancerName(k.stack, k.run): bench.ALBGroup}, parts: map[string]*part{},
	}
	if k.record != nil {
		e.start = k.record.StartedAt
		for _, algorithm := range k.record.Plan.ALBs() {
			for _, c := range k.record.Plan.Clusters {
				e.names[targetGroupName(k.stack, k.run, c.Name, algorithm)] = c.Name
			}
		}
	}
	if b := k.balancer; b != nil && b.ARN != "" {
		e.start = b.Created
		e.parts[b.ARN] = &part{kind: bench.KindLoadBalancer, group: bench.ALBGroup, created: b.Created}
		for _, l := range b.Listeners {
			e.parts[l.ARN] = &part{kind: bench.KindListener, group: bench.ALBGroup, of: b.ARN, created: b.Created}
			for cluster, arn := range l.TargetGroups {
				e.parts[arn] = &part{kind: bench.KindTargetGroup, group: cluster, created: b.Created}
			}
		}
	}
	if k.earlier != nil {
		for _, g := range k.earlier.Ended {
			delete(e.parts, g.ID)
		}
	}
	for _, o := range k.orphans {
		if e.parts[o.arn] == nil {
			e.parts[o.arn] = &part{kind: o.kind, group: o.group, created: o.created}
		}
	}
	return e
}

// end deletes until nothing of the run is listed any more, in two looks in a
// row. When ctx ends, left is what is not known to be gone. An error means that
// ELB kept refusing to tell or to act.
func (e *balancerEnding) end(ctx context.Context) (left []string, err error) {
	err = untilGone(ctx, e.round)
	return e.left(), err
}

// round looks, and asks for what is there to be deleted. A target group is in
// use until the load balancer is gone, and with it its listeners and rules.
func (e *balancerEnding) round(ctx context.Context) (left int, err error) {
	if err := e.look(ctx); err != nil {
		return 0, err
	}
	next := e.asking(bench.KindLoadBalancer)
	remove := e.cloud.DeleteBalancer
	if len(next) == 0 && !e.has(bench.KindLoadBalancer) {
		next, remove = e.asking(bench.KindTargetGroup), e.cloud.DeleteTargetGroup
	}
	var failures []error
	for _, arn := range next {
		switch err := remove(ctx, arn); {
		case err == nil:
			e.parts[arn].asked = time.Now()
		case !errors.Is(err, ErrInUse):
			failures = append(failures, err)
		}
	}
	return len(e.left()), errors.Join(failures...)
}

func (e *balancerEnding) has(kind string) bool {
	for _, p := range e.parts {
		if p.kind == kind && e.stays(p) {
			return true
		}
	}
	return false
}

// stays tells that a part is not known to be gone. One that is recorded and
// young may only not be listed yet.
func (e *balancerEnding) stays(p *part) bool {
	return p.there || !e.looked || !p.seen && time.Since(p.created) < unseenTime
}

// asking lists the parts of a kind that are there and not about to go.
func (e *balancerEnding) asking(kind string) []string {
	var arns []string
	for arn, p := range e.parts {
		if p.kind == kind && p.there && (p.asked.IsZero() || time.Since(p.asked) > askAgain) {
			arns = append(arns, arn)
		}
	}
	slices.Sort(arns)
	return arns
}

// look lists the stack's load balancers and target groups, which are few, and
// picks the run's.
func (e *balancerEnding) look(ctx context.Context) error {
	balancers, err := e.cloud.Balancers(ctx, e.prefix)
	if err != nil {
		return err
	}
	groups, err := e.cloud.TargetGroups(ctx, e.prefix)
	if err != nil {
		return err
	}
	now := map[string]bool{}
	for _, b := range balancers {
		if !e.ours(b.ARN, b.Name) {
			continue
		}
		now[b.ARN] = true
		p := e.see(b.ARN, bench.KindLoadBalancer, e.names[b.Name], b.Created)
		if p.seen {
			continue
		}
		e.start = b.Created
		listeners, err := e.cloud.Listeners(ctx, b.ARN)
		if err != nil && !errors.Is(err, ErrNoBalancer) {
			return err
		}
		for _, arn := range listeners {
			e.see(arn, bench.KindListener, bench.ALBGroup, b.Created).of = b.ARN
		}
	}
	for _, g := range groups {
		if e.ours(g.ARN, g.Name) {
			now[g.ARN] = true
			e.see(g.ARN, bench.KindTargetGroup, e.names[g.Name], e.start)
		}
	}
	for arn, p := range e.parts {
		p.there = now[arn] || now[p.of]
		p.seen = p.seen || p.there
		if p.seen && !p.there && p.gone.IsZero() {
			p.gone = time.Now().UTC()
		}
	}
	e.looked = true
	return nil
}

func (e *balancerEnding) ours(arn, name string) bool {
	return e.names[name] != "" || e.parts[arn] != nil
}

func (e *balancerEnding) see(arn, kind, group string, created time.Time) *part {
	if e.parts[arn] == nil {
		e.parts[arn] = &part{kind: kind, group: group, created: created}
	}
	return e.parts[arn]
}

// left lists what is not known to be gone. Listeners go with their load
// balancer and are not named. Before the first look that is all that is
// recorded, and the load balancer's name if nothing is.
func (e *balancerEnding) left() []string {
	list := map[string]bool{}
	for arn, p := range e.parts {
		if p.kind != bench.KindListener && e.stays(p) {
			list[arn] = true
		}
	}
	if !e.looked && len(list) == 0 {
		for name, group := range e.names {
			if group == bench.ALBGroup {
				list[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(list))
}

// ended lists what is gone. Of what went before it was looked for, the time is
// when the looking began.
func (e *balancerEnding) ended() []bench.Ended {
	left := e.left()
	var list []bench.Ended
	for arn, p := range e.parts {
		if e.stays(p) || slices.Contains(left, p.of) {
			continue
		}
		launched, at := p.created, p.gone
		if launched.IsZero() {
			launched = e.start
		}
		if at.IsZero() {
			at = e.began
		}
		list = append(list, bench.Ended{ID: arn, Kind: p.kind, Group: p.group, Launched: launched.UTC(), Ended: at.UTC()})
	}
	return list
}
