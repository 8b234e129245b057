package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/fairlead/fairlead/local/ec2"
)

// call signs one call of EC2 and gives the ids in its answer. (The EC2
// client takes most of a minute to compile.)
func (c *Cloud) call(t *testing.T, form url.Values) []string {
	t.Helper()
	form.Set("Version", "2016-11-15")
	body := []byte(form.Encode())
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.Endpoint()+"/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	sum := sha256.Sum256(body)
	keys, err := c.sdk().Credentials.Retrieve(t.Context())
	if err == nil {
		err = v4.NewSigner().SignHTTP(t.Context(), keys, q, hex.EncodeToString(sum[:]), "ec2", c.Region(), time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	var out struct {
		IDs []string `xml:"instancesSet>item>instanceId"`
	}
	if err == nil {
		err = xml.Unmarshal(text, &out)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v: %s", response.Status, err, text)
	}
	return out.IDs
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-limit:
			t.Fatal("not in 30 seconds: " + what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A load balancer in front of a real instance: it becomes active, healthy,
// answers, sees the instance end, and closes with the cloud.
func TestLoadBalancerInFrontOfAnInstance(t *testing.T) {
	c := start(t, Config{Delays: Delays{LoadBalancer: 200 * time.Millisecond}})
	id := func(id string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	vpc := id(c.ec2.CreateVPC(ec2.VPC{CIDR: "10.0.0.0/16"}))
	subnets := []string{id(c.ec2.CreateSubnet(ec2.Subnet{VPC: vpc, CIDR: "10.0.0.0/20", Zone: "us-east-1a"})),
		id(c.ec2.CreateSubnet(ec2.Subnet{VPC: vpc, CIDR: "10.0.16.0/20", Zone: "us-east-1b"}))}
	group := id(c.ec2.CreateSecurityGroup(ec2.SecurityGroup{VPC: vpc, Description: "all"}))
	node := c.call(t, url.Values{"Action": {"RunInstances"}, "MinCount": {"1"}, "MaxCount": {"1"}, "InstanceType": {"t3.micro"}, "SubnetId": {subnets[1]}, "SecurityGroupId.1": {group},
		"ImageId": {"resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"}})[0]
	until(t, "the instance runs", func() bool { _, ok := c.ec2.Machine(node); return ok })

	// The network is the machine's: the test serves in the place of a program on
	// the instance, at a port that is free there.
	at, _ := c.ec2.Locate(node)
	l, err := net.Listen("tcp4", at.Addr.String()+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, node, q.URL.Path) })}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	port := int32(l.Addr().(*net.TCPAddr).Port)

	client := elb.NewFromConfig(c.sdk())
	b, err := client.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: aws.String("front"), Scheme: "internal", Subnets: subnets, SecurityGroups: []string{group}})
	if err != nil {
		t.Fatal(err)
	}
	balancer := b.LoadBalancers[0]
	if balancer.State.Code != "provisioning" || *balancer.VpcId != vpc || !c.host.Range().Contains(netip.MustParseAddr(*balancer.DNSName)) {
		t.Errorf("%s in %s at %s", balancer.State.Code, *balancer.VpcId, *balancer.DNSName)
	}
	g, err := client.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{Name: aws.String("nodes"), Protocol: "HTTP", Port: &port, VpcId: &vpc,
		HealthCheckIntervalSeconds: aws.Int32(5), HealthCheckTimeoutSeconds: aws.Int32(4)})
	if err != nil {
		t.Fatal(err)
	}
	nodes := g.TargetGroups[0].TargetGroupArn
	if _, err := client.CreateListener(t.Context(), &elb.CreateListenerInput{LoadBalancerArn: balancer.LoadBalancerArn, Protocol: "HTTP", Port: &port,
		DefaultActions: []types.Action{{Type: "forward", TargetGroupArn: nodes}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.RegisterTargets(t.Context(), &elb.RegisterTargetsInput{TargetGroupArn: nodes, Targets: []types.TargetDescription{{Id: &node}}}); err != nil {
		t.Fatal(err)
	}
	health := func() string {
		out, err := client.DescribeTargetHealth(t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: nodes})
		if err != nil {
			t.Fatal(err)
		}
		h := out.TargetHealthDescriptions[0].TargetHealth
		return strings.TrimSpace(string(h.State) + " " + string(h.Reason))
	}
	until(t, "healthy", func() bool { return health() == "healthy" })
	address := net.JoinHostPort(*balancer.DNSName, fmt.Sprint(port))
	response, err := http.Get("http://" + address + "/x")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); string(text) != node+"/x" {
		t.Errorf("%s, %v", text, err)
	}
	c.call(t, url.Values{"Action": {"TerminateInstances"}, "InstanceId.1": {node}})
	if got := health(); got != "unused Target.InvalidState" {
		t.Errorf("health of an ended instance: %s", got)
	}
	http.DefaultClient.CloseIdleConnections()
	stop(t, c)
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("the load balancer outlived the cloud")
	}
}
