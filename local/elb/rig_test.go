package elb

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a gateway with the service in a network of two zones, and the
// operator's client.
type rig struct {
	*sdk.Client
	t       *testing.T
	service *Service
	store   *iam.Store
	url     string

	mu        sync.Mutex
	instances map[string]Instance
	addresses map[netip.Addr]bool // that load balancers hold
	last      byte
}

// second is how long a second of a setting takes in these tests.
const second = 20 * time.Millisecond

func newRig(t *testing.T, provisioning time.Duration) *rig {
	t.Helper()
	r := &rig{t: t, store: iam.NewStore("000000000000"), instances: map[string]Instance{}, addresses: map[netip.Addr]bool{}}
	r.service = New(Config{Account: "000000000000", Region: "us-east-1", Network: r, Addresses: r, Provisioning: provisioning})
	r.service.second = second
	g := gateway.New(r.store, "us-east-1")
	g.Register("elasticloadbalancing", r.service)
	front := httptest.NewServer(g)
	r.url = front.URL
	r.Client = r.client(r.store.Operator())
	t.Cleanup(func() {
		r.service.Close()
		front.Close()
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.addresses) > 0 {
			t.Errorf("addresses were not given back: %v", r.addresses)
		}
	})
	return r
}

func (r *rig) client(keys iam.Credentials) *sdk.Client {
	transport := &http.Transport{}
	r.t.Cleanup(transport.CloseIdleConnections)
	return sdk.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(r.url), RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
}

// The rig is the network and the pool of addresses, too.

func (r *rig) Instance(id string) (Instance, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i, ok := r.instances[id]
	return i, ok
}

func (r *rig) Subnet(id string) (Subnet, bool) {
	n, ok := map[string]Subnet{"subnet-a": {"vpc-1", "us-east-1a"}, "subnet-b": {"vpc-1", "us-east-1b"}, "subnet-a2": {"vpc-1", "us-east-1a"},
		"subnet-other": {"vpc-2", "us-east-1b"}}[id]
	return n, ok
}

func (r *rig) SecurityGroup(id string) (string, bool) {
	vpc, ok := map[string]string{"sg-1": "vpc-1", "sg-other": "vpc-2"}[id]
	return vpc, ok
}

func (r *rig) HasVPC(id string) bool { return id == "vpc-1" || id == "vpc-2" }

func (r *rig) Reserve() (netip.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.address()
	r.addresses[a] = true
	return a, nil
}

func (r *rig) Release(a netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.addresses[a] {
		r.t.Errorf("%s was given back twice", a)
	}
	delete(r.addresses, a)
}

// address is one of the range of this process and this test.
func (r *rig) address() netip.Addr {
	r.last++
	return netip.AddrFrom4([4]byte{127, byte(110 + os.Getpid()>>8%100), byte(os.Getpid()), r.last})
}

// listenPort is where load balancers and targets listen in tests.
const listenPort = 18000

// node is a target: an instance with a server.
type node struct {
	id     string
	server *http.Server

	mu      sync.Mutex
	handler http.HandlerFunc // nil: answers with its id
	health  int              // status of /health; 0: no answer
}

// node starts an instance that answers with its name.
func (r *rig) node(id, zone string) *node {
	r.t.Helper()
	r.mu.Lock()
	addr := r.address()
	r.instances[id] = Instance{State: "running", VPC: "vpc-1", Zone: zone, Addr: addr}
	r.mu.Unlock()
	l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", addr, listenPort))
	if err != nil {
		r.t.Fatal(err)
	}
	n := &node{id: id, health: 200}
	n.server = &http.Server{Handler: n}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = n.server.Serve(l)
	}()
	r.t.Cleanup(func() {
		n.server.Close()
		<-done
	})
	return n
}

func (n *node) set(health int, h http.HandlerFunc) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.health, n.handler = health, h
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	handler, health := n.handler, n.health
	n.mu.Unlock()
	switch {
	case r.URL.Path == "/health" && health == 0:
		<-r.Context().Done()
	case r.URL.Path == "/health":
		w.WriteHeader(health)
	case handler != nil:
		handler(w, r)
	default:
		io.WriteString(w, n.id)
	}
}

func (r *rig) setState(id, state string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := r.instances[id]
	i.State = state
	r.instances[id] = i
}

// stack is a load balancer with one listener, whose rule for /app goes to one
// target group.
type stack struct {
	balancer, listener, group string // ARNs
	url                       string
}

func balancerInputs(name string) *sdk.CreateLoadBalancerInput {
	return &sdk.CreateLoadBalancerInput{Name: &name, Subnets: []string{"subnet-a", "subnet-b"}, SecurityGroups: []string{"sg-1"},
		Scheme: types.LoadBalancerSchemeEnumInternal, Type: types.LoadBalancerTypeEnumApplication}
}

func groupInputs(name string) *sdk.CreateTargetGroupInput {
	return &sdk.CreateTargetGroupInput{Name: &name, Protocol: types.ProtocolEnumHttp, Port: aws.Int32(listenPort), VpcId: aws.String("vpc-1"),
		TargetType: types.TargetTypeEnumInstance, HealthCheckPath: aws.String("/health"), HealthCheckIntervalSeconds: aws.Int32(10),
		HealthCheckTimeoutSeconds: aws.Int32(9), HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(2),
		Matcher: &types.Matcher{HttpCode: aws.String("200")}}
}

func notFound() []types.Action {
	return []types.Action{{Type: types.ActionTypeEnumFixedResponse, FixedResponseConfig: &types.FixedResponseActionConfig{
		StatusCode: aws.String("404"), ContentType: aws.String("text/plain"), MessageBody: aws.String("nothing here")}}}
}

func forwardTo(group string) []types.Action {
	return []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &group}}
}

func paths(patterns ...string) []types.RuleCondition {
	return []types.RuleCondition{{Field: aws.String("path-pattern"), Values: patterns}}
}

func (r *rig) stack(attributes map[string]string, targets ...*node) stack {
	r.t.Helper()
	ctx := r.t.Context()
	var s stack
	b, err := r.CreateLoadBalancer(ctx, balancerInputs("lb"))
	must(r.t, err)
	s.balancer = *b.LoadBalancers[0].LoadBalancerArn
	s.url = fmt.Sprintf("http://%s:%d", *b.LoadBalancers[0].DNSName, listenPort)
	g, err := r.CreateTargetGroup(ctx, groupInputs("tg"))
	must(r.t, err)
	s.group = *g.TargetGroups[0].TargetGroupArn
	var items []types.TargetGroupAttribute
	for k, v := range attributes {
		items = append(items, types.TargetGroupAttribute{Key: &k, Value: &v})
	}
	if len(items) > 0 {
		_, err = r.ModifyTargetGroupAttributes(ctx, &sdk.ModifyTargetGroupAttributesInput{TargetGroupArn: &s.group, Attributes: items})
		must(r.t, err)
	}
	l, err := r.CreateListener(ctx, &sdk.CreateListenerInput{LoadBalancerArn: &s.balancer, Protocol: types.ProtocolEnumHttp, Port: aws.Int32(listenPort), DefaultActions: notFound()})
	must(r.t, err)
	s.listener = *l.Listeners[0].ListenerArn
	_, err = r.CreateRule(ctx, &sdk.CreateRuleInput{ListenerArn: &s.listener, Priority: aws.Int32(10), Conditions: paths("/app", "/app/*"), Actions: forwardTo(s.group)})
	must(r.t, err)
	r.register(s.group, targets...)
	return s
}

func (r *rig) register(group string, nodes ...*node) {
	r.t.Helper()
	if len(nodes) == 0 {
		return
	}
	var targets []types.TargetDescription
	for _, n := range nodes {
		targets = append(targets, types.TargetDescription{Id: &n.id})
	}
	_, err := r.RegisterTargets(r.t.Context(), &sdk.RegisterTargetsInput{TargetGroupArn: &group, Targets: targets})
	must(r.t, err)
}

// health is the state and the reason of each target, as "healthy" or
// "unhealthy Target.Timeout".
func (r *rig) health(group string) map[string]string {
	r.t.Helper()
	out, err := r.DescribeTargetHealth(r.t.Context(), &sdk.DescribeTargetHealthInput{TargetGroupArn: &group})
	must(r.t, err)
	states := map[string]string{}
	for _, d := range out.TargetHealthDescriptions {
		states[*d.Target.Id] = strings.TrimSpace(string(d.TargetHealth.State) + " " + string(d.TargetHealth.Reason))
	}
	return states
}

// waitHealth waits until each target is in the state.
func (r *rig) waitHealth(group string, want map[string]string) {
	r.t.Helper()
	eventually(r.t, func() error {
		got := r.health(group)
		if fmt.Sprint(got) != fmt.Sprint(want) {
			return fmt.Errorf("health is %v, want %v", got, want)
		}
		return nil
	})
}

func (r *rig) waitHealthy(group string, nodes ...*node) {
	r.t.Helper()
	want := map[string]string{}
	for _, n := range nodes {
		want[n.id] = "healthy"
	}
	r.waitHealth(group, want)
}

// eventually asks again until there is no error.
func eventually(t *testing.T, ask func() error) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-limit:
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// get asks for a page over a connection of the test's own.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	must(t, err)
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	must(t, err)
	return response.StatusCode, string(b)
}

// spread counts who answers n requests.
func spread(t *testing.T, url string, n int) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for range n {
		status, body := get(t, url)
		if status != 200 {
			body = fmt.Sprint(status)
		}
		counts[body]++
	}
	return counts
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("error = %v, want the API error %s", err, code)
		return
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("error = %s: %s; want %s with %q", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}
