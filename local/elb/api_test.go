package elb

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

func tags(pairs ...string) []types.Tag {
	var all []types.Tag
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, types.Tag{Key: &pairs[i], Value: &pairs[i+1]})
	}
	return all
}

func TestCreateAgainIsTheSameOne(t *testing.T) {
	r := newRig(t, 0)
	s := r.stack(nil)
	again, err := r.CreateLoadBalancer(t.Context(), balancerInputs("lb"))
	must(t, err)
	if *again.LoadBalancers[0].LoadBalancerArn != s.balancer {
		t.Error("another load balancer of the name")
	}
	in := balancerInputs("lb")
	in.Tags = tags("a", "b")
	_, err = r.CreateLoadBalancer(t.Context(), in)
	wantError(t, err, "DuplicateLoadBalancerName", "'lb' exists, but with different settings")
	g, err := r.CreateTargetGroup(t.Context(), groupInputs("tg"))
	must(t, err)
	if *g.TargetGroups[0].TargetGroupArn != s.group {
		t.Error("another target group of the name")
	}
	group := groupInputs("tg")
	group.Port = aws.Int32(80)
	_, err = r.CreateTargetGroup(t.Context(), group)
	wantError(t, err, "DuplicateTargetGroupName", "'tg' exists, but with different settings")
	listener := &sdk.CreateListenerInput{LoadBalancerArn: &s.balancer, Protocol: types.ProtocolEnumHttp, Port: aws.Int32(listenPort), DefaultActions: notFound()}
	l, err := r.CreateListener(t.Context(), listener)
	must(t, err)
	if *l.Listeners[0].ListenerArn != s.listener {
		t.Error("another listener of the port")
	}
	listener.DefaultActions = forwardTo(s.group)
	_, err = r.CreateListener(t.Context(), listener)
	wantError(t, err, "DuplicateListener", "already exists on this port")
	_, err = r.CreateRule(t.Context(), &sdk.CreateRuleInput{ListenerArn: &s.listener, Priority: aws.Int32(10), Conditions: paths("/app", "/app/*"), Actions: forwardTo(s.group)})
	wantError(t, err, "PriorityInUse", "'10'")
}

func TestDescriptions(t *testing.T) {
	r := newRig(t, 0)
	s := r.stack(map[string]string{attrDelay: "0"})
	b, err := r.DescribeLoadBalancers(t.Context(), &sdk.DescribeLoadBalancersInput{Names: []string{"lb"}})
	must(t, err)
	shown := b.LoadBalancers[0]
	if shown.State.Code != "active" || *shown.VpcId != "vpc-1" || shown.Scheme != "internal" || shown.Type != "application" || shown.IpAddressType != "ipv4" ||
		*shown.LoadBalancerName != "lb" || shown.SecurityGroups[0] != "sg-1" || len(shown.AvailabilityZones) != 2 || *shown.AvailabilityZones[1].ZoneName != "us-east-1b" ||
		*shown.AvailabilityZones[1].SubnetId != "subnet-b" || shown.CreatedTime.IsZero() || net.ParseIP(*shown.DNSName) == nil {
		t.Errorf("load balancer %+v", shown)
	}
	g, err := r.DescribeTargetGroups(t.Context(), &sdk.DescribeTargetGroupsInput{LoadBalancerArn: &s.balancer})
	must(t, err)
	group := g.TargetGroups[0]
	if *group.TargetGroupArn != s.group || group.LoadBalancerArns[0] != s.balancer || *group.Matcher.HttpCode != "200" || *group.HealthCheckPath != "/health" ||
		*group.HealthCheckIntervalSeconds != 10 || *group.UnhealthyThresholdCount != 2 || *group.HealthCheckPort != "traffic-port" || *group.Port != listenPort || !*group.HealthCheckEnabled {
		t.Errorf("target group %+v", group)
	}
	l, err := r.DescribeListeners(t.Context(), &sdk.DescribeListenersInput{LoadBalancerArn: &s.balancer})
	must(t, err)
	if a := l.Listeners[0].DefaultActions[0]; *l.Listeners[0].ListenerArn != s.listener || *l.Listeners[0].Port != listenPort || *a.FixedResponseConfig.StatusCode != "404" || *a.FixedResponseConfig.MessageBody != "nothing here" {
		t.Errorf("listener %+v", l.Listeners[0])
	}
	rules, err := r.DescribeRules(t.Context(), &sdk.DescribeRulesInput{ListenerArn: &s.listener})
	must(t, err)
	if len(rules.Rules) != 2 || *rules.Rules[0].Priority != "10" || rules.Rules[0].Conditions[0].PathPatternConfig.Values[1] != "/app/*" ||
		*rules.Rules[0].Actions[0].ForwardConfig.TargetGroups[0].TargetGroupArn != s.group || *rules.Rules[1].Priority != "default" || !*rules.Rules[1].IsDefault {
		t.Errorf("rules %+v", rules.Rules)
	}
	attrs, err := r.DescribeTargetGroupAttributes(t.Context(), &sdk.DescribeTargetGroupAttributesInput{TargetGroupArn: &s.group})
	must(t, err)
	values := map[string]string{}
	for _, a := range attrs.Attributes {
		values[*a.Key] = *a.Value
	}
	if values[attrDelay] != "0" || values[attrAlgorithm] != "round_robin" || values["stickiness.enabled"] != "false" {
		t.Errorf("attributes %v", values)
	}
}

func TestTagsOfEachKind(t *testing.T) {
	r := newRig(t, 0)
	in := balancerInputs("lb")
	in.Tags = tags("run", "r1")
	b, err := r.CreateLoadBalancer(t.Context(), in)
	must(t, err)
	group := groupInputs("tg")
	group.Tags = tags("run", "r2")
	g, err := r.CreateTargetGroup(t.Context(), group)
	must(t, err)
	l, err := r.CreateListener(t.Context(), &sdk.CreateListenerInput{LoadBalancerArn: b.LoadBalancers[0].LoadBalancerArn, Protocol: "HTTP", Port: aws.Int32(listenPort),
		DefaultActions: notFound(), Tags: tags("run", "r3")})
	must(t, err)
	rule, err := r.CreateRule(t.Context(), &sdk.CreateRuleInput{ListenerArn: l.Listeners[0].ListenerArn, Priority: aws.Int32(1), Conditions: paths("/x"),
		Actions: forwardTo(*g.TargetGroups[0].TargetGroupArn), Tags: tags("run", "r4")})
	must(t, err)
	arns := []string{*b.LoadBalancers[0].LoadBalancerArn, *g.TargetGroups[0].TargetGroupArn, *l.Listeners[0].ListenerArn, *rule.Rules[0].RuleArn}
	_, err = r.AddTags(t.Context(), &sdk.AddTagsInput{ResourceArns: arns[:2], Tags: tags("late", "yes")})
	must(t, err)
	out, err := r.DescribeTags(t.Context(), &sdk.DescribeTagsInput{ResourceArns: arns})
	must(t, err)
	var got []string
	for _, d := range out.TagDescriptions {
		for _, tag := range d.Tags {
			got = append(got, *tag.Key+"="+*tag.Value)
		}
	}
	if want := []string{"late=yes", "run=r1", "late=yes", "run=r2", "run=r3", "run=r4"}; !slices.Equal(got, want) {
		t.Errorf("tags %v, want %v", got, want)
	}
	_, err = r.AddTags(t.Context(), &sdk.AddTagsInput{ResourceArns: arns[:1], Tags: tags("aws:x", "1")})
	wantError(t, err, "ValidationError", "aws:x")
	_, err = r.DescribeTags(t.Context(), &sdk.DescribeTagsInput{ResourceArns: []string{arns[0] + "0"}})
	wantError(t, err, "LoadBalancerNotFound", arns[0]+"0")
}

func TestPages(t *testing.T) {
	r := newRig(t, 0)
	for i := range 5 {
		_, err := r.CreateTargetGroup(t.Context(), groupInputs(fmt.Sprintf("tg-%d", i)))
		must(t, err)
	}
	var names []string
	var pages int
	for p := sdk.NewDescribeTargetGroupsPaginator(r, &sdk.DescribeTargetGroupsInput{PageSize: aws.Int32(2)}); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		must(t, err)
		for _, g := range out.TargetGroups {
			names = append(names, *g.TargetGroupName)
			_, err := r.DeleteTargetGroup(t.Context(), &sdk.DeleteTargetGroupInput{TargetGroupArn: g.TargetGroupArn}) // what is gone does not move the rest
			must(t, err)
		}
	}
	if pages != 3 || !slices.Equal(names, []string{"tg-0", "tg-1", "tg-2", "tg-3", "tg-4"}) {
		t.Errorf("%d pages with %v", pages, names)
	}
	_, err := r.DescribeLoadBalancers(t.Context(), &sdk.DescribeLoadBalancersInput{PageSize: aws.Int32(500)})
	wantError(t, err, "ValidationError", "PageSize is 500")
	_, err = r.DescribeLoadBalancers(t.Context(), &sdk.DescribeLoadBalancersInput{Marker: aws.String("?")})
	wantError(t, err, "ValidationError", "marker")
}

func TestBalancersThatAreRefused(t *testing.T) {
	r := newRig(t, 0)
	for _, test := range []struct {
		why        string
		change     func(*sdk.CreateLoadBalancerInput)
		code, text string
	}{
		{"name too long", func(in *sdk.CreateLoadBalancerInput) { in.Name = aws.String(strings.Repeat("x", 33)) }, "ValidationError", "longer than '32'"},
		{"characters", func(in *sdk.CreateLoadBalancerInput) { in.Name = aws.String("a_b") }, "ValidationError", "alphanumeric"},
		{"hyphen first", func(in *sdk.CreateLoadBalancerInput) { in.Name = aws.String("-a") }, "ValidationError", "begin or end"},
		{"reserved", func(in *sdk.CreateLoadBalancerInput) { in.Name = aws.String("internal-a") }, "ValidationError", "begin with 'internal-'"},
		{"one subnet", func(in *sdk.CreateLoadBalancerInput) { in.Subnets = in.Subnets[:1] }, "ValidationError", "At least two subnets in two different Availability Zones"},
		{"one zone", func(in *sdk.CreateLoadBalancerInput) { in.Subnets = []string{"subnet-a", "subnet-a2"} }, "InvalidConfigurationRequest", "same Availability Zone"},
		{"two networks", func(in *sdk.CreateLoadBalancerInput) { in.Subnets[1] = "subnet-other" }, "InvalidConfigurationRequest", "same VPC"},
		{"no such subnet", func(in *sdk.CreateLoadBalancerInput) { in.Subnets[1] = "subnet-x" }, "SubnetNotFound", "subnet-x"},
		{"no such group", func(in *sdk.CreateLoadBalancerInput) { in.SecurityGroups[0] = "sg-x" }, "InvalidSecurityGroup", "sg-x"},
		{"the group's network", func(in *sdk.CreateLoadBalancerInput) { in.SecurityGroups[0] = "sg-other" }, "InvalidConfigurationRequest", "sg-other"},
		{"internet-facing", func(in *sdk.CreateLoadBalancerInput) { in.Scheme = "internet-facing" }, "ValidationError", "does not implement internet-facing"},
		{"which is the default", func(in *sdk.CreateLoadBalancerInput) { in.Scheme = "" }, "ValidationError", "does not implement internet-facing"},
		{"type", func(in *sdk.CreateLoadBalancerInput) { in.Type = "network" }, "ValidationError", "'network'"},
		{"address type", func(in *sdk.CreateLoadBalancerInput) { in.IpAddressType = "dualstack" }, "ValidationError", "'dualstack'"},
		{"mappings", func(in *sdk.CreateLoadBalancerInput) {
			in.SubnetMappings = []types.SubnetMapping{{SubnetId: aws.String("subnet-a")}}
		}, "ValidationError", `"SubnetMappings"`},
		{"tag twice", func(in *sdk.CreateLoadBalancerInput) { in.Tags = tags("a", "1", "a", "2") }, "DuplicateTagKeys", "a"},
	} {
		t.Run(test.why, func(t *testing.T) {
			in := balancerInputs("lb")
			test.change(in)
			_, err := r.CreateLoadBalancer(t.Context(), in)
			wantError(t, err, test.code, test.text)
		})
	}
	if out, err := r.DescribeLoadBalancers(t.Context(), &sdk.DescribeLoadBalancersInput{}); err != nil || len(out.LoadBalancers) != 0 {
		t.Errorf("refused calls made %v, %v", out, err)
	}
	_, err := r.DescribeAccountLimits(t.Context(), &sdk.DescribeAccountLimitsInput{})
	wantError(t, err, "InvalidAction", "elasticloadbalancing:DescribeAccountLimits")
}

func TestGroupsThatAreRefused(t *testing.T) {
	r := newRig(t, 0)
	for _, test := range []struct {
		why    string
		change func(*sdk.CreateTargetGroupInput)
		text   string
	}{
		{"type", func(in *sdk.CreateTargetGroupInput) { in.TargetType = "ip" }, "'ip'"},
		{"protocol", func(in *sdk.CreateTargetGroupInput) { in.Protocol = "HTTPS" }, "'HTTPS'"},
		{"no network", func(in *sdk.CreateTargetGroupInput) { in.VpcId = nil }, "VPC ID must be specified"},
		{"unknown network", func(in *sdk.CreateTargetGroupInput) { in.VpcId = aws.String("vpc-x") }, "vpc-x"},
		{"interval", func(in *sdk.CreateTargetGroupInput) { in.HealthCheckIntervalSeconds = aws.Int32(4) }, "HealthCheckIntervalSeconds is 4, it must be 5 to 300"},
		{"timeout", func(in *sdk.CreateTargetGroupInput) { in.HealthCheckTimeoutSeconds = aws.Int32(10) }, "timeout '10'"},
		{"threshold", func(in *sdk.CreateTargetGroupInput) { in.HealthyThresholdCount = aws.Int32(1) }, "HealthyThresholdCount is 1"},
		{"matcher", func(in *sdk.CreateTargetGroupInput) { in.Matcher.HttpCode = aws.String("200-500") }, "matcher '200-500'"},
		{"path", func(in *sdk.CreateTargetGroupInput) { in.HealthCheckPath = aws.String("health") }, "path 'health'"},
		{"version", func(in *sdk.CreateTargetGroupInput) { in.ProtocolVersion = aws.String("GRPC") }, "'GRPC'"},
		{"port", func(in *sdk.CreateTargetGroupInput) { in.HealthCheckPort = aws.String("x") }, "port 'x'"},
	} {
		t.Run(test.why, func(t *testing.T) {
			in := groupInputs("tg")
			test.change(in)
			_, err := r.CreateTargetGroup(t.Context(), in)
			wantError(t, err, "ValidationError", test.text)
		})
	}
}

func TestListenersRulesAndAttributesThatAreRefused(t *testing.T) {
	r := newRig(t, 0)
	s := r.stack(nil)
	for _, test := range []struct {
		why        string
		change     func(*sdk.CreateRuleInput)
		code, text string
	}{
		{"field", func(in *sdk.CreateRuleInput) { in.Conditions[0].Field = aws.String("host-header") }, "ValidationError", "'host-header'"},
		{"two conditions", func(in *sdk.CreateRuleInput) { in.Conditions = append(in.Conditions, in.Conditions[0]) }, "ValidationError", "2 conditions"},
		{"values", func(in *sdk.CreateRuleInput) { in.Conditions = paths("/1", "/2", "/3", "/4", "/5", "/6") }, "ValidationError", "1 to 5 condition values"},
		{"pattern", func(in *sdk.CreateRuleInput) { in.Conditions = paths("/a b") }, "ValidationError", "'/a b'"},
		{"priority", func(in *sdk.CreateRuleInput) { in.Priority = aws.Int32(0) }, "ValidationError", "1 to 50000"},
		{"action", func(in *sdk.CreateRuleInput) { in.Actions[0].Type = "redirect" }, "ValidationError", "'redirect'"},
		{"no group", func(in *sdk.CreateRuleInput) { in.Actions[0].TargetGroupArn = aws.String(s.group + "0") }, "TargetGroupNotFound", s.group + "0"},
		{"two groups", func(in *sdk.CreateRuleInput) {
			in.Actions[0] = types.Action{Type: "forward", ForwardConfig: &types.ForwardActionConfig{TargetGroups: []types.TargetGroupTuple{{TargetGroupArn: &s.group}, {TargetGroupArn: &s.group}}}}
		}, "ValidationError", "2 target groups"},
		{"status", func(in *sdk.CreateRuleInput) {
			in.Actions = notFound()
			in.Actions[0].FixedResponseConfig.StatusCode = aws.String("301")
		}, "ValidationError", "'301'"},
		{"no listener", func(in *sdk.CreateRuleInput) { in.ListenerArn = aws.String(s.listener + "0") }, "ListenerNotFound", s.listener + "0"},
	} {
		t.Run(test.why, func(t *testing.T) {
			in := &sdk.CreateRuleInput{ListenerArn: &s.listener, Priority: aws.Int32(20), Conditions: paths("/x"), Actions: forwardTo(s.group)}
			test.change(in)
			_, err := r.CreateRule(t.Context(), in)
			wantError(t, err, test.code, test.text)
		})
	}
	_, err := r.CreateListener(t.Context(), &sdk.CreateListenerInput{LoadBalancerArn: &s.balancer, Protocol: "HTTPS", Port: aws.Int32(443), DefaultActions: notFound()})
	wantError(t, err, "ValidationError", "'HTTPS'")
	_, err = r.CreateListener(t.Context(), &sdk.CreateListenerInput{LoadBalancerArn: aws.String(s.balancer + "0"), Protocol: "HTTP", Port: aws.Int32(443), DefaultActions: notFound()})
	wantError(t, err, "LoadBalancerNotFound", s.balancer+"0")
	for key, value := range map[string]string{"slow_start.duration_seconds": "30", "stickiness.enabled": "true", attrAlgorithm: "random", attrDelay: "3601",
		"proxy_protocol_v2.enabled": "true"} {
		_, err := r.ModifyTargetGroupAttributes(t.Context(), &sdk.ModifyTargetGroupAttributesInput{TargetGroupArn: &s.group, Attributes: []types.TargetGroupAttribute{{Key: &key, Value: &value}}})
		wantError(t, err, "ValidationError", key)
	}
	_, err = r.ModifyTargetGroupAttributes(t.Context(), &sdk.ModifyTargetGroupAttributesInput{TargetGroupArn: &s.group,
		Attributes: []types.TargetGroupAttribute{{Key: aws.String(attrMitigation), Value: aws.String("on")}}})
	wantError(t, err, "InvalidConfigurationRequest", "weighted_random")
	second, err := r.CreateLoadBalancer(t.Context(), balancerInputs("lb2"))
	must(t, err)
	_, err = r.CreateListener(t.Context(), &sdk.CreateListenerInput{LoadBalancerArn: second.LoadBalancers[0].LoadBalancerArn, Protocol: "HTTP", Port: aws.Int32(listenPort), DefaultActions: forwardTo(s.group)})
	wantError(t, err, "TargetGroupAssociationLimit", s.group)
}

// A port that another program has on every address cannot be had here, while
// the load balancer is active and before.
func TestPortInUseIsNamed(t *testing.T) {
	for _, provisioning := range []time.Duration{0, time.Hour} {
		r := newRig(t, provisioning)
		b, err := r.CreateLoadBalancer(t.Context(), balancerInputs("lb"))
		must(t, err)
		taken, err := net.Listen("tcp4", *b.LoadBalancers[0].DNSName+":0")
		must(t, err)
		port := taken.Addr().(*net.TCPAddr).Port
		in := &sdk.CreateListenerInput{LoadBalancerArn: b.LoadBalancers[0].LoadBalancerArn, Protocol: "HTTP", Port: aws.Int32(int32(port)), DefaultActions: notFound()}
		_, err = r.CreateListener(t.Context(), in)
		wantError(t, err, "InvalidConfigurationRequest", fmt.Sprint(port))
		taken.Close()
		_, err = r.CreateListener(t.Context(), in)
		must(t, err)
	}
}

// The aws command, where there is one, works as it is.
func TestCommandLine(t *testing.T) {
	program, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("no aws command on this machine")
	}
	r := newRig(t, 0)
	a := r.node("i-a", "us-east-1a")
	keys := r.store.Operator()
	run := func(args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := exec.CommandContext(ctx, program, append([]string{"elbv2", "--endpoint-url", r.url, "--region", "us-east-1", "--output", "text"}, args...)...)
		c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", args[0], err, out)
		}
		return strings.TrimSpace(string(out))
	}
	balancer := run("create-load-balancer", "--name", "lb", "--scheme", "internal", "--subnets", "subnet-a", "subnet-b", "--security-groups", "sg-1", "--tags", "Key=run,Value=r1", "--query", "LoadBalancers[0].LoadBalancerArn")
	group := run("create-target-group", "--name", "tg", "--protocol", "HTTP", "--port", fmt.Sprint(listenPort), "--vpc-id", "vpc-1", "--health-check-path", "/health", "--health-check-interval-seconds", "10", "--query", "TargetGroups[0].TargetGroupArn")
	run("create-listener", "--load-balancer-arn", balancer, "--protocol", "HTTP", "--port", fmt.Sprint(listenPort), "--default-actions", "Type=forward,TargetGroupArn="+group)
	run("register-targets", "--target-group-arn", group, "--targets", "Id="+a.id)
	r.waitHealthy(group, a)
	if got := run("describe-target-health", "--target-group-arn", group, "--query", "TargetHealthDescriptions[].TargetHealth.State"); got != "healthy" {
		t.Errorf("health %q", got)
	}
	name := run("describe-load-balancers", "--names", "lb", "--query", "LoadBalancers[0].DNSName")
	if status, body := get(t, fmt.Sprintf("http://%s:%d/", name, listenPort)); status != 200 || body != "i-a" {
		t.Errorf("%d %s", status, body)
	}
	run("delete-load-balancer", "--load-balancer-arn", balancer)
	run("delete-target-group", "--target-group-arn", group)
}
