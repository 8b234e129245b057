package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/fairlead/fairlead/internal/steps"
	"github.com/fairlead/fairlead/local/elb"
	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// street is a network of two zones in which one instance runs, and a pool of
// addresses.
type street struct {
	mu   sync.Mutex
	last byte
}

func (*street) Instance(id string) (elb.Instance, bool) {
	return elb.Instance{State: "running", VPC: "vpc-1", Zone: "us-east-1a", Addr: netip.MustParseAddr("127.99.99.250")}, id == "i-0123456789abcdef0"
}

func (*street) Subnet(id string) (elb.Subnet, bool) {
	n, ok := map[string]elb.Subnet{"subnet-a": {VPC: "vpc-1", Zone: "us-east-1a"}, "subnet-b": {VPC: "vpc-1", Zone: "us-east-1b"}}[id]
	return n, ok
}
func (*street) SecurityGroup(id string) (string, bool) { return "vpc-1", id == "sg-1" }
func (*street) HasVPC(id string) bool                  { return id == "vpc-1" }
func (*street) Release(netip.Addr)                     {}

func (s *street) Reserve() (netip.Addr, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return netip.AddrFrom4([4]byte{127, 99, 99, s.last}), nil
}

// emulated is the local cloud's Elastic Load Balancing, which refuses what AWS
// refuses, to the operator.
func emulated(t *testing.T) balancers {
	t.Helper()
	store := iam.NewStore("000000000000")
	service := elb.New(elb.Config{Account: "000000000000", Region: "us-east-1", Network: &street{}, Addresses: &street{}})
	g := gateway.New(store, "us-east-1")
	g.Register("elasticloadbalancing", service)
	front := httptest.NewServer(g)
	t.Cleanup(func() {
		service.Close()
		front.Close()
	})
	keys := store.Operator()
	return newBalancers(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(front.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
}

func TestBalancersFromCreationToDeletion(t *testing.T) {
	b, ctx := emulated(t), t.Context()
	tags := map[string]string{"fairlead:stack": "fl", "fairlead:run": "r"}
	order := steps.BalancerOrder{Name: "fl-1-lb", Subnets: []string{"subnet-a", "subnet-b"}, SecurityGroup: "sg-1", Tags: tags}
	lb, err := b.CreateBalancer(ctx, order)
	if err != nil || lb.Name != order.Name || lb.VPC != "vpc-1" || lb.DNSName == "" || lb.Created.IsZero() {
		t.Fatalf("created %+v, %v", lb, err)
	}
	group := steps.TargetGroupOrder{Name: "fl-1-tg", VPC: lb.VPC, Port: 8000, HealthPath: "/health",
		Interval: 5 * time.Second, Timeout: 2 * time.Second, Healthy: 2, Unhealthy: 2, Tags: tags}
	tg, err := b.CreateTargetGroup(ctx, group)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.SetAttributes(ctx, tg, map[string]string{
		"deregistration_delay.timeout_seconds": "0", "load_balancing.algorithm.type": "weighted_random", "load_balancing.algorithm.anomaly_mitigation": "on",
	}); err != nil {
		t.Fatal(err)
	}
	listener, err := b.CreateListener(ctx, steps.ListenerOrder{Balancer: lb.ARN, Port: 18080, Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	rule := steps.Rule{Listener: listener, Priority: 10, Paths: []string{"/one", "/one/*"}, TargetGroup: tg, Tags: tags}
	if err := b.CreateRule(ctx, rule); err != nil {
		t.Fatal(err)
	}

	// A repeated creation gives what exists; a rule's is refused by name.
	if again, err := b.CreateBalancer(ctx, order); err != nil || again.ARN != lb.ARN {
		t.Errorf("again: %+v, %v", again, err)
	}
	if again, err := b.CreateTargetGroup(ctx, group); err != nil || again != tg {
		t.Errorf("again: %s, %v", again, err)
	}
	if again, err := b.CreateListener(ctx, steps.ListenerOrder{Balancer: lb.ARN, Port: 18080, Tags: tags}); err != nil || again != listener {
		t.Errorf("again: %s, %v", again, err)
	}
	if err := b.CreateRule(ctx, rule); !errors.Is(err, steps.ErrPriorityInUse) {
		t.Errorf("again: %v", err)
	}
	rules, err := b.Rules(ctx, listener)
	if err != nil || len(rules) != 1 || rules[0].Priority != 10 || rules[0].TargetGroup != tg || !slices.Equal(rules[0].Paths, rule.Paths) {
		t.Errorf("rules %+v, %v", rules, err)
	}

	if err := b.Register(ctx, tg, []string{"i-0123456789abcdef0"}, 8000); err != nil {
		t.Fatal(err)
	}
	if health, err := b.Health(ctx, tg); err != nil || len(health) != 1 || health[0].ID != "i-0123456789abcdef0" || health[0].State == "" || health[0].Reason == "" {
		t.Errorf("health %+v, %v", health, err)
	}

	if now, err := b.Balancer(ctx, "fl-1-lb"); err != nil || now.ARN != lb.ARN || now.State == "" {
		t.Errorf("looked up %+v, %v", now, err)
	}
	if _, err := b.Balancer(ctx, "fl-1-none"); !errors.Is(err, steps.ErrNoBalancer) {
		t.Errorf("unknown: %v", err)
	}
	for prefix, want := range map[string]int{"fl-1-": 1, "fl-2-": 0} {
		list, err := b.Balancers(ctx, prefix)
		groups, err2 := b.TargetGroups(ctx, prefix)
		if err != nil || err2 != nil || len(list) != want || len(groups) != want {
			t.Errorf("%s: %v, %v, %v, %v", prefix, list, groups, err, err2)
		}
	}
	if list, err := b.Listeners(ctx, lb.ARN); err != nil || !slices.Equal(list, []string{listener}) {
		t.Errorf("listeners %v, %v", list, err)
	}

	if err := b.DeleteTargetGroup(ctx, tg); !errors.Is(err, steps.ErrInUse) {
		t.Errorf("a target group in use: %v", err)
	}
	for range 2 { // what is gone is gone
		if err := b.DeleteBalancer(ctx, lb.ARN); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Listeners(ctx, lb.ARN); !errors.Is(err, steps.ErrNoBalancer) {
		t.Errorf("listeners of nothing: %v", err)
	}
	// Of two ARNs one is gone: the other's tags are read all the same.
	if got, err := b.Tags(ctx, []string{lb.ARN, tg}); err != nil || len(got) != 1 || got[tg]["fairlead:run"] != "r" {
		t.Errorf("tags %v, %v", got, err)
	}
	if err := b.DeleteTargetGroup(ctx, tg); err != nil {
		t.Fatal(err)
	}
	if list, err := b.TargetGroups(ctx, "fl-1-"); err != nil || len(list) > 0 {
		t.Errorf("left %v, %v", list, err)
	}
}

// DescribeTags takes at most twenty ARNs.
func TestTagsOfMany(t *testing.T) {
	b, ctx := emulated(t), t.Context()
	var arns []string
	for n := range 45 {
		arn, err := b.CreateTargetGroup(ctx, steps.TargetGroupOrder{Name: fmt.Sprint("fl-1-", n), VPC: "vpc-1", Port: 8000, HealthPath: "/health",
			Interval: 5 * time.Second, Timeout: 2 * time.Second, Healthy: 2, Unhealthy: 2, Tags: map[string]string{"n": fmt.Sprint(n)}})
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, arn)
	}
	tags, err := b.Tags(ctx, arns)
	if err != nil || len(tags) != 45 || tags[arns[44]]["n"] != "44" {
		t.Errorf("%d tagged, %v", len(tags), err)
	}
}

func TestBalancerErrors(t *testing.T) {
	var code string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>no</Message></Error><RequestId>1</RequestId></ErrorResponse>`, code)
	}))
	t.Cleanup(server.Close)
	b := newBalancers(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	all := []error{steps.ErrNoBalancer, steps.ErrPriorityInUse, steps.ErrInUse, steps.ErrBalancerQuota}
	for c, want := range map[string]error{
		"LoadBalancerNotFound": steps.ErrNoBalancer, "PriorityInUse": steps.ErrPriorityInUse, "ResourceInUse": steps.ErrInUse,
		"TooManyLoadBalancers": steps.ErrBalancerQuota, "TooManyTargetGroups": steps.ErrBalancerQuota, "TooManyRules": steps.ErrBalancerQuota,
		"TooManyListeners": steps.ErrBalancerQuota, "TooManyUniqueTargetGroupsPerLoadBalancer": steps.ErrBalancerQuota, "TargetGroupAssociationLimit": steps.ErrBalancerQuota,
		"TooManyTags": nil, "AccessDenied": nil, "OperationNotPermitted": nil, "InvalidTarget": nil,
	} {
		code = c
		err := b.CreateRule(t.Context(), steps.Rule{})
		if err == nil || !strings.Contains(err.Error(), c) {
			t.Errorf("%s: %v", c, err)
		}
		for _, kind := range all {
			if errors.Is(err, kind) != (kind == want) {
				t.Errorf("%s is %v: %v", c, kind, err)
			}
		}
	}
	code = "AccessDenied"
	for what, err := range map[string]error{"load balancer": b.DeleteBalancer(t.Context(), "arn"), "target group": b.DeleteTargetGroup(t.Context(), "arn")} {
		if err == nil {
			t.Errorf("a denied deletion of a %s passed for done", what)
		}
	}
	if _, err := b.Tags(t.Context(), []string{"arn"}); err == nil {
		t.Error("denied tags passed for none")
	}
}
