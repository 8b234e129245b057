package report

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fairlead/fairlead/internal/bench"
)

var began = time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)

const (
	localARN = "arn:aws:states:us-east-1:000000000000:execution:Fairlead:lab-1"
	awsARN   = "arn:aws:states:eu-west-1:123456789012:execution:Fairlead:lab-1"
)

func labPlan(t testing.TB, input string) bench.Plan {
	t.Helper()
	p, err := bench.ParsePlan([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// speed is the latency, in milliseconds, of a request of an arm.
type speed func(arm bench.Arm, rng *rand.Rand) float64

// byType makes a t2.micro take twice a t2.large's time, and a strategy that
// herds have a long tail.
func byType(p bench.Plan) speed {
	slow := map[string]float64{}
	for i, c := range p.Clusters {
		slow[c.Name] = 80 / float64(i+1)
	}
	return func(a bench.Arm, rng *rand.Rand) float64 {
		v := slow[a.Cluster] * (0.4 + 1.4*rng.Float64())
		if a.Target.Strategy == "lowest-latency-probe" && rng.IntN(10) == 0 {
			v *= 1 + 6*rng.Float64()
		}
		if a.Target.Kind == bench.TargetALB {
			v += 4
		}
		return v
	}
}

// sample is a run of a plan as S3 would have it, made of random latencies.
func sample(p bench.Plan, arn string, of speed) Input {
	rng := rand.New(rand.NewPCG(1, 2))
	local := strings.Contains(arn, ":"+localAccount+":")
	in := Input{Tallies: map[string]bench.Tally{}, Logs: map[string][]byte{}, Samples: map[string][]bench.NodeSamples{}, Transitions: 400}
	in.Record = bench.RunRecord{Run: bench.RunID(arn), Execution: arn, Stack: "Fairlead", StartedAt: began, Plan: p, Groups: p.Groups(), Trials: p.Trials(), Estimate: p.EstimateCost()}
	var fleet []bench.Instance
	for _, g := range p.Groups() {
		for range g.Count {
			fleet = append(fleet, bench.Instance{ID: fmt.Sprintf("i-%017x", rng.Uint64()>>4), Group: g.Name, Role: g.Role, Type: g.InstanceType, Launched: began.Add(3 * time.Second)})
		}
	}
	arms := map[string]bench.Arm{}
	for _, a := range p.Arms() {
		arms[a.Name] = a
	}
	at := began.Add(20 * time.Second)
	for _, t := range in.Record.Trials {
		arm := arms[t.Arm]
		h := hdrhistogram.New(1, 600_000_000, 3)
		luck := math.Exp(0.04 * rng.NormFloat64())
		n := p.Load.Requests
		for range n {
			_ = h.RecordValue(int64(1000 * luck * of(arm, rng)))
		}
		took := float64(h.Max()) / 1e6
		tally := bench.Tally{Trial: t, Shards: p.Shards, ShardsDone: p.Shards, T0: at, FirstSend: at, LastSend: at.Add(9 * time.Millisecond),
			LastDone: at.Add(time.Duration(took * float64(time.Second))), Seconds: took, RPS: float64(n) / took, WorkerCPU: 0.2, BalancerCPU: 0.4,
			Counts: bench.Counts{Planned: n, Requests: n, Status: map[string]int{"200": n}, Nodes: map[string]bench.NodeCount{}, Bytes: int64(250 * n)}, Billed: bench.Duration(8 * time.Second),
			LatencyMs: bench.Latency{Mean: h.Mean() / 1000, P50: float64(h.ValueAtPercentile(50)) / 1000, P90: float64(h.ValueAtPercentile(90)) / 1000,
				P99: float64(h.ValueAtPercentile(99)) / 1000, P999: float64(h.ValueAtPercentile(99.9)) / 1000, Max: float64(h.Max()) / 1000}}
		tally.ActualMs = tally.LatencyMs
		var samples []bench.NodeSamples
		weights, sum := map[string]float64{}, 0.0
		for _, i := range fleet {
			if i.Group == arm.Cluster {
				weights[i.ID] = 0.8 + 0.4*rng.Float64()
				sum += weights[i.ID]
			}
		}
		left, nodes := n, len(weights)
		for _, i := range fleet {
			if w, ok := weights[i.ID]; ok {
				k := min(left, int(math.Round(float64(n)*w/sum)))
				if nodes--; nodes == 0 {
					k = left
				}
				left -= k
				tally.Nodes[i.ID] = bench.NodeCount{Requests: k}
			}
			s := bench.NodeSamples{Instance: i, VCPUs: 2, CPUs: 2}
			if local {
				s.CPUs = 0.375
				s.Emulation = &bench.Emulation{Architecture: bench.ArchX86, Emulator: "fairlead-local", CPULimit: "cgroup-v2", Scale: 0.1875, VCPUs: 2, CPUs: 0.375, HostCores: 2}
			}
			for sec := at.Unix() - 1; sec <= at.Unix()+2; sec++ {
				use := 0.02
				if sec == at.Unix() {
					if weights[i.ID] > 0 {
						use = 0.5 + 0.45*rng.Float64()
					} else if i.Role == bench.RoleProxy {
						use = took * (0.45 + 0.15*rng.Float64())
					}
				}
				s.Seconds = append(s.Seconds, bench.Second{T: sec, CPU: use * s.CPUs})
			}
			samples = append(samples, s)
		}
		in.Tallies[t.Key], in.Samples[t.Key] = tally, samples
		in.Logs[t.Key] = logOf(at, h)
		at = at.Add(5 * time.Second)
	}
	in.EndedAt = at.Add(10 * time.Second)
	r := bench.Receipt{Run: in.Record.Run, By: "teardown", At: at.Add(8 * time.Second), Left: []string{}, Ended: []bench.Ended{}}
	for _, i := range fleet {
		r.Ended = append(r.Ended, bench.Ended{ID: i.ID, Kind: "instance", Group: i.Group, Type: i.Type, Launched: i.Launched, Ended: at.Add(5 * time.Second)})
	}
	in.Receipt = &r
	if len(p.ALBs()) > 0 {
		balance(&in, at)
	}
	return in
}

// balance adds the record of a load balancer, and its end to the receipt.
func balance(in *Input, at time.Time) {
	const elb = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
	end := func(kind, group, id string, from time.Time) {
		in.Receipt.Ended = append(in.Receipt.Ended, bench.Ended{ID: elb + id, Kind: kind, Group: group, Launched: from, Ended: at.Add(6 * time.Second)})
	}
	created := began.Add(4 * time.Second)
	const name = "app/fl-0a1b2c3d-0123456789abcdef/50dc6c495c0c9188"
	in.Balancer = &bench.Balancer{ARN: elb + "loadbalancer/" + name, Created: created}
	end(bench.KindLoadBalancer, bench.ALBGroup, "loadbalancer/"+name, created)
	for i, algorithm := range in.Record.Plan.ALBs() {
		end(bench.KindListener, bench.ALBGroup, fmt.Sprintf("listener/%s/%d%s", name, i, algorithm[:4]), created)
		for _, c := range in.Record.Plan.Clusters {
			end(bench.KindTargetGroup, c.Name, fmt.Sprintf("targetgroup/fl-0a1b2c3d-%s%d/73e2d6bc24d8a067", c.Name, i), time.Time{})
		}
	}
	in.Receipt.Kept = []bench.Kept{{ID: "sg-0123456789abcdef0", Kind: "security-group", Reason: "it belongs to the stack"}}
	in.Record.Checks = []bench.Check{
		{What: "vCPU quota", Status: bench.CheckOK, Detail: "26 of 32 vCPUs"},
		{What: "Lambda concurrency", Status: bench.CheckUnknown, Detail: "lambda:GetAccountSettings is denied"},
	}
}

func logOf(at time.Time, h *hdrhistogram.Histogram) []byte {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, "Tag=actual,%d.000,1.000,%.3f,%s\n", at.Unix(), float64(h.Max())/1e6, b)
}

const manyArms = `{
  "clusters": [{"name": "micro", "instanceType": "t2.micro", "count": 4}, {"name": "large", "instanceType": "t2.large", "count": 4}],
  "targets": [{"kind": "proxy", "strategy": "peak-ewma"}, {"kind": "proxy", "strategy": "round-robin"}, {"kind": "proxy", "strategy": "p2c"},
    {"kind": "proxy", "strategy": "lowest-latency-probe"}, {"kind": "direct"}],
  "load": {"kind": "burst", "requests": 150}, "blocks": 5, "shards": 4, "maxUSD": 5, "thresholds": ["large.p99 < 200ms", "micro.errors <= 0"]}`

// balancers has every way in.
const balancers = `{
  "clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 4}, {"name": "cluster2", "instanceType": "t2.large", "count": 4}],
  "targets": [{"kind": "proxy"}, {"kind": "alb"}, {"kind": "alb", "algorithm": "least_outstanding_requests"}, {"kind": "alb", "algorithm": "weighted_random"}, {"kind": "direct"}],
  "load": {"kind": "burst", "requests": 300}, "blocks": 5, "shards": 4, "maxUSD": 5, "slo": {"p99": "150ms"}, "thresholds": ["cluster1/alb/round_robin.errors <= 0"]}`

// inputs are the runs that the page and the text must cope with.
func inputs(t testing.TB) map[string]func() Input {
	run := func(plan, arn string, change func(*Input)) func() Input {
		return func() Input {
			p := labPlan(t, plan)
			in := sample(p, arn, byType(p))
			if change != nil {
				change(&in)
			}
			return in
		}
	}
	return map[string]func() Input{
		"lab-local":       run(`{}`, localARN, nil),
		"lab-aws":         run(`{}`, awsARN, nil),
		"many-arms":       run(manyArms, awsARN, nil),
		"balancers-local": run(balancers, localARN, nil),
		"balancers-aws":   run(balancers, awsARN, nil),
		"lab-alb-local":   run(`{"preset": "lab-alb"}`, localARN, nil),
		"lab-alb-aws":     run(`{"preset": "lab-alb"}`, awsARN, nil),
		"smoke":           run(`{"preset": "smoke"}`, localARN, nil),
		"one-arm":         run(`{"clusters": [{"name": "web", "instanceType": "c7i.large", "count": 2}], "blocks": 1}`, awsARN, nil),
		"empty":           func() Input { return Input{} },
		"setup-failed": run(`{}`, localARN, func(in *Input) {
			in.Tallies, in.Logs, in.Samples = nil, nil, nil
			in.Failure = Failure{State: "Setup", Group: "cluster1", Error: "SetupFailed",
				Cause: `{"errorMessage":"i-0abc: exit status 1:\n  curl: (7) Failed to connect <b>&</b>","errorType":"SetupFailed"}`}.Line()
		}),
		"all-invalid": run(`{}`, localARN, func(in *Input) {
			for k, tally := range in.Tallies {
				tally.Invalid = []string{"the balancer used 97 % of its CPU, the bound is 85 %: its nodes were not what was measured"}
				in.Tallies[k] = tally
			}
		}),
		"stopped": run(`{}`, localARN, func(in *Input) {
			for _, trial := range in.Record.Trials[5:] {
				delete(in.Tallies, trial.Key)
				delete(in.Logs, trial.Key)
				delete(in.Samples, trial.Key)
			}
			in.Stopped = "stopped by the user"
		}),
		"leaked": run(`{}`, awsARN, func(in *Input) {
			in.Receipt.Left = []string{in.Receipt.Ended[0].ID}
			in.Receipt.Ended = in.Receipt.Ended[1:]
			in.Leaked = true
		}),
		"node-lost": run(`{}`, localARN, func(in *Input) {
			third := in.Record.Trials[2]
			s := in.Samples[third.Key]
			s[1].Error, s[1].Seconds = "dial tcp 127.10.0.2:8000: connection refused", nil
			tally := in.Tallies[third.Key]
			tally.Errors = 240
			tally.Failures = map[string]int{"refused": 240}
			tally.Invalid = []string{s[1].ID + " of " + s[1].Group + " is lost: connection refused"}
			in.Tallies[third.Key] = tally
		}),
	}
}
