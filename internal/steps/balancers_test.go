package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// elb is a load balancing service that is slow, lags and refuses as ELB does.
type elb struct {
	mu         sync.Mutex
	balancers  map[string]*fakeBalancer // by ARN
	listeners  map[string]*fakeListener
	groups     map[string]*fakeGroup
	calls      []string // "create load-balancer fl-…", in order
	before     func(call string)
	provision  time.Duration // until a load balancer is active
	deletion   time.Duration // until a deleted one is gone, and its target groups are free
	lag        time.Duration // until a new one is listed
	flight     time.Duration // from a create call to its effect
	state      string        // instead of provisioning and active
	fail       map[string]error
	lose       map[string]bool           // by call: it is done, its answer lost; once
	health     map[string][]TargetHealth // by target group name; else what is registered is healthy
	healthWait time.Duration             // from registration to healthy
}

type fakeBalancer struct {
	LoadBalancer
	order   BalancerOrder
	deleted time.Time
}

type fakeListener struct {
	ListenerOrder
	rules []Rule
}

type fakeGroup struct {
	TargetGroup
	order      TargetGroupOrder
	attributes map[string]string
	targets    map[string]time.Time // since when
}

func newELB() *elb {
	return &elb{
		balancers: map[string]*fakeBalancer{}, listeners: map[string]*fakeListener{}, groups: map[string]*fakeGroup{},
		provision: 2 * time.Minute, deletion: 5 * time.Second, fail: map[string]error{}, lose: map[string]bool{}, health: map[string][]TargetHealth{},
	}
}

// call notes a call and gives the error that the test wants of it.
func (e *elb) call(ctx context.Context, what, name string) error {
	if e.before != nil {
		e.before(what)
	}
	e.mu.Lock()
	e.calls = append(e.calls, what+" "+name)
	err := e.fail[what]
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if strings.HasPrefix(what, "create ") && e.flight > 0 {
		time.Sleep(e.flight) // it is under way, whatever becomes of the caller
	}
	return nil
}

// lost is the error of a call that was carried out.
func (e *elb) lost(what string) error {
	if e.lose[what] {
		delete(e.lose, what)
		return errLost
	}
	return nil
}

func (e *elb) CreateBalancer(ctx context.Context, o BalancerOrder) (LoadBalancer, error) {
	if err := e.call(ctx, "create load-balancer", o.Name); err != nil {
		return LoadBalancer{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	arn := "arn:lb/" + o.Name
	if had := e.balancers[arn]; had != nil && fmt.Sprint(had.order) != fmt.Sprint(o) {
		return LoadBalancer{}, errors.New("DuplicateLoadBalancerName")
	} else if had == nil {
		e.balancers[arn] = &fakeBalancer{order: o, LoadBalancer: LoadBalancer{ARN: arn, Name: o.Name, DNSName: "alb.test", VPC: "vpc-1", Created: time.Now()}}
	}
	return e.balancers[arn].LoadBalancer, e.lost("create load-balancer")
}

func (e *elb) CreateTargetGroup(ctx context.Context, o TargetGroupOrder) (string, error) {
	if err := e.call(ctx, "create target-group", o.Name); err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	arn := "arn:tg/" + o.Name
	if had := e.groups[arn]; had != nil && fmt.Sprint(had.order) != fmt.Sprint(o) {
		return "", errors.New("DuplicateTargetGroupName")
	} else if had == nil {
		e.groups[arn] = &fakeGroup{order: o, TargetGroup: TargetGroup{ARN: arn, Name: o.Name}, attributes: map[string]string{}, targets: map[string]time.Time{}}
	}
	return arn, e.lost("create target-group")
}

func (e *elb) SetAttributes(ctx context.Context, arn string, attributes map[string]string) error {
	if err := e.call(ctx, "set", arn); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.Copy(e.groups[arn].attributes, attributes)
	return nil
}

func (e *elb) CreateListener(ctx context.Context, o ListenerOrder) (string, error) {
	if err := e.call(ctx, "create listener", fmt.Sprint(o.Port)); err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	arn := fmt.Sprintf("%s/listener/%d", o.Balancer, o.Port)
	if e.gone(o.Balancer) {
		return "", fmt.Errorf("%w: %s", ErrNoBalancer, o.Balancer)
	}
	if e.listeners[arn] == nil {
		e.listeners[arn] = &fakeListener{ListenerOrder: o}
	}
	return arn, e.lost("create listener")
}

func (e *elb) CreateRule(ctx context.Context, r Rule) error {
	if err := e.call(ctx, "create rule", fmt.Sprint(r.Priority)); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	l := e.listeners[r.Listener]
	if slices.ContainsFunc(l.rules, func(had Rule) bool { return had.Priority == r.Priority }) {
		return fmt.Errorf("%w: %d", ErrPriorityInUse, r.Priority)
	}
	l.rules = append(l.rules, r)
	return e.lost("create rule")
}

func (e *elb) Rules(_ context.Context, listener string) ([]Rule, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []Rule
	for _, r := range e.listeners[listener].rules {
		r.Tags = nil
		list = append(list, r)
	}
	return list, e.fail["list rules"]
}

func (e *elb) Register(ctx context.Context, arn string, instances []string, port int) error {
	if err := e.call(ctx, "register", fmt.Sprintf("%s %s %d", arn, strings.Join(instances, ","), port)); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range instances {
		if _, had := e.groups[arn].targets[id]; !had {
			e.groups[arn].targets[id] = time.Now()
		}
	}
	return nil
}

func (e *elb) Health(_ context.Context, arn string) ([]TargetHealth, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	g := e.groups[arn]
	if list, set := e.health[g.Name]; set {
		return list, e.fail["health"]
	}
	var list []TargetHealth
	for id, since := range g.targets {
		h := TargetHealth{ID: id, State: "initial", Reason: "Elb.InitialHealthChecking", Description: "Initial health checks in progress"}
		if time.Since(since) >= e.healthWait {
			h = TargetHealth{ID: id, State: "healthy"}
		}
		list = append(list, h)
	}
	return list, e.fail["health"]
}

// gone tells whether a load balancer is gone, and takes its listeners with it.
func (e *elb) gone(arn string) bool {
	b := e.balancers[arn]
	if b == nil {
		return true
	}
	if !b.deleted.IsZero() && time.Since(b.deleted) >= e.deletion {
		delete(e.balancers, arn)
		maps.DeleteFunc(e.listeners, func(_ string, l *fakeListener) bool { return l.Balancer == arn })
		return true
	}
	return false
}

func (e *elb) Balancer(ctx context.Context, name string) (LoadBalancer, error) {
	list, err := e.Balancers(ctx, name)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%w: %s", ErrNoBalancer, name)
	}
	if err != nil {
		return LoadBalancer{}, err
	}
	return list[0], nil
}

func (e *elb) Balancers(_ context.Context, prefix string) ([]LoadBalancer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []LoadBalancer
	for arn, b := range e.balancers {
		if !e.gone(arn) && strings.HasPrefix(b.Name, prefix) && time.Since(b.Created) >= e.lag {
			now := b.LoadBalancer
			switch {
			case e.state != "":
				now.State, now.Reason = e.state, "for the test"
			case time.Since(b.Created) >= e.provision:
				now.State = "active"
			default:
				now.State = "provisioning"
			}
			list = append(list, now)
		}
	}
	return list, e.fail["list load-balancers"]
}

func (e *elb) TargetGroups(_ context.Context, prefix string) ([]TargetGroup, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []TargetGroup
	for _, g := range e.groups {
		if strings.HasPrefix(g.Name, prefix) {
			list = append(list, g.TargetGroup)
		}
	}
	return list, e.fail["list target-groups"]
}

func (e *elb) Listeners(_ context.Context, balancer string) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone(balancer) {
		return nil, fmt.Errorf("%w: %s", ErrNoBalancer, balancer)
	}
	var list []string
	for arn, l := range e.listeners {
		if l.Balancer == balancer {
			list = append(list, arn)
		}
	}
	return list, e.fail["list listeners"]
}

func (e *elb) DeleteBalancer(ctx context.Context, arn string) error {
	if err := e.call(ctx, "delete load-balancer", arn); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.gone(arn) && e.balancers[arn].deleted.IsZero() {
		e.balancers[arn].deleted = time.Now()
	}
	return nil
}

func (e *elb) DeleteTargetGroup(ctx context.Context, arn string) error {
	if err := e.call(ctx, "delete target-group", arn); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.listeners {
		if !e.gone(l.Balancer) && slices.ContainsFunc(l.rules, func(r Rule) bool { return r.TargetGroup == arn }) {
			return fmt.Errorf("%w: %s", ErrInUse, arn)
		}
	}
	delete(e.groups, arn)
	return nil
}

func (e *elb) Tags(_ context.Context, arns []string) (map[string]map[string]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	tags := map[string]map[string]string{}
	for _, arn := range arns {
		if b := e.balancers[arn]; b != nil {
			tags[arn] = b.order.Tags
		}
		if g := e.groups[arn]; g != nil {
			tags[arn] = g.order.Tags
		}
	}
	return tags, e.fail["tags"]
}

// size counts what a run costs money or a place in a quota for.
func (e *elb) size() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.groups)
	for arn := range e.balancers {
		if !e.gone(arn) {
			n++
		}
	}
	return n
}

// made counts the calls whose names begin so.
func (e *elb) made(prefix string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, c := range e.calls {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

var (
	_ Balancers      = (*elb)(nil)
	_ BalancerFinder = (*elb)(nil)
	_ TargetViewer   = (*elb)(nil)
)

// balancedPlan has two clusters behind two algorithms, and the proxy beside them.
const balancedPlan = `{
	"clusters": [{"name": "one", "instanceType": "t2.micro", "count": 2}, {"name": "two", "instanceType": "t2.micro", "count": 1}],
	"targets": [{"kind": "alb", "algorithm": "least_outstanding_requests"}, {"kind": "proxy"}, {"kind": "alb", "algorithm": "weighted_random"}],
	"load": {"kind": "burst", "requests": 30}, "blocks": 1, "shards": 1
}`

// partsOfBalanced is what one load balancer and its target groups count.
const partsOfBalanced = 1 + 2*2
