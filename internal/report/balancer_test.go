package report

import (
	"html"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

var namesOfALB = regexp.MustCompile(`alb/(<wbr>)?(round_robin|least_outstanding_requests|weighted_random)`)

// Wherever an ALB of a local cloud is named, it is called emulated; and one of
// AWS never is.
func TestStandInsAreNamedSo(t *testing.T) {
	for _, name := range []string{"balancers-local", "lab-alb-local", "balancers-aws", "lab-alb-aws"} {
		r := Build(inputs(t)[name]())
		local := r.Environment.Kind == "local"
		page, err := HTML(r)
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{"page": string(page), "headline": r.Headline, "reason": r.Reason, "warnings": strings.Join(r.Warnings, "\n")}
		for _, c := range r.Comparisons {
			texts["sentence of "+c.A+" and "+c.B+" on "+c.Metric] = c.Sentence
		}
		for _, x := range r.Taxes {
			texts["tax of "+x.Target+" for "+x.Cluster] = x.Sentence
			if x.Emulated != (local && strings.HasPrefix(x.Target, "alb/")) {
				t.Errorf("%s: the tax of %s for %s is emulated: %v", name, x.Target, x.Cluster, x.Emulated)
			}
		}
		for what, text := range texts {
			for _, at := range namesOfALB.FindAllStringIndex(text, -1) {
				rest := text[at[1]:]
				marked := strings.HasPrefix(rest, " (emulated)") || strings.HasPrefix(rest, `&nbsp;<span class="tag">emulated</span>`)
				threshold := strings.HasPrefix(rest, ".p99") || strings.HasPrefix(rest, ".errors") // its evidence says it
				if marked != local && !threshold {
					t.Errorf("%s: the %s names an ALB as %.90q", name, what, text[at[0]:])
				}
			}
		}
		if page := string(page); local == !strings.Contains(page, "<code>b01-cluster1-alb-round_robin</code>&nbsp;<span") {
			t.Errorf("%s: the table of trials", name)
		}
		for _, th := range r.Thresholds {
			if got := strings.HasPrefix(Measured(th), "emulated, "); got != (local && strings.Contains(th.Expression, "/alb/")) {
				t.Errorf("%s: %s is %q", name, th.Expression, Measured(th))
			}
		}
		for _, width := range []int{60, 80, 140} {
			// Words of a sentence may be on two lines, a table's name and its mark not.
			table, _, _ := strings.Cut(Text(r, width, false), "What the balancer costs")
			_, table, _ = strings.Cut(table, "\n\n")
			for line := range strings.Lines(table) {
				if namesOfALB.MatchString(line) && strings.Contains(line, "(emulated)") != local {
					t.Errorf("%s, %d columns: %q", name, width, line)
				}
			}
		}
		for what, table := range map[string]string{"trials.csv": string(TrialsCSV(r)), "nodes.csv": string(NodesCSV(r))} {
			for line := range strings.Lines(table) {
				_, rest, alb := strings.Cut(line, "/alb/")
				if alb && strings.Contains(rest, ",true,") != local || !alb && strings.Contains(line, ",true,") {
					t.Errorf("%s: %s has %q", name, what, line)
				}
			}
		}
	}
}

func TestOnlyMixedPairsCarryAWarning(t *testing.T) {
	r := Build(inputs(t)["balancers-local"]())
	warned := 0
	for _, c := range r.Comparisons {
		mixed := strings.Contains(c.A, "/alb/") != strings.Contains(c.B, "/alb/")
		if mixed != (c.Warning != "") {
			t.Errorf("%s against %s: %q", c.A, c.B, c.Warning)
		}
		if mixed {
			warned++
		}
	}
	if warned == 0 || !slices.Contains(r.Warnings, nothingOfAWS) {
		t.Errorf("%d pairs, warnings %q", warned, r.Warnings)
	}
	for _, c := range Build(inputs(t)["balancers-aws"]()).Comparisons {
		if c.Warning != "" {
			t.Errorf("on AWS: %q", c.Warning)
		}
	}
}

// An ALB that is minutes old has the capacity of its first minutes.
func TestColdBalancersAreCalledCold(t *testing.T) {
	for name, want := range map[string]bool{"lab-alb-aws": true, "lab-alb-local": false, "lab-aws": false} {
		if got := strings.Contains(strings.Join(Build(inputs(t)[name]()).Warnings, "\n"), "new, cold one"); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestTaxesOfAReport(t *testing.T) {
	r := Build(inputs(t)["balancers-aws"]())
	if len(r.Taxes) != 2*4*3 {
		t.Errorf("%d taxes of two clusters through four balancers in three metrics", len(r.Taxes))
	}
	if r := Build(inputs(t)["lab-aws"]()); r.Taxes != nil {
		t.Errorf("without direct there is no tax: %+v", r.Taxes)
	}
	// The page and the text show what is sure and what is not.
	r = Build(inputs(t)["lab-alb-aws"]())
	raw, err := HTML(r)
	if err != nil {
		t.Fatal(err)
	}
	page, text := html.UnescapeString(string(raw)), Text(r, 100, false)
	for _, x := range r.Taxes {
		figure := taxFigure(x)
		if strings.HasPrefix(figure, "~ ") == x.Sure || !strings.Contains(page, ">"+figure+"<br>") || !strings.Contains(text, figure) ||
			!strings.Contains(page, taxInterval(x)) || !strings.Contains(text, taxInterval(x)) {
			t.Errorf("%+v is %q, %q", x, figure, taxInterval(x))
		}
	}
	if !strings.Contains(page, "What does the balancer cost?") || strings.Contains(text, "has the better") {
		t.Errorf("the text tells the tax twice, or the page does not:\n%s", text)
	}
}

func TestHeadlinesOfALBPlans(t *testing.T) {
	plan := func(text string) func() Input {
		return func() Input {
			p := labPlan(t, text)
			return sample(p, awsARN, byType(p))
		}
	}
	invalid := func(key string, of func() Input) func() Input {
		return func() Input {
			in := of()
			for k, tally := range in.Tallies {
				if strings.Contains(k, key) {
					tally.Invalid = []string{"late"}
					in.Tallies[k] = tally
				}
			}
			return in
		}
	}
	for _, tc := range []struct {
		why  string
		in   func() Input
		want []string
	}{
		{"the lab with an ALB asks for the average", inputs(t)["lab-alb-aws"], []string{
			"cluster2 (1 × t2.large) serves this load better than cluster1 (1 × t2.micro), both through alb/round_robin: an average response time of ",
			"The balancer adds ", " to cluster1's average and ", " to cluster2's."}},
		{"locally it is the stand-in that adds", inputs(t)["lab-alb-local"], []string{"both through alb/round_robin (emulated)", "The emulated balancer adds "}},
		{"direct is no contestant beside an ALB", inputs(t)["balancers-aws"], []string{"cluster2/proxy/peak-ewma has the lowest p99"}},
		{"one cluster", plan(`{"clusters": [{"name": "web", "instanceType": "c7i.large", "count": 2}], "targets": [{"kind": "alb"}, {"kind": "direct"}]}`),
			[]string{"web/alb/round_robin (2 × c7i.large) answered with an average response time of ", " and no errors. What the balancer adds to the average of web is within the noise."}},
		{"algorithms are named without their kind", plan(`{"clusters": [{"name": "web", "instanceType": "c7i.large", "count": 2}], "targets": [{"kind": "alb"}, {"kind": "alb", "algorithm": "weighted_random"}]}`),
			[]string{"alb/round_robin", "alb/weighted_random"}},
		{"noise does not hide the averages", func() Input {
			p := labPlan(t, `{"preset": "lab-alb"}`)
			return sample(p, awsARN, func(_ bench.Arm, rng *rand.Rand) float64 { return 80 + 20*rng.Float64() })
		}, []string{"Not certain yet: cluster1 (1 × t2.micro) has an average response time of ", " and cluster2 (1 × t2.large) one of ", ", both through alb/round_robin, and the noise hides which serves this load better (ratio "}},
		{"few blocks", plan(`{"preset": "lab-alb", "blocks": 2}`), []string{"No verdict yet: 2 blocks are too few, 5 or more are needed. So far cluster1 (1 × t2.micro) has an average response time of "}},
		{"nothing came through", invalid("-alb-", inputs(t)["lab-alb-aws"]), []string{"No answer: nothing valid was measured through a balancer."}},
		{"nothing came directly", invalid("-direct", inputs(t)["lab-alb-aws"]), []string{"both through alb/round_robin: an average response time"}},
	} {
		got := Build(tc.in()).Headline
		for _, want := range tc.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", tc.why, got, want)
			}
		}
		if tc.why == "nothing came directly" && strings.Contains(got, "adds") {
			t.Errorf("%s: %q", tc.why, got)
		}
	}
}

func TestAddedOnlyOfWhatIsSure(t *testing.T) {
	tax := func(cluster string, ms float64, sure bool, blocks int) bench.Tax {
		return bench.Tax{Cluster: cluster, Target: "alb/round_robin", Metric: "mean", Ms: ms, Sure: sure, Blocks: blocks}
	}
	other := tax("a", 1, true, 5)
	other.Target = "alb/weighted_random"
	for _, tc := range []struct {
		why   string
		taxes []bench.Tax
		want  string
	}{
		{"none", nil, ""},
		{"sure", []bench.Tax{tax("a", 1.5, true, 5), tax("b", 2, true, 5)}, " The balancer adds 1.50 ms to a's average and 2.00 ms to b's."},
		{"one saves", []bench.Tax{tax("a", 1.5, true, 5), tax("b", -2, true, 5)}, " The balancer adds 1.50 ms to a's average and takes 2.00 ms off b's."},
		{"one is open", []bench.Tax{tax("a", 1.5, true, 5), tax("b", 2, false, 5)}, " The balancer adds 1.50 ms to a's average; for b it is within the noise."},
		{"all are open", []bench.Tax{tax("a", 1.5, false, 5), tax("b", 2, false, 5)}, " What the balancer adds to the average of a and b is within the noise."},
		{"few blocks", []bench.Tax{tax("a", 1.5, false, 3)}, ""},
		{"of several balancers the table tells", []bench.Tax{tax("a", 1.5, true, 5), other}, ""},
	} {
		if got := added(bench.Report{Taxes: tc.taxes}, question{metric: "mean"}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.why, got, tc.want)
		}
	}
}

func TestCostOfTheALB(t *testing.T) {
	item := func(in Input, what string) bench.CostItem {
		var sum float64
		c := Build(in).Cost
		for _, i := range c.Items {
			sum += i.USD
		}
		if math.Abs(sum-c.USD) > 1e-9 {
			t.Errorf("the items make %v of %v", sum, c.USD)
		}
		i := slices.IndexFunc(c.Items, func(i bench.CostItem) bool { return i.What == what })
		if i < 0 {
			return bench.CostItem{}
		}
		return c.Items[i]
	}
	in := inputs(t)["lab-alb-aws"]()
	if alb := item(in, "Application Load Balancer"); alb.Quantity != 1 || alb.USD != 0.0225 {
		t.Errorf("minutes are an hour: %+v", alb)
	}
	// Ten of the twenty trials went through it, 1,000 requests each.
	if lcu := item(in, "LCU"); math.Abs(lcu.Quantity-10000.0/90000) > 1e-9 {
		t.Errorf("LCUs of what went through it: %+v", lcu)
	}
	for i, e := range in.Receipt.Ended {
		if e.Kind == bench.KindLoadBalancer {
			in.Receipt.Ended[i].Ended = e.Launched.Add(time.Hour + time.Second)
		}
	}
	if alb := item(in, "Application Load Balancer"); alb.Quantity != 2 {
		t.Errorf("an hour and a second: %+v", alb)
	}
	in.Receipt.Ended = slices.DeleteFunc(in.Receipt.Ended, func(e bench.Ended) bool { return e.Kind == bench.KindLoadBalancer })
	if alb := item(in, "Application Load Balancer"); alb.Quantity != 1 {
		t.Errorf("one that leaked costs too: %+v", alb)
	}
	in.Balancer = nil
	if alb := item(in, "Application Load Balancer"); alb.Quantity != 0 {
		t.Errorf("one that was never created is not billed: %+v", alb)
	}
	if local := item(inputs(t)["lab-alb-local"](), "Application Load Balancer"); local.Quantity != 1 {
		t.Errorf("the estimate of a local run: %+v", local)
	}
}

// By hand: what an hour of the arm costs, over what it answers in that hour.
func TestPricePerMillion(t *testing.T) {
	r := Build(inputs(t)["balancers-aws"]())
	for _, a := range r.Arms {
		nodes := 4 * 0.0116
		if a.Cluster == "cluster2" {
			nodes = 4 * 0.0928
		}
		want := nodes / 3600 / a.RPS * 1e6
		switch a.Target.Kind {
		case bench.TargetProxy:
			want += 0.08925 / 3600 / a.RPS * 1e6
		case bench.TargetALB: // an hour, and an LCU for 25 new connections a second
			want += (0.0225 + 0.008*a.RPS/25) / 3600 / a.RPS * 1e6
		}
		if math.Abs(a.USDPerMillion-want) > 1e-4*want {
			t.Errorf("%s at %.0f a second: $%v per million, want $%v", a.Name, a.RPS, a.USDPerMillion, want)
		}
	}
}

// A cluster's target groups are ended with it, and are none of its nodes.
func TestTargetGroupsAreNoNodes(t *testing.T) {
	for _, a := range Build(inputs(t)["balancers-aws"]()).Arms {
		if len(a.PerNode) != 4 || a.Fairness < 0.9 {
			t.Errorf("%s: %d nodes, evenness %v", a.Name, len(a.PerNode), a.Fairness)
		}
	}
}

// The proxy idles while others are measured, and cannot spoil that.
func TestOnlyTheProxysTrialsHaveABusyBalancer(t *testing.T) {
	in := inputs(t)["balancers-aws"]()
	for _, trial := range in.Record.Trials {
		for _, s := range in.Samples[trial.Key] {
			for i := range s.Seconds {
				if s.Role == bench.RoleProxy {
					s.Seconds[i].CPU = s.CPUs
				}
			}
		}
	}
	if w := strings.Join(Build(in).Warnings, "\n"); !strings.Contains(w, "In 10 trials of two seconds or less the balancer used more than 85 %") {
		t.Errorf("warnings: %s", w)
	}
}

func TestChecksThatAreNotOK(t *testing.T) {
	in := inputs(t)["lab-alb-aws"]()
	in.Record.Checks = append(in.Record.Checks, bench.Check{What: "t2.micro in us-east-1a", Status: bench.CheckShort, Detail: "it is not offered"})
	r := Build(in)
	if len(r.Checks) != 2 || r.Checks[0].What != "Lambda concurrency" || r.Checks[1].Status != bench.CheckShort {
		t.Errorf("%+v", r.Checks)
	}
	raw, err := HTML(r)
	if err != nil {
		t.Fatal(err)
	}
	if page := string(raw); !strings.Contains(page, "lambda:GetAccountSettings is denied") || strings.Contains(page, "26 of 32") {
		t.Error("the page must list the checks that are not ok, and no others")
	}
	if text := Text(r, 200, false); !strings.Contains(text, "Short before the start: t2.micro in us-east-1a. Not known before the start: Lambda concurrency.") {
		t.Errorf("%s", text)
	}
}

func TestWarningOfOtherArchitectures(t *testing.T) {
	const plan = `{"clusters": [{"name": "arm", "instanceType": "c7g.large", "count": 1}, {"name": "intel", "instanceType": "c7i.large", "count": 1}], "targets": [{"kind": "direct"}]}`
	for _, tc := range []struct{ why, arn, here, want string }{
		{"an x86_64 machine", localARN, bench.ArchX86, "c7g.large is arm64 on AWS; here the machine's own x86_64 programs ran, which"},
		{"an arm64 machine", localARN, bench.ArchARM, "c7i.large is x86_64 on AWS; here the machine's own arm64 programs ran, which"},
		{"a local cloud that does not tell", localARN, "", "c7g.large is arm64 on AWS; here the machine's own programs ran, which"},
		{"AWS", awsARN, "", ""},
	} {
		p := labPlan(t, plan)
		in := sample(p, tc.arn, byType(p))
		for _, samples := range in.Samples {
			for _, s := range samples {
				if s.Emulation != nil {
					s.Emulation.Architecture = tc.here
				}
			}
		}
		text := strings.Join(strings.Fields(Text(Build(in), 1000, false)), " ")
		if tc.want == "" && strings.Contains(text, "programs") || !strings.Contains(text, tc.want) {
			t.Errorf("%s: %q", tc.why, text)
		}
	}
}

func TestReceiptsInOneLine(t *testing.T) {
	end := func(kinds ...string) []bench.Ended {
		var all []bench.Ended
		for _, k := range kinds {
			all = append(all, bench.Ended{Kind: k})
		}
		return all
	}
	group := bench.Kept{ID: "sg-1", Kind: "security-group", Reason: "it belongs to the stack"}
	for _, tc := range []struct {
		why     string
		receipt *bench.Receipt
		want    string
	}{
		{"no receipt", nil, "Left running: unknown, there is no receipt."},
		{"instances alone", &bench.Receipt{By: "teardown", Ended: end("instance", "instance")}, "Left running: nothing (2 instances ended by teardown)."},
		{"all kinds, in their order", &bench.Receipt{By: "sweep", Ended: end("target-group", "listener", "instance", "load-balancer", "target-group"), Kept: []bench.Kept{group}},
			"Left running: nothing (1 instance, 1 load balancer, 1 listener and 2 target groups ended by sweep; 1 security group stays with the stack)."},
		{"a kind of tomorrow is not left out", &bench.Receipt{By: "teardown", Ended: end("instance", "elastic-ip", "elastic-ip"), Kept: []bench.Kept{group, group}},
			"Left running: nothing (1 instance and 2 elastic ips ended by teardown; 2 security groups stay with the stack)."},
		{"nothing was started", &bench.Receipt{By: "teardown"}, "Left running: nothing (nothing had to be ended)."},
		{"a leak", &bench.Receipt{By: "teardown", Left: []string{"i-1", "arn:x"}, Ended: end("instance")}, "Left running: i-1, arn:x."},
	} {
		if got := leftLine(bench.Report{Receipt: tc.receipt}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.why, got, tc.want)
		}
	}
	raw, err := HTML(Build(inputs(t)["lab-alb-aws"]()))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Nothing is left: 2 instances, 1 load balancer, 1 listener and 2 target groups ended by teardown; 1 security group stays with the stack.",
		"<code>loadbalancer/app/fl-0a1b2c3d-", "<td>target group</td>", "<code>sg-0123456789abcdef0</code>, a security group: it belongs to the stack"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// An ALB has no CPU that anybody could read: no strip, and no word of 0 %.
func TestTheALBHasNoCPU(t *testing.T) {
	for name, strips := range map[string]int{"lab-alb-aws": 2, "balancers-aws": 3} {
		r := Build(inputs(t)[name]())
		raw, err := HTML(r)
		if err != nil {
			t.Fatal(err)
		}
		if page := string(raw); len(r.CPU) != strips || !strings.Contains(page, "An ALB does not tell its CPU use") || strings.Contains(page, "Above the dashed line") != (strips == 3) {
			t.Errorf("%s: %d strips, and what the page says of them", name, len(r.CPU))
		}
	}
}
