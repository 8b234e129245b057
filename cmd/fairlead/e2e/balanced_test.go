package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// balancer is a load balancer as its APIs, and the run's record, tell of it.
type balancer struct {
	LoadBalancerArn, LoadBalancerName, DNSName, Scheme, Type, VpcID string
	State                                                           struct{ Code string }
	SecurityGroups                                                  []string
	AvailabilityZones                                               []struct{ ZoneName string }
}

type targetGroup struct {
	TargetGroupArn, TargetGroupName, Protocol, HealthCheckPath, TargetType string
	Port                                                                   int
	LoadBalancerArns                                                       []string
}

// balanced asks for everything of a load balancer while a run uses it, and of
// the account's limits and stack; then the run is stopped, and it is gone.
func (c cli) balanced(t *testing.T, s served, run string) {
	arn := s.execution(run)
	c.do(t, "stepfunctions", "start-execution", "--state-machine-arn", s.machine, "--name", run, "--input",
		`{"preset": "smoke", "clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 2}], "targets": [{"kind": "alb", "algorithm": "least_outstanding_requests"}], "blocks": 60}`)
	folder := filepath.Join(s.out, "runs", run)
	eventually(t, 60*time.Second, "the first trial", func() bool {
		found, _ := filepath.Glob(filepath.Join(folder, "trials/*/aim.json"))
		return len(found) > 0
	})
	var made struct {
		ARN, Name, DNSName string
		Listeners          []struct {
			ARN          string
			Port         int
			TargetGroups map[string]string
		}
	}
	text, err := os.ReadFile(filepath.Join(folder, "balancer.json"))
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil || len(made.Listeners) != 1 {
		t.Fatalf("balancer.json: %s, %v", text, err)
	}
	c.describesBalancer(t, made.ARN, made.Name, made.DNSName)
	c.describesTargets(t, made.ARN, made.Listeners[0].TargetGroups["cluster1"])
	c.describesRules(t, made.ARN, made.Listeners[0].ARN, made.Listeners[0].TargetGroups["cluster1"])
	c.account(t, s)

	c.do(t, "stepfunctions", "stop-execution", "--execution-arn", arn)
	receipt := filepath.Join(folder, "receipt.json")
	eventually(t, 60*time.Second, "the sweep's receipt", func() bool { return exists(receipt) })
	_, errs, code := c.try(t.Context(), "elbv2", "describe-load-balancers", "--names", made.Name)
	if code == 0 {
		t.Errorf("the load balancer is still there")
	}
	contains(t, "asking for what is gone", errs, "LoadBalancerNotFound", made.Name)
}

func (c cli) describesBalancer(t *testing.T, arn, name, host string) {
	var list struct{ LoadBalancers []balancer }
	c.into(t, &list, "elbv2", "describe-load-balancers", "--names", name)
	if len(list.LoadBalancers) != 1 {
		t.Fatalf("load balancers: %+v", list)
	}
	b := list.LoadBalancers[0]
	if b.LoadBalancerArn != arn || b.DNSName != host || b.State.Code != "active" || b.Scheme != "internal" || b.Type != "application" || len(b.AvailabilityZones) != 2 || len(b.SecurityGroups) != 1 {
		t.Errorf("the load balancer: %+v", b)
	}
	var tags struct {
		TagDescriptions []struct{ Tags []struct{ Key, Value string } }
	}
	c.into(t, &tags, "elbv2", "describe-tags", "--resource-arns", arn)
	if len(tags.TagDescriptions) != 1 || !slices.Contains(tags.TagDescriptions[0].Tags, struct{ Key, Value string }{"fairlead:stack", "fairlead"}) {
		t.Errorf("its tags: %+v", tags)
	}
	// All at once: another CLI's may be among them.
	c.into(t, &list, "elbv2", "describe-load-balancers")
	if !slices.ContainsFunc(list.LoadBalancers, func(b balancer) bool { return b.LoadBalancerArn == arn }) {
		t.Errorf("the list of all lacks it: %+v", list)
	}
}

func (c cli) describesTargets(t *testing.T, balancer, group string) {
	var groups struct{ TargetGroups []targetGroup }
	c.into(t, &groups, "elbv2", "describe-target-groups", "--load-balancer-arn", balancer)
	if len(groups.TargetGroups) != 1 {
		t.Fatalf("target groups: %+v", groups)
	}
	g := groups.TargetGroups[0]
	if g.TargetGroupArn != group || g.Port != 8000 || g.Protocol != "HTTP" || g.TargetType != "instance" || g.HealthCheckPath != "/health" || !slices.Equal(g.LoadBalancerArns, []string{balancer}) {
		t.Errorf("the target group: %+v", g)
	}
	var health struct {
		TargetHealthDescriptions []struct {
			Target       struct{ Port int }
			TargetHealth struct{ State string }
		}
	}
	c.into(t, &health, "elbv2", "describe-target-health", "--target-group-arn", group)
	if len(health.TargetHealthDescriptions) != 2 {
		t.Errorf("targets: %+v", health)
	}
	for _, d := range health.TargetHealthDescriptions {
		if d.Target.Port != 8000 || d.TargetHealth.State != "healthy" {
			t.Errorf("a target: %+v", d)
		}
	}
	attributes := c.do(t, "elbv2", "describe-target-group-attributes", "--target-group-arn", group)
	contains(t, "the target group's attributes", attributes, "least_outstanding_requests", "deregistration_delay.timeout_seconds")
}

func (c cli) describesRules(t *testing.T, balancer, listener, group string) {
	var listeners struct {
		Listeners []struct {
			ListenerArn, Protocol string
			Port                  int
		}
	}
	c.into(t, &listeners, "elbv2", "describe-listeners", "--load-balancer-arn", balancer)
	if l := listeners.Listeners; len(l) != 1 || l[0].ListenerArn != listener || l[0].Port != 8000 || l[0].Protocol != "HTTP" {
		t.Errorf("listeners: %+v", listeners)
	}
	var rules struct {
		Rules []struct {
			Priority   string
			IsDefault  bool
			Conditions []struct{ Values []string }
			Actions    []struct{ Type, TargetGroupArn string }
		}
	}
	c.into(t, &rules, "elbv2", "describe-rules", "--listener-arn", listener)
	if r := rules.Rules; len(r) != 2 || r[0].Priority != "10" || len(r[0].Actions) != 1 || r[0].Actions[0].TargetGroupArn != group || !r[1].IsDefault || r[1].Actions[0].Type != "fixed-response" {
		t.Errorf("rules: %+v", rules)
	}
}

// account asks for the stack and for the limits that Plan asks for.
func (c cli) account(t *testing.T, s served) {
	var stacks struct {
		Stacks []struct {
			StackName, StackStatus string
			Outputs                []struct{ OutputKey, OutputValue string }
		}
	}
	c.into(t, &stacks, "cloudformation", "describe-stacks", "--stack-name", "fairlead")
	if len(stacks.Stacks) != 1 || stacks.Stacks[0].StackStatus != "CREATE_COMPLETE" {
		t.Fatalf("stacks: %+v", stacks)
	}
	outputs := map[string]string{}
	for _, o := range stacks.Stacks[0].Outputs {
		outputs[o.OutputKey] = o.OutputValue
	}
	if outputs["StateMachineArn"] != s.machine || "s3://"+outputs["ResultsBucket"] != s.bucket || !strings.Contains(outputs["StartCommand"], s.machine) || outputs["ConsoleUrl"] == "" {
		t.Errorf("outputs: %v", outputs)
	}
	var quota struct {
		Quota struct {
			QuotaCode string
			Value     float64
		}
	}
	c.into(t, &quota, "service-quotas", "get-service-quota", "--service-code", "ec2", "--quota-code", "L-1216C47A")
	if quota.Quota.QuotaCode != "L-1216C47A" || quota.Quota.Value != 64 {
		t.Errorf("the vCPU quota: %+v", quota)
	}
	var settings struct {
		AccountLimit struct{ ConcurrentExecutions int }
	}
	c.into(t, &settings, "lambda", "get-account-settings")
	if settings.AccountLimit.ConcurrentExecutions != 100 {
		t.Errorf("the account's settings: %+v", settings)
	}
}
