package steps

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

func preflightOf(t *testing.T, r *region, zones []string, student bool) preflight {
	t.Helper()
	return preflight{facts: ask(t.Context(), r, zones), zones: zones, region: "us-east-1", student: student}
}

// pasted is the input with the suggestion written over it.
func pasted(t *testing.T, input string, suggestion json.RawMessage) bench.Plan {
	t.Helper()
	change := map[string]json.RawMessage{}
	if err := json.Unmarshal(suggestion, &change); err != nil {
		t.Fatalf("%s: %v", suggestion, err)
	}
	return parse(t, string(overlay([]byte(input), change)))
}

func TestSuggest(t *testing.T) {
	lab := func(micro, large int) string {
		return fmt.Sprintf(`"clusters":[{"name":"cluster1","instanceType":"t2.micro","count":%d},{"name":"cluster2","instanceType":"t2.large","count":%d}]`, micro, large)
	}
	for _, tc := range []struct {
		why, input string
		change     func(*region)
		student    bool
		want       string // "" if nothing fits
	}{
		{"nodes in proportion", `{}`, func(r *region) { r.vcpus = 13 }, false, `{` + lab(3, 3) + `}`},
		{"one of each is just what a new account's 5 vCPUs hold", `{}`, func(r *region) { r.vcpus = 5 }, false, `{` + lab(1, 1) + `}`},
		{"4 vCPUs: a proxy of another type too", `{}`, func(r *region) { r.vcpus = 4 }, false, `{` + lab(1, 1) + `,"proxy":{"instanceType":"t2.small"}}`},
		{"3 vCPUs hold nothing", `{}`, func(r *region) { r.vcpus = 3 }, false, ""},
		{"what runs is left out", `{}`, func(r *region) {
			r.vcpus, r.live = 20, running("r5.large", "t3.2xlarge")
			r.sizes = map[string]int{"r5.large": 2}
		}, false, `{` + lab(2, 2) + `}`},
		{"unequal clusters shrink alike, to one at least", `{"clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 6}, {"name": "cluster2", "instanceType": "t2.large", "count": 2}]}`,
			func(r *region) { r.vcpus = 8 }, false, `{` + lab(4, 1) + `}`},
		{"a large proxy shrinks before the nodes do", `{"proxy": {"instanceType": "c7i.2xlarge"}}`, func(r *region) { r.vcpus = 17 }, false, `{"proxy":{"instanceType":"c7i.xlarge"}}`},
		{"it shrinks as little as it must", `{"proxy": {"instanceType": "c7i.2xlarge"}}`, func(r *region) { r.vcpus = 15 }, false, `{"proxy":{"instanceType":"c7i.large"}}`},
		{"no proxy, so none is changed", `{"targets": [{"kind": "direct"}]}`, func(r *region) { r.vcpus = 11 }, false, `{` + lab(3, 3) + `}`},
		{"fewer shards", `{"shards": 20}`, func(r *region) { r.executions = 10 }, false, `{"shards":8}`},
		{"fewer shards hold fewer sockets", `{}`, func(r *region) { r.executions = 3 }, false, `{"load":{"kind":"burst","requests":900,"timeout":"10s"},"shards":1}`},
		{"not even one shard", `{}`, func(r *region) { r.executions = 2 }, false, ""},
		{"shards and nodes at once", `{}`, func(r *region) { r.executions, r.vcpus = 5, 8 }, false, `{` + lab(2, 2) + `,"shards":3}`},
		{"a type that is not offered gives way to the nearest", `{"clusters": [{"name": "a", "instanceType": "c7i.large", "count": 2}], "proxy": {"instanceType": "c6i.large"}}`,
			func(r *region) { r.only = map[string][]string{"c7i.large": nil} }, false, `{"clusters":[{"name":"a","instanceType":"c7i-flex.large","count":2}]}`},
		{"the nearest keeps the architecture", `{"clusters": [{"name": "a", "instanceType": "c7g.large", "count": 2}]}`,
			func(r *region) { r.only = map[string][]string{"c7g.large": nil} }, false, `{"clusters":[{"name":"a","instanceType":"t4g.large","count":2}]}`},
		{"nothing is offered", `{}`, func(r *region) { r.zones = nil }, false, ""},
		{"student: the lab is nine instances", `{}`, func(*region) {}, true, `{` + lab(3, 3) + `}`},
		{"student: what else runs counts", `{}`, func(r *region) { r.live = running("t2.micro", "t2.micro") }, true, `{` + lab(2, 2) + `}`},
		{"student: at most a large", `{"preset": "lab-alb", "targets": [{"kind": "proxy"}], "proxy": {"instanceType": "c7i.xlarge"}}`, func(*region) {}, true, `{"proxy":{"instanceType":"c7i.large"}}`},
		{"student: six shards", `{"preset": "smoke", "shards": 9}`, func(*region) {}, true, `{"shards":6}`},
		{"student: no room at all", `{"preset": "smoke"}`, func(r *region) { r.live = running(slices.Repeat([]string{"t2.nano"}, 6)...) }, true, ""},
	} {
		t.Run(tc.why, func(t *testing.T) {
			r := roomy()
			tc.change(r)
			f := preflightOf(t, r, nil, tc.student)
			plan := parse(t, tc.input)
			if len(shortages(f.checks(plan))) == 0 {
				t.Fatal("the plan fits as it is")
			}
			got := f.suggest([]byte(tc.input), plan)
			if string(got) != tc.want {
				t.Fatalf("got  %s\nwant %s", got, tc.want)
			}
			if got != nil {
				if lacking := shortages(f.checks(pasted(t, tc.input, got))); len(lacking) > 0 {
					t.Errorf("pasted, it does not fit: %v", lacking)
				}
			}
		})
	}
}

func TestASuggestionStaysWithinTheBudget(t *testing.T) {
	r := roomy()
	r.only = map[string][]string{} // only types far dearer than a t2.nano are left
	for _, name := range bench.InstanceTypes() {
		if !strings.HasSuffix(name, ".2xlarge") {
			r.only[name] = nil
		}
	}
	input := `{"preset": "smoke", "clusters": [{"name": "a", "instanceType": "t2.nano", "count": 4}], "targets": [{"kind": "direct"}], "blocks": 20, "maxUSD": 0.15}`
	plan := parse(t, input)
	if plan.EstimateCost().USD > plan.MaxUSD {
		t.Fatalf("$%v is above the budget as it is", plan.EstimateCost().USD)
	}
	got := preflightOf(t, r, nil, false).suggest([]byte(input), plan)
	if got == nil {
		t.Fatal("nothing fits")
	}
	if p := pasted(t, input, got); p.EstimateCost().USD > p.MaxUSD || p.Clusters[0].Count == 4 {
		t.Errorf("%s costs $%.3f", got, p.EstimateCost().USD)
	}
}

// Whatever the plan and the account: what is suggested parses, passes the same
// checks, changes something, and never asks for more.
func TestEverySuggestionFits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	types := bench.InstanceTypes()
	anyType := func() string { return types[rng.IntN(len(types))] }
	suggested := 0
	for range 600 {
		r := &region{vcpus: rng.IntN(60), executions: rng.IntN(30), zones: zonesAB, only: map[string][]string{}}
		for _, name := range types {
			if rng.IntN(4) == 0 {
				r.only[name] = zonesAB[:rng.IntN(3)]
			}
		}
		for range rng.IntN(4) {
			r.live = append(r.live, running(anyType())...)
		}
		if rng.IntN(5) == 0 {
			r.deny = map[string]error{[]string{"quota", "executions", "offered", "types", "live"}[rng.IntN(5)]: errDenied}
		}
		plan := map[string]any{
			"clusters": []bench.Cluster{{Name: "a", InstanceType: anyType(), Count: 1 + rng.IntN(12)}, {Name: "b", InstanceType: anyType(), Count: 1 + rng.IntN(12)}},
			"proxy":    bench.Proxy{InstanceType: anyType()},
			"targets":  [][]map[string]string{{{"kind": "proxy"}}, {{"kind": "direct"}}, {{"kind": "alb"}, {"kind": "proxy"}}}[rng.IntN(3)],
			"shards":   2 + rng.IntN(30),
			"maxUSD":   100,
			"load": []map[string]any{{"kind": "burst", "requests": 1800}, {"kind": "closed", "concurrency": 1500, "duration": "5s"},
				{"kind": "rate", "rate": 15000, "duration": "5s"}}[rng.IntN(3)],
		}
		raw, _ := json.Marshal(plan)
		f := preflightOf(t, r, [][]string{nil, zonesAB}[rng.IntN(2)], rng.IntN(3) == 0)
		before := parse(t, string(raw))
		if len(shortages(f.checks(before))) == 0 {
			continue
		}
		got := f.suggest(raw, before)
		if got == nil {
			continue
		}
		suggested++
		after := pasted(t, string(raw), got)
		if lacking := shortages(f.checks(after)); len(lacking) > 0 {
			t.Fatalf("%s\nwith %s lacks %v", raw, got, lacking)
		}
		if instancesIn(after) > instancesIn(before) || after.Shards > before.Shards || string(got) == "{}" {
			t.Fatalf("%s\nwith %s", raw, got)
		}
		for i, c := range after.Clusters {
			if c.Count < 1 || c.Name != before.Clusters[i].Name {
				t.Fatalf("%s\nwith %s", raw, got)
			}
		}
	}
	if suggested < 100 {
		t.Errorf("only %d suggestions: the draw is too hard", suggested)
	}
}
