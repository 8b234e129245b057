package bench

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "renew golden files")

func TestEmptyPlanIsLab(t *testing.T) {
	got, err := ParsePlan([]byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := preset("lab")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("{} = %+v\nlab = %+v", got, want)
	}
	if proxy := got.Proxy.InstanceType; proxy == got.Clusters[0].InstanceType || proxy == got.Clusters[1].InstanceType {
		t.Errorf("the proxy is a %s, as its nodes are: it would be what is measured", proxy)
	}
}

func TestParsedPlanParsesToItself(t *testing.T) {
	for _, in := range validPlans {
		p, err := ParsePlan([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParsePlan(b)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Errorf("%s: written and read again it is %+v, %v; was %+v", in, again, err, p)
		}
	}
}

var validPlans = []string{
	`{}`,
	`{"preset": "smoke"}`,
	`{"preset": "lab-alb"}`,
	`{"targets": [{"kind": "proxy"}, {"kind": "alb"}, {"kind": "alb", "algorithm": "least_outstanding_requests"}, {"kind": "alb", "algorithm": "weighted_random"}, {"kind": "direct"}]}`,
	`{"clusters": [{"name": "arm", "instanceType": "t4g.micro", "count": 1}], "proxy": {"instanceType": "c7g.large"}}`,
	`{"preset": "smoke", "blocks": 3, "dryRun": true}`,
	`{"load": {"kind": "rate", "rate": 500, "duration": "10s"}}`,
	`{"load": {"kind": "rate", "rate": 500.5, "duration": "10s", "arrivals": "constant"}, "shards": 1}`,
	`{"load": {"kind": "closed", "concurrency": 64, "duration": "2s", "timeout": "1s"}}`,
	`{"load": {"requests": 36000}, "shards": 40}`,
	`{"targets": [{"kind": "proxy"}, {"kind": "proxy", "strategy": "p2c"}, {"kind": "direct"}]}`,
	`{"clusters": [{"name": "a", "instanceType": "c7i.large", "count": 1}], "work": {"cpu": "2ms", "sleep": "5ms", "bytes": 100, "fail": 0.01}}`,
	`{"slo": {"p99": "100ms", "errors": 0.001}, "thresholds": ["cluster2.p99 < 200ms", "cluster1/proxy/peak-ewma.rps > 10"], "ttl": "60m", "maxUSD": 0.5}`,
}

func TestBadPlansNameTheMistakeAndTheFix(t *testing.T) {
	for _, tt := range []struct {
		why, in string
		want    []string // a part of each problem, in order; nothing else is reported
	}{
		{"not JSON", `{"blocks": }`, []string{"line 1, column 12"}},
		{"cut off", `{"blocks": 3`, []string{"ends too early"}},
		{"two plans", `{} {}`, []string{"keep one JSON object"}},
		{"not an object", `[]`, []string{"it is a list: write an object"}},
		{"a member twice would lose one", `{"blocks": 2, "blocks": 3}`, []string{"blocks is written twice"}},
		{"unknown field", `{"block": 3}`, []string{"block is unknown: remove it, or use one of blocks"}},
		{"wrong case", `{"maxUsd": 3}`, []string{`maxUsd is unknown: write it as "maxUSD"`}},
		{"unknown field deep inside", `{"clusters": [{"name": "a", "instanceType": "t2.micro", "count": 1, "az": "b"}]}`, []string{"clusters[0].az is unknown"}},
		{"wrong type", `{"blocks": "five"}`, []string{`blocks is the string "five": write a whole number`}},
		{"fraction", `{"blocks": 2.5}`, []string{`blocks is the number 2.5: write a whole number`}},
		{"null", `{"load": null}`, []string{`load is null: write an object`}},
		{"no unit", `{"ttl": 60}`, []string{`ttl 60 is not a duration`}},
		{"unknown preset", `{"preset": "big"}`, []string{`preset is "big": use one of lab, lab-alb, smoke`}},
		{"no nodes", `{"clusters": [{"name": "a", "instanceType": "t2.micro", "count": 0}]}`, []string{"clusters[0].count is 0: use 1 to 40"}},
		{"no clusters", `{"clusters": []}`, []string{"clusters has 0 entries"}},
		{"same name twice", `{"clusters": [{"name": "a", "instanceType": "t2.micro", "count": 1}, {"name": "a", "instanceType": "t2.micro", "count": 1}]}`,
			[]string{`clusters[1].name is "a", as clusters[0] already is`}},
		{"the proxy's own name", `{"clusters": [{"name": "proxy", "instanceType": "t2.micro", "count": 1}]}`, []string{`clusters[0].name is "proxy"`}},
		{"unknown type", `{"proxy": {"instanceType": "t2.mikro"}}`, []string{`proxy.instanceType is "t2.mikro"`}},
		{"unknown type where no target needs it", `{"targets": [{"kind": "direct"}], "proxy": {"instanceType": "t2.mikro"}}`, []string{`proxy.instanceType is "t2.mikro"`}},
		{"bad strategy", `{"targets": [{"kind": "proxy", "strategy": "fastest"}]}`, []string{`targets[0].strategy is "fastest": use one of round-robin`}},
		{"bad algorithm", `{"targets": [{"kind": "alb", "algorithm": "fastest"}]}`, []string{`targets[0].algorithm is "fastest": use one of round_robin`}},
		{"a proxy's word for the ALB", `{"targets": [{"kind": "alb", "strategy": "p2c"}]}`, []string{`targets[0].strategy is "p2c", but an alb target has an algorithm`}},
		{"the ALB's word for a proxy", `{"targets": [{"kind": "proxy", "algorithm": "round_robin"}]}`, []string{`targets[0].algorithm is "round_robin", which only an alb target has`}},
		{"the load balancer's own name", `{"clusters": [{"name": "alb", "instanceType": "t2.micro", "count": 1}]}`, []string{`clusters[0].name is "alb"`}},
		{"strategy without balancer", `{"targets": [{"kind": "direct", "strategy": "p2c"}]}`, []string{`targets[0].strategy`}},
		{"same target twice, once by default", `{"targets": [{"kind": "proxy"}, {"kind": "proxy", "strategy": "peak-ewma"}]}`, []string{`targets[1] is proxy/peak-ewma, as targets[0]`}},
		{"more than the sockets", `{"load": {"requests": 10000}}`, []string{"load.requests is 10000, and 4 shards hold 3600 sockets (900 each): use at most 3600, or set shards to 12 or more"}},
		{"fewer than the shards", `{"load": {"requests": 3}}`, []string{"load.requests is 3, fewer than the 4 shards"}},
		{"field of another kind", `{"load": {"kind": "closed", "concurrency": 8, "duration": "1s", "rate": 5}}`, []string{"load.rate has no meaning for a closed load"}},
		{"kind without its fields", `{"load": {"kind": "rate"}}`, []string{"load.rate is 0", "load.duration is 0s"}},
		{"later kinds are named", `{"load": {"kind": "capacity"}}`, []string{"cannot search"}},
		{"too many events", `{"shards": 40, "blocks": 100}`, []string{"history events"}},
		{"thresholds", `{"thresholds": ["p99 < 5", "cluster9.p99 < 5ms", "cluster1.p42 < 5ms", "cluster1.p99 < 5"]}`,
			[]string{"thresholds[0]", `thresholds[1] names "cluster9"`, `thresholds[2] names the metric "p42"`, "thresholds[3] has the limit"}},
		{"limits that always or never hold", `{"thresholds": ["cluster1.rps > NaN", "cluster1.rps < Inf", "cluster1.errors < 5", "cluster1.p99 < -5ms"]}`,
			[]string{"thresholds[0] has the limit", "thresholds[1] has the limit", "a share of the requests, from 0 to 1", "thresholds[3] has the limit"}},
		{"an SLO of zero would mean none", `{"slo": {"p99": "0s", "errors": 0}}`, []string{"slo.errors is 0: use a small share", "slo.p99 is 0s"}},
		{"all at once", `{"blocks": 0, "shards": 0, "seed": -1, "maxUSD": 0, "ttl": "1s", "work": {"fail": 2}, "slo": {"errors": 2}, "extra": 1}`,
			[]string{"extra is unknown", "work.fail", "blocks is 0", "shards is 0", "seed is -1", "maxUSD is 0", "ttl is 1s: use 5m to 2h50m", "slo.errors"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			_, err := ParsePlan([]byte(tt.in))
			var pe *PlanError
			if !errors.As(err, &pe) {
				t.Fatalf("ParsePlan(%s) = %v, want a *PlanError", tt.in, err)
			}
			if len(pe.Problems) != len(tt.want) {
				t.Fatalf("%d problems, want %d:\n%v", len(pe.Problems), len(tt.want), err)
			}
			for i, w := range tt.want {
				if !strings.Contains(pe.Problems[i], w) {
					t.Errorf("problem %d = %q, want something with %q", i, pe.Problems[i], w)
				}
			}
		})
	}
}

func FuzzParsePlan(f *testing.F) {
	for _, p := range validPlans {
		f.Add(p)
	}
	f.Add(`{"clusters":[{"count":1e9}],"load":null}`)
	f.Fuzz(func(t *testing.T, in string) {
		p, err := ParsePlan([]byte(in))
		if err != nil {
			return
		}
		if len(p.Trials()) != p.Blocks*len(p.Arms()) || p.EstimateCost().USD <= 0 {
			t.Errorf("%s: accepted, but has %d trials and costs %v", in, len(p.Trials()), p.EstimateCost().USD)
		}
	})
}

const schemaFile = "plan.schema.json"

func TestSchema(t *testing.T) {
	if *update {
		if err := os.WriteFile(schemaFile, PlanSchema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(schemaFile)
	if err != nil || string(committed) != string(PlanSchema()) {
		t.Fatalf("%s is not what PlanSchema gives (%v): go test ./internal/bench -update", schemaFile, err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(committed)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaFile, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	valid := func(in string) error {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(in))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	for _, in := range validPlans {
		if err := valid(in); err != nil {
			t.Errorf("%s: the schema refuses what ParsePlan accepts: %v", in, err)
		}
		p, _ := ParsePlan([]byte(in))
		b, _ := json.Marshal(p)
		if err := valid(string(b)); err != nil {
			t.Errorf("%s: the schema refuses the parsed plan: %v", b, err)
		}
	}
	for _, in := range []string{
		`{"block": 3}`, `{"blocks": 0}`, `{"blocks": "x"}`, `{"ttl": 60}`, `{"clusters": []}`,
		`{"targets": [{"kind": "alb", "algorithm": "fastest"}]}`, `{"targets": [{"kind": "proxy", "strategy": "fastest"}]}`,
		`{"clusters": [{"name": "proxy", "instanceType": "t2.micro", "count": 1}]}`,
		`{"proxy": {"instanceType": "t4g.mikro"}}`, `{"work": {"fail": 2}}`, `{"load": null}`, `{"slo": {"errors": 0}}`,
	} {
		if valid(in) == nil {
			t.Errorf("%s: the schema accepts what ParsePlan refuses", in)
		}
		if _, err := ParsePlan([]byte(in)); err == nil {
			t.Errorf("%s: ParsePlan accepts it", in)
		}
	}
}
