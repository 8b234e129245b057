package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/bench"
)

// commanded is what a command line asks of a run.
func commanded(t *testing.T, plan string, args ...string) (o command.Run) {
	t.Helper()
	var errs bytes.Buffer
	s := command.IO{In: strings.NewReader(plan), Out: &errs, Err: &errs}
	code := command.Execute(t.Context(), append([]string{"run", "-"}, args...), s, command.Actions{Run: func(_ context.Context, r command.Run) (int, error) {
		o = r
		return command.ExitDone, nil
	}})
	if code != command.ExitDone {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	return o
}

// times are when an execution's states were entered first and left last.
type times struct{ entered, left map[string]time.Time }

func (c *scene) times() times {
	c.t.Helper()
	list, err := c.sfn.ListExecutions(c.t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &c.machine})
	if err != nil || len(list.Executions) == 0 {
		c.t.Fatalf("%d executions, %v", len(list.Executions), err)
	}
	all := times{map[string]time.Time{}, map[string]time.Time{}}
	pages := sfn.NewGetExecutionHistoryPaginator(c.sfn, &sfn.GetExecutionHistoryInput{ExecutionArn: list.Executions[0].ExecutionArn})
	for pages.HasMorePages() {
		page, err := pages.NextPage(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		for _, e := range page.Events {
			if in := e.StateEnteredEventDetails; in != nil && all.entered[*in.Name].IsZero() {
				all.entered[*in.Name] = *e.Timestamp
			}
			if out := e.StateExitedEventDetails; out != nil {
				all.left[*out.Name] = *e.Timestamp
			}
		}
	}
	return all
}

// What --delays says is waited for by the local AWS, as the functions and the
// records of the run see it.
func TestDelays(t *testing.T) {
	t.Parallel()
	o := commanded(t, tinyALB, "--delays", "boot=1s,registration=1s,alb=2s,shutdown=1s,lead=700ms")
	c := begin(t, setting{plan: tinyALB, delays: o.Delays})
	seen := make(chan struct{})
	c.when("runs/*/balancer.json", func(path string) {
		defer close(seen)
		c.provisioning(path, o.Delays.LoadBalancer)
	})
	e := c.run(t.Context(), tinyALB)
	if e.code != command.ExitDone {
		t.Fatalf("exit %d: %s; %q", e.code, e.sum.Reason, e.errs)
	}
	<-seen
	at := c.times()
	record, balancer := read[bench.RunRecord](e, "plan.json"), read[bench.Balancer](e, "balancer.json")
	if record.T0Lead != bench.Duration(o.Delays.Lead) {
		t.Errorf("plan.json has a lead of %v", record.T0Lead)
	}
	node := read[bench.Fleet](e, "fleet.json").Instances[0]
	aim := read[bench.Aim](e, "trials/"+record.Trials[0].Key+"/aim.json")
	receipt := read[bench.Receipt](e, "receipt.json")
	for _, ended := range receipt.Ended {
		if ended.Kind == bench.KindInstance && ended.Ended.Sub(at.entered["Teardown"]) < o.Delays.Shutdown {
			t.Errorf("%s ended %v after Teardown began", ended.ID, ended.Ended.Sub(at.entered["Teardown"]))
		}
	}
	const rounded = time.Second // EC2 and ELB tell whole seconds, perhaps
	for what, took := range map[string][2]time.Duration{
		"the node's set-up since its launch":   {at.left["Setup"].Sub(node.Launched), o.Delays.Boot + o.Delays.Registration},
		"the node's set-up since Launch began": {at.left["Setup"].Sub(at.entered["Launch"]), o.Delays.Boot + o.Delays.Registration},
		"the load balancer":                    {at.left["BalanceWait"].Sub(at.entered["BalanceCreate"]), o.Delays.LoadBalancer},
		"the load balancer since its creation": {at.left["BalanceWait"].Sub(balancer.Created.Add(rounded)), o.Delays.LoadBalancer - rounded},
		"the first instant of the trial":       {aim.T0.Sub(at.entered["Aim"]), o.Delays.Lead},
	} {
		if took[0] < took[1] {
			t.Errorf("%s took %v, want %v or more", what, took[0], took[1])
		}
	}
}

// provisioning looks at a load balancer that has just been created: until its
// time has come nothing listens.
func (c *scene) provisioning(path string, takes time.Duration) {
	var made bench.Balancer
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil {
		c.t.Error(err)
		return
	}
	var answer struct {
		State string `xml:"DescribeLoadBalancersResult>LoadBalancers>member>State>Code"`
	}
	c.elb("DescribeLoadBalancers", url.Values{"Names.member.1": {made.Name}}, &answer)
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(made.DNSName, strconv.Itoa(bench.ALBPort)), 100*time.Millisecond)
	if err == nil {
		conn.Close()
	}
	if late := time.Since(made.Created) >= takes; late {
		c.t.Log("it had become active before it could be looked at")
		return
	}
	if answer.State != "provisioning" || err == nil {
		c.t.Errorf("before its time it is %s, and a connection to it gives %v", answer.State, err)
	}
}
