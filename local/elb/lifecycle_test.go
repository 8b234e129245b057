package elb

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

func TestHealthFollowsTheChecks(t *testing.T) {
	r := newRig(t, 0)
	a, b := r.node("i-a", "us-east-1a"), r.node("i-b", "us-east-1b")
	s := r.stack(nil, a, b)
	r.waitHealthy(s.group, a, b)
	b.set(500, nil)
	r.waitHealth(s.group, map[string]string{"i-a": "healthy", "i-b": "unhealthy Target.ResponseCodeMismatch"})
	if got := spread(t, s.url+"/app", 20); got["i-a"] != 20 {
		t.Errorf("an unhealthy target got requests: %v", got)
	}
	b.set(0, nil)
	r.waitHealth(s.group, map[string]string{"i-a": "healthy", "i-b": "unhealthy Target.Timeout"})
	b.set(200, nil)
	r.waitHealthy(s.group, a, b)
	b.server.Close()
	r.waitHealth(s.group, map[string]string{"i-a": "healthy", "i-b": "unhealthy Target.FailedHealthChecks"})
	a.set(503, nil)
	r.waitHealth(s.group, map[string]string{"i-a": "unhealthy Target.ResponseCodeMismatch", "i-b": "unhealthy Target.FailedHealthChecks"})
	if got := spread(t, s.url+"/app", 20); got["i-a"] != 10 || got["502"] != 10 { // fail open: to all
		t.Errorf("with no healthy target requests went to %v", got)
	}
}

func TestThresholds(t *testing.T) {
	for _, test := range []struct{ why, checks, want string }{
		{"a new target is healthy after one passed check", "p", "healthy"},
		{"and stays initial until it failed twice", "f", "initial"},
		{"then it is unhealthy", "ff", "unhealthy"},
		{"an early failure does not hold it up", "fp", "healthy"},
		{"one failure does not make it unhealthy", "pf", "healthy"},
		{"failures must be in a row", "pfpf", "healthy"},
		{"two in a row do", "pff", "unhealthy"},
		{"and then three passes are needed", "pffpp", "unhealthy"},
		{"in a row", "pffppfp", "unhealthy"},
		{"to be healthy again", "pffppp", "healthy"},
		{"an ended instance is unused at once", "px", "unused"},
	} {
		tested := &target{health: checking}
		for _, c := range test.checks {
			tested.take(map[rune]health{'p': healthy, 'f': timedOut, 'x': invalidState("terminated")}[c], 3, 2)
		}
		if tested.State != test.want {
			t.Errorf("%s: %s gives %s, want %s", test.why, test.checks, tested.State, test.want)
		}
	}
}

func TestUnusedTargets(t *testing.T) {
	r := newRig(t, 0)
	a, b, far := r.node("i-a", "us-east-1a"), r.node("i-b", "us-east-1b"), r.node("i-far", "us-east-1c")
	g, err := r.CreateTargetGroup(t.Context(), groupInputs("tg"))
	must(t, err)
	group := *g.TargetGroups[0].TargetGroupArn
	r.register(group, a, b, far)
	if got := r.health(group); got["i-a"] != "unused Target.NotInUse" {
		t.Errorf("without a load balancer: %v", got)
	}
	s := r.stack(nil) // the group exists, so it is the same
	r.waitHealth(s.group, map[string]string{"i-a": "healthy", "i-b": "healthy", "i-far": "unused Target.NotInUse"})
	r.setState("i-b", "shutting-down")
	if got := r.health(group); got["i-b"] != "unused Target.InvalidState" {
		t.Errorf("an instance that ends: %v", got)
	}
	eventually(t, func() error { // the next check takes it out of the traffic
		if got := spread(t, s.url+"/app", 10); got["i-a"] != 10 {
			return fmt.Errorf("requests go to %v", got)
		}
		return nil
	})
	out, err := r.DescribeTargetHealth(t.Context(), &sdk.DescribeTargetHealthInput{TargetGroupArn: &group, Targets: []types.TargetDescription{{Id: aws.String("i-none")}, {Id: aws.String("i-a")}}})
	must(t, err)
	if len(out.TargetHealthDescriptions) != 2 || out.TargetHealthDescriptions[1].TargetHealth.Reason != "Target.NotRegistered" || *out.TargetHealthDescriptions[0].HealthCheckPort != fmt.Sprint(listenPort) {
		t.Errorf("%+v", out.TargetHealthDescriptions)
	}
}

func TestRegisterRefusesWhatDoesNotRun(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	r.node("i-stopped", "us-east-1a")
	r.setState("i-stopped", "pending")
	s := r.stack(nil)
	register := func(ids ...string) error {
		var targets []types.TargetDescription
		for _, id := range ids {
			targets = append(targets, types.TargetDescription{Id: &id})
		}
		_, err := r.RegisterTargets(t.Context(), &sdk.RegisterTargetsInput{TargetGroupArn: &s.group, Targets: targets})
		return err
	}
	wantError(t, register("i-a", "i-stopped"), "InvalidTarget", "not in a running state and cannot be registered: 'i-stopped'")
	wantError(t, register("i-none"), "InvalidTarget", "'i-none' is not valid")
	r.mu.Lock()
	r.instances["i-other"] = Instance{State: "running", VPC: "vpc-2"}
	r.mu.Unlock()
	wantError(t, register("i-other"), "InvalidTarget", "VPC: 'i-other'")
	if got := r.health(s.group); len(got) != 0 {
		t.Errorf("a refused call registered %v", got)
	}
	must(t, register("i-a"))
	must(t, register("i-a")) // again is no error
	r.waitHealthy(s.group, a)
}

func TestDrainingTargetsFinishAndLeave(t *testing.T) {
	r := newRig(t, 0)
	a, b := r.node("i-a", "us-east-1a"), r.node("i-b", "us-east-1b")
	s := r.stack(map[string]string{attrDelay: "3600"}, a, b)
	r.waitHealthy(s.group, a, b)
	held, release := make(chan struct{}), make(chan struct{})
	a.set(200, func(w http.ResponseWriter, _ *http.Request) {
		close(held)
		<-release
		fmt.Fprint(w, "finished")
	})
	b.set(200, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "i-b") })
	answers := make(chan string, 1)
	go func() {
		for {
			response, err := http.Get(s.url + "/app")
			if err != nil {
				answers <- err.Error()
				return
			}
			var text [8]byte
			n, _ := response.Body.Read(text[:])
			response.Body.Close()
			if got := string(text[:n]); got != "i-b" {
				answers <- got
				return
			}
		}
	}()
	<-held
	deregister := func(n *node) {
		t.Helper()
		_, err := r.DeregisterTargets(t.Context(), &sdk.DeregisterTargetsInput{TargetGroupArn: &s.group, Targets: []types.TargetDescription{{Id: &n.id}}})
		must(t, err)
	}
	deregister(a)
	if got := r.health(s.group); got["i-a"] != "draining Target.DeregistrationInProgress" {
		t.Errorf("health %v", got)
	}
	if got := spread(t, s.url+"/app", 10); got["i-b"] != 10 {
		t.Errorf("a draining target got new requests: %v", got)
	}
	close(release)
	if got := <-answers; got != "finished" {
		t.Errorf("the request in flight got %q", got)
	}
	a.set(200, nil)
	r.register(s.group, a) // again, while it drains
	r.waitHealthy(s.group, a, b)
	_, err := r.ModifyTargetGroupAttributes(t.Context(), &sdk.ModifyTargetGroupAttributesInput{TargetGroupArn: &s.group,
		Attributes: []types.TargetGroupAttribute{{Key: aws.String(attrDelay), Value: aws.String("1")}}})
	must(t, err)
	deregister(a)
	r.waitHealth(s.group, map[string]string{"i-b": "healthy"})
}

func TestProvisioningTakesItsTime(t *testing.T) {
	r := newRig(t, 300*time.Millisecond)
	a := r.node("i-a", "us-east-1a")
	began := time.Now()
	s := r.stack(nil, a)
	state := func() string {
		out, err := r.DescribeLoadBalancers(t.Context(), &sdk.DescribeLoadBalancersInput{LoadBalancerArns: []string{s.balancer}})
		must(t, err)
		return string(out.LoadBalancers[0].State.Code)
	}
	if first, health := state(), r.health(s.group)["i-a"]; time.Since(began) < 300*time.Millisecond {
		if first != "provisioning" || health != "initial Elb.RegistrationInProgress" {
			t.Errorf("at first it is %s, its target %s", first, health)
		}
		if conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
			conn.Close()
			if time.Since(began) < 300*time.Millisecond {
				t.Error("it listens before it is active")
			}
		}
	}
	eventually(t, func() error {
		if got := state(); got != "active" {
			return fmt.Errorf("state %s", got)
		}
		return nil
	})
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("active after %s", took)
	}
	r.waitHealthy(s.group, a)
	if status, body := get(t, s.url+"/app"); status != 200 || body != "i-a" {
		t.Errorf("%d %s", status, body)
	}
}

func TestDeletedWhileProvisioning(t *testing.T) {
	r := newRig(t, time.Hour)
	s := r.stack(nil)
	_, err := r.DeleteLoadBalancer(t.Context(), &sdk.DeleteLoadBalancerInput{LoadBalancerArn: &s.balancer})
	must(t, err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.addresses) != 0 {
		t.Error("the address was not given back")
	}
}

func TestWaitEndsEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if !wait(t.Context(), time.Hour) {
			t.Error("an hour did not pass")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if wait(ctx, time.Hour) || time.Since(began) != time.Minute {
			t.Errorf("it waited %s", time.Since(began))
		}
	})
}

// Deletion ends what is in flight, closes the port, gives the address back and
// leaves the target group.
func TestDeletionEndsEverything(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(nil, a)
	r.waitHealthy(s.group, a)
	came := make(chan struct{})
	a.set(200, func(_ http.ResponseWriter, q *http.Request) {
		close(came)
		<-q.Context().Done()
	})
	failed := make(chan error, 1)
	go func() {
		_, err := http.Get(s.url + "/app") //nolint:bodyclose // it fails
		failed <- err
	}()
	<-came
	_, err := r.DeleteTargetGroup(t.Context(), &sdk.DeleteTargetGroupInput{TargetGroupArn: &s.group})
	wantError(t, err, "ResourceInUse", "currently in use by a listener or a rule")
	for range 2 { // a second time is no error
		_, err = r.DeleteLoadBalancer(t.Context(), &sdk.DeleteLoadBalancerInput{LoadBalancerArn: &s.balancer})
		must(t, err)
	}
	r.mu.Lock()
	if len(r.addresses) != 0 {
		t.Error("the address was not given back")
	}
	r.mu.Unlock()
	if err := <-failed; err == nil {
		t.Error("the request in flight did not fail")
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
		conn.Close()
		t.Error("the port still answers")
	}
	if got := r.health(s.group); got["i-a"] != "unused Target.NotInUse" {
		t.Errorf("health afterwards: %v", got)
	}
	_, err = r.DescribeLoadBalancers(t.Context(), &sdk.DescribeLoadBalancersInput{Names: []string{"lb"}})
	wantError(t, err, "LoadBalancerNotFound", "lb")
	_, err = r.DescribeListeners(t.Context(), &sdk.DescribeListenersInput{ListenerArns: []string{s.listener}})
	wantError(t, err, "ListenerNotFound", s.listener)
	for range 2 {
		_, err = r.DeleteTargetGroup(t.Context(), &sdk.DeleteTargetGroupInput{TargetGroupArn: &s.group})
		must(t, err)
	}
	_, err = r.DescribeTargetGroups(t.Context(), &sdk.DescribeTargetGroupsInput{Names: []string{"tg"}})
	wantError(t, err, "TargetGroupNotFound", "tg")
}

func TestDeletedListenerLeavesTheOthers(t *testing.T) {
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	s := r.stack(nil, a)
	r.waitHealthy(s.group, a)
	_, err := r.CreateListener(t.Context(), &sdk.CreateListenerInput{LoadBalancerArn: &s.balancer, Protocol: types.ProtocolEnumHttp, Port: aws.Int32(listenPort + 1), DefaultActions: notFound()})
	must(t, err)
	other := strings.Replace(s.url, fmt.Sprint(listenPort), fmt.Sprint(listenPort+1), 1)
	if status, body := get(t, other); status != 404 || body != "nothing here" {
		t.Errorf("%d %s", status, body)
	}
	_, err = r.DeleteListener(t.Context(), &sdk.DeleteListenerInput{ListenerArn: &s.listener})
	must(t, err)
	if conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://")); err == nil {
		conn.Close()
		t.Error("the port still answers")
	}
	if status, _ := get(t, other); status != 404 {
		t.Errorf("the other listener: %d", status)
	}
	_, err = r.DeleteListener(t.Context(), &sdk.DeleteListenerInput{ListenerArn: &s.listener})
	wantError(t, err, "ListenerNotFound", s.listener)
	if got := r.health(s.group); got["i-a"] != "unused Target.NotInUse" {
		t.Errorf("no rule is left, and health is %v", got)
	}
}
