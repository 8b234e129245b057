package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/internal/report"
)

// Runs whose plan has an Application Load Balancer.

// everyWay asks two clusters through every way in.
const everyWay = `{"preset": "smoke",
	"clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 1}, {"name": "cluster2", "instanceType": "t2.large", "count": 1}],
	"targets": [{"kind": "proxy", "strategy": "round-robin"}, {"kind": "alb"}, {"kind": "alb", "algorithm": "least_outstanding_requests"}, {"kind": "direct"}],
	"load": {"kind": "burst", "requests": 10, "timeout": "5s"}, "work": {"sleep": "300ms"}, "blocks": 2, "shards": 1}`

// tinyALB is the smallest run through a load balancer.
var tinyALB = with(tiny, `{"targets": [{"kind": "alb"}]}`)

// elb calls Elastic Load Balancing.
func (c *scene) elb(action string, parameters url.Values, into any) {
	c.t.Helper()
	c.query("elasticloadbalancing", "2015-12-01", action, parameters, into)
}

// listed is all that Elastic Load Balancing lists without being asked for one.
func (c *scene) listed() []string {
	c.t.Helper()
	var balancers, groups struct {
		Balancers []string `xml:"DescribeLoadBalancersResult>LoadBalancers>member>LoadBalancerArn"`
		Groups    []string `xml:"DescribeTargetGroupsResult>TargetGroups>member>TargetGroupArn"`
	}
	c.elb("DescribeLoadBalancers", nil, &balancers)
	c.elb("DescribeTargetGroups", nil, &groups)
	return append(balancers.Balancers, groups.Groups...)
}

// cleanOf checks a receipt that says that nothing is left: what was ended, by
// kind, and that the security group, which is the stack's, stays.
func (e ended) cleanOf(want map[string]int) {
	e.t.Helper()
	r := read[bench.Receipt](e, "receipt.json")
	have := map[string]int{}
	for _, g := range r.Ended {
		have[g.Kind]++
		if g.Launched.IsZero() || g.Ended.Before(g.Launched) {
			e.t.Errorf("%s %s lived from %v to %v", g.Kind, g.ID, g.Launched, g.Ended)
		}
	}
	if r.Left == nil || len(r.Left) > 0 || !maps.Equal(have, want) {
		e.t.Errorf("receipt: ended %v, want %v; left %v", have, want, r.Left)
	}
	if want[bench.KindLoadBalancer] > 0 && (len(r.Kept) != 1 || r.Kept[0].Kind != "security-group" || r.Kept[0].Reason == "") {
		e.t.Errorf("receipt: kept %+v, want the security group", r.Kept)
	}
}

// get asks a listener and gives the status.
func get(ctx context.Context, host string, port int, path string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, strconv.Itoa(port))+path, nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}

func TestEveryWayIn(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{plan: everyWay})
	asked := make(chan struct{})
	c.when("runs/*/fleet.json", func(path string) { // written when the load balancer is active
		defer close(asked)
		notFound(t, filepath.Dir(path))
	})
	e := c.run(t.Context(), everyWay)
	if e.code != command.ExitDone || e.errs != "" || e.sum.Status != bench.StatusDone {
		t.Fatalf("exit %d, %s: %s; %q", e.code, e.sum.Status, e.sum.Reason, e.errs)
	}
	<-asked
	e.cleanOf(map[string]int{bench.KindInstance: 3, bench.KindLoadBalancer: 1, bench.KindListener: 2, bench.KindTargetGroup: 4})
	if left := c.listed(); len(left) > 0 {
		t.Errorf("ELB lists %v", left)
	}
	conforms(t, filepath.Join(e.folder, "report.json"))
	plan := parsed(t, everyWay)
	want := []string{"plan.json", "fleet.json", "balancer.json", "report.json", "report.html", "trials.csv", "nodes.csv", "receipt.json"}
	for _, g := range plan.Groups() {
		want = append(want, "groups/"+g.Name+".json")
	}
	for _, trial := range plan.Trials() {
		for _, name := range []string{"aim.json", "tally.json", "tally.hlog", "nodes.json", "shard-0.json", "shard-0.hlog", "shard-0.lease"} {
			want = append(want, "trials/"+trial.Key+"/"+name)
		}
	}
	slices.Sort(want)
	if have := files(t, e.folder); !slices.Equal(have, want) {
		t.Errorf("the folder has\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	r := read[bench.Report](e, "report.json")
	waysAreMeasured(t, r, plan)
	labelled(t, e, r)
}

// notFound: only the clusters' paths lead to nodes.
func notFound(t *testing.T, folder string) {
	var made bench.Balancer
	text, err := os.ReadFile(filepath.Join(folder, "balancer.json"))
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil || len(made.Listeners) != 2 || made.Listeners[0].Port == made.Listeners[1].Port {
		t.Errorf("balancer.json: %s, %v", text, err)
		return
	}
	for _, l := range made.Listeners {
		for path, want := range map[string]int{"/": 404, "/cluster3": 404, "/cluster1x": 404, "/Cluster1": 404, "/health": 404, "/x/cluster1": 404} {
			if got, err := get(t.Context(), made.DNSName, l.Port, path); got != want || err != nil {
				t.Errorf("%s of the listener for %s: %d, %v, want %d", path, l.Algorithm, got, err, want)
			}
		}
	}
}

// waysAreMeasured: every arm has evidence, and each balancer its tax.
func waysAreMeasured(t *testing.T, r bench.Report, plan bench.Plan) {
	t.Helper()
	for _, row := range r.Trials {
		if row.Requests != plan.Load.Requests || row.Errors != 0 {
			t.Errorf("trial %s: %s, %d requests, %d errors: %v", row.Key, row.Status, row.Requests, row.Errors, row.Reasons)
		}
	}
	if len(r.Arms) != 8 {
		t.Fatalf("%d arms", len(r.Arms))
	}
	for _, a := range r.Arms {
		if a.Emulated != (a.Target.Kind == bench.TargetALB) {
			t.Errorf("%s: emulated %t", a.Name, a.Emulated)
		}
		if a.TrialsValid == 0 || a.LatencyMs.Mean < 300 || len(a.PerNode) != 1 || a.PerNode[0].Requests != a.Requests {
			t.Errorf("%s: %d valid trials, mean %g ms with 300 ms of sleep in it, nodes %+v", a.Name, a.TrialsValid, a.LatencyMs.Mean, a.PerNode)
		}
	}
	taxes := map[string]int{}
	for _, x := range r.Taxes {
		taxes[x.Cluster+" "+x.Target]++
		if x.Emulated != strings.HasPrefix(x.Target, "alb/") || x.Sure || x.Sentence == "" {
			t.Errorf("tax %+v: two blocks make nothing sure", x)
		}
	}
	for _, cluster := range []string{"cluster1", "cluster2"} {
		for _, way := range []string{"proxy/round-robin", "alb/round_robin", "alb/least_outstanding_requests"} {
			if taxes[cluster+" "+way] == 0 {
				t.Errorf("no tax of %s on %s: %v", way, cluster, taxes)
			}
		}
	}
	if len(taxes) != 6 {
		t.Errorf("taxes %v", taxes)
	}
	if !slices.ContainsFunc(r.Cost.Items, func(i bench.CostItem) bool { return i.Unit == "LCU-hour" && i.USD > 0 }) {
		t.Errorf("the cost has no LCUs: %+v", r.Cost.Items)
	}
}

// labelled: wherever an arm of the load balancer is shown, it is said to be emulated.
func labelled(t *testing.T, e ended, r bench.Report) {
	t.Helper()
	text := report.Text(r, 160, false)
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "alb/") && !strings.Contains(line, "emulated") {
			t.Errorf("the text does not label %q", line)
		}
	}
	html, err := os.ReadFile(filepath.Join(e.folder, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	for name, shown := range map[string]string{"the text": text, "the page": string(html)} {
		if !strings.Contains(shown, "alb/least_outstanding_requests") || !strings.Contains(shown, "emulated") {
			t.Errorf("%s does not show an emulated load balancer", name)
		}
	}
	for _, name := range []string{"trials.csv", "nodes.csv"} {
		f, err := os.Open(filepath.Join(e.folder, name))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		arm, mark := slices.Index(rows[0], "arm"), slices.Index(rows[0], "emulated")
		for _, row := range rows[1:] {
			if want := strconv.FormatBool(strings.Contains(row[arm], "/alb/")); row[mark] != want {
				t.Errorf("%s: %s is emulated: %s", name, row[arm], row[mark])
			}
		}
	}
}

// A node is lost under load behind the load balancer: its clients get errors,
// the load balancer finds out, and the run ends as failed, with everything gone.
func TestNodeIsLostBehindALoadBalancer(t *testing.T) {
	for _, tt := range []struct {
		why   string
		harm  func(*scene, string) error
		state string // as a target
	}{
		{"dies", func(c *scene, id string) error { return c.cloud.Kill(id) }, "unused Target.InvalidState"},
		{"hangs", func(_ *scene, id string) error { return freeze(id) }, "unhealthy Target.Timeout"},
	} {
		t.Run(tt.why, func(t *testing.T) {
			t.Parallel()
			plan := with(tinyALB, `{"clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 2}],
				"load": {"kind": "rate", "rate": 20, "duration": "16s", "timeout": "2s"}, "work": {"sleep": "10ms"}}`)
			c := begin(t, setting{plan: plan})
			lost, states := make(chan string, 1), make(chan []string, 1)
			c.when("runs/*/trials/*/shard-0.lease", func(lease string) {
				folder := filepath.Join(filepath.Dir(lease), "..", "..")
				victim, err := underLoad(folder)
				if err == nil {
					err = tt.harm(c, victim)
				}
				if err != nil {
					t.Error(err)
				}
				lost <- victim
				states <- c.healths(folder, victim)
			})
			e := c.run(t.Context(), plan)
			victim := <-lost
			if m := e.sum.Environment; m != nil && m.Emulation != nil && m.Emulation.CPULimit == "stop-cont" && tt.why == "hangs" {
				t.Skip("skipped: what limits the CPU here continues what the test stops")
			}
			e.fails(command.ExitFailed, victim, "of cluster1", "lost")
			e.cleanOf(map[string]int{bench.KindInstance: 2, bench.KindLoadBalancer: 1, bench.KindListener: 1, bench.KindTargetGroup: 1})
			if saw := <-states; !slices.Equal(saw, []string{"healthy", tt.state}) {
				t.Errorf("as a target it was %v", saw)
			}
			conforms(t, filepath.Join(e.folder, "report.json"))
			r := read[bench.Report](e, "report.json")
			if len(r.Trials) != 1 || r.Trials[0].Status != "invalid" || len(r.Trials[0].Reasons) == 0 || r.Trials[0].Errors == 0 {
				t.Fatalf("trials %+v", r.Trials)
			}
			// The rest went to the other node: the errors are of the time before the
			// load balancer knew.
			if row := r.Trials[0]; row.Errors > row.Requests*3/4 {
				t.Errorf("%d of %d requests failed although one node lives", row.Errors, row.Requests)
			}
			if left := c.listed(); len(left) > 0 {
				t.Errorf("ELB lists %v", left)
			}
		})
	}
}

// underLoad waits until the first node has some of the load.
func underLoad(folder string) (id string, err error) {
	var fleet bench.Fleet
	b, err := os.ReadFile(filepath.Join(folder, "fleet.json"))
	if err == nil {
		err = json.Unmarshal(b, &fleet)
	}
	if err != nil || len(fleet.Instances) == 0 {
		return "", fmt.Errorf("fleet.json: %s, %w", b, err)
	}
	return fleet.Instances[0].ID, loaded(fleet.Instances[0])
}

// freeze stops the program on a node, which keeps its port.
func freeze(id string) error {
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range folders {
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if !strings.HasPrefix(string(line), "/opt/fairlead/backend\x00") || !strings.Contains(string(environ), "/"+id+"\x00") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return err
		}
		return syscall.Kill(pid, syscall.SIGSTOP)
	}
	return fmt.Errorf("no program runs on %s", id)
}

// healths are the states of a target, each once, from now until it is not
// healthy any more.
func (c *scene) healths(folder, id string) (states []string) {
	var made bench.Balancer
	text, err := os.ReadFile(filepath.Join(folder, "balancer.json"))
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	if err != nil {
		return []string{err.Error()}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		state := c.health(made.Listeners[0].TargetGroups["cluster1"], id)
		if len(states) == 0 || states[len(states)-1] != state {
			states = append(states, state)
		}
		if state != "healthy" {
			return states
		}
		select {
		case <-ctx.Done():
			return states
		case <-tick.C:
		}
	}
}

// health is a target's state and reason.
func (c *scene) health(group, id string) string {
	var answer struct {
		Targets []struct {
			ID     string `xml:"Target>Id"`
			State  string `xml:"TargetHealth>State"`
			Reason string `xml:"TargetHealth>Reason"`
		} `xml:"DescribeTargetHealthResult>TargetHealthDescriptions>member"`
	}
	c.elb("DescribeTargetHealth", url.Values{"TargetGroupArn": {group}}, &answer)
	for _, t := range answer.Targets {
		if t.ID == id {
			return strings.TrimSpace(t.State + " " + t.Reason)
		}
	}
	return "not a target"
}

// A node that seems well to its set-up and does not answer: the load balancer
// would send it nothing, and that ends the run before its first trial.
func TestTargetsUnhealthy(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{
		plan: tinyALB, backend: `[ "$1" = -check ] && exit 0; exec sleep 600`,
		change: func(d document) { d.function("ready")["Timeout"] = 18 }, // two checks are enough
	})
	e := c.run(t.Context(), tinyALB)
	node := read[bench.Fleet](e, "fleet.json").Instances[0].ID
	e.fails(command.ExitFailed, "Ready", node+" of cluster1 for round_robin: unhealthy (Target.")
	e.cleanOf(map[string]int{bench.KindInstance: 1, bench.KindLoadBalancer: 1, bench.KindListener: 1, bench.KindTargetGroup: 1})
	if status, name := c.status(); status != types.ExecutionStatusFailed || name != "TargetsUnhealthy" {
		t.Errorf("the execution is %s with %s", status, name)
	}
	if left := c.listed(); len(left) > 0 {
		t.Errorf("ELB lists %v", left)
	}
}

// A load balancer that cannot be created: the security group that Plan was told
// of is not there. What the other branches started is ended.
func TestBalanceFails(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{plan: tinyALB, change: func(d document) {
		at(d.function("plan"), "Environment", "Variables").(map[string]any)["FAIRLEAD_BALANCER_GROUP"] = "sg-00000000000000000"
		d.function("balance")["Timeout"] = 15 // Register waits for what will not come
	}})
	e := c.run(t.Context(), tinyALB)
	e.fails(command.ExitFailed, "BalanceCreate", "sg-00000000000000000")
	e.clean(1)
	if status, name := c.status(); status != types.ExecutionStatusFailed || name != "StepFailed" {
		t.Errorf("the execution is %s with %s", status, name)
	}
	if left := c.listed(); len(left) > 0 {
		t.Errorf("ELB lists %v", left)
	}
}
