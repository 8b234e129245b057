package steps

import (
	"bytes"
	"cmp"
	"encoding/json"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// suggest gives the fields of the smallest change that makes the plan fit, to be
// written over the input's fields of the same names; nil if nothing tried does.
// What it gives has passed the checks itself, as a whole plan.
func (f preflight) suggest(input json.RawMessage, plan bench.Plan) json.RawMessage {
	for smaller := range f.smaller(plan) {
		change := difference(plan, smaller)
		if len(change) == 0 {
			continue // the plan itself, which does not fit
		}
		if whole, err := bench.ParsePlan(overlay(input, change)); err == nil && f.fits(whole) {
			raw, err := json.Marshal(change)
			if err == nil {
				return raw
			}
		}
	}
	return nil
}

func (f preflight) fits(p bench.Plan) bool {
	return len(shortages(f.checks(p))) == 0 && p.EstimateCost().USD <= p.MaxUSD
}

// smaller gives plans in the order of how little they change. Types that cannot
// be had and shards that are too many must change in any case. Beyond that the
// nodes are what is measured: the proxy shrinks within its family first, then
// every cluster in the same proportion, and only then the proxy becomes another type.
func (f preflight) smaller(p bench.Plan) iter.Seq[bench.Plan] {
	return func(yield func(bench.Plan) bool) {
		base, ok := f.available(f.fewerShards(p))
		if !ok {
			return
		}
		most := 0
		for _, c := range base.Clusters {
			most = max(most, c.Count)
		}
		near, far := f.proxies(base)
		for _, proxies := range [][]string{near, far} {
			for nodes := most; nodes >= 1; nodes-- {
				for _, proxy := range proxies {
					if !yield(scaled(base, nodes, most, proxy)) {
						return
					}
				}
			}
		}
	}
}

// scaled has nodes in the largest cluster and as many in proportion in the others.
func scaled(p bench.Plan, nodes, most int, proxy string) bench.Plan {
	p.Proxy.InstanceType = proxy
	p.Clusters = slices.Clone(p.Clusters)
	for i := range p.Clusters {
		p.Clusters[i].Count = max(1, p.Clusters[i].Count*nodes/most)
	}
	return p
}

// fewerShards has as many shards as may run at once, and no more load than they
// can hold.
func (f preflight) fewerShards(p bench.Plan) bench.Plan {
	most := p.Shards
	if f.concurrency.err == nil {
		most = min(most, f.concurrency.value-controlFunctions)
	}
	if f.student {
		most = min(most, studentShards)
	}
	if most < p.Shards && most >= 1 {
		p.Shards = most
		p.Load = p.Load.Within(most)
	}
	return p
}

// available replaces types that cannot be launched by the nearest that can, the
// same for the same type; not ok if there is none.
func (f preflight) available(p bench.Plan) (bench.Plan, bool) {
	p.Clusters = slices.Clone(p.Clusters)
	used := []*string{&p.Proxy.InstanceType}
	for i := range p.Clusters {
		used = append(used, &p.Clusters[i].InstanceType)
	}
	launched := typesOf(p)
	for _, t := range used {
		if f.launchable(*t) || !slices.Contains(launched, *t) {
			continue
		}
		others := f.nearest(*t)
		if len(others) == 0 {
			return p, false
		}
		*t = others[0]
	}
	return p, true
}

func (f preflight) launchable(instanceType string) bool {
	if f.student && !studentSize(instanceType) {
		return false
	}
	return f.offered.err != nil || len(f.offered.value[instanceType]) > 0
}

// nearest lists launchable types of the same architecture, the most alike first:
// by vCPUs, by credits or none, by name ("c7i-flex" is nearer to "c7i" than "c5"
// is), by price.
func (f preflight) nearest(instanceType string) []string {
	want, _ := bench.TypeOf(instanceType)
	var types []string
	for _, name := range bench.InstanceTypes() {
		if t, _ := bench.TypeOf(name); t.Arm == want.Arm && f.launchable(name) {
			types = append(types, name)
		}
	}
	unlike := func(same bool) int {
		if same {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(types, func(a, b string) int {
		x, _ := bench.TypeOf(a)
		y, _ := bench.TypeOf(b)
		return cmp.Or(
			cmp.Compare(math.Abs(float64(x.VCPUs-want.VCPUs)), math.Abs(float64(y.VCPUs-want.VCPUs))),
			cmp.Compare(unlike(x.Burstable == want.Burstable), unlike(y.Burstable == want.Burstable)),
			cmp.Compare(inCommon(b, instanceType), inCommon(a, instanceType)),
			cmp.Compare(math.Abs(x.USD-want.USD), math.Abs(y.USD-want.USD)),
		)
	})
	return types
}

// inCommon is how far the families' names agree; all of it for one family.
func inCommon(a, b string) int {
	a, b = family(a)+".", family(b)+"."
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func family(instanceType string) string {
	f, _, _ := strings.Cut(instanceType, ".")
	return f
}

// proxies lists the types that the proxy may shrink to: near, its own and smaller
// ones of its family; far, the largest first, others that are smaller still.
func (f preflight) proxies(p bench.Plan) (near, far []string) {
	own := p.Proxy.InstanceType
	near = []string{own}
	if !slices.ContainsFunc(p.Targets, func(t bench.Target) bool { return t.Kind == bench.TargetProxy }) {
		return near, nil // it is not launched
	}
	least := f.vcpus(own)
	alike := f.nearest(own)
	slices.SortStableFunc(alike, func(a, b string) int { return cmp.Compare(f.vcpus(b), f.vcpus(a)) })
	for _, t := range alike {
		if family(t) == family(own) && f.vcpus(t) < least {
			near = append(near, t)
			least = f.vcpus(t)
		}
	}
	for _, t := range alike {
		if f.vcpus(t) < least {
			far = append(far, t)
		}
	}
	return near, far
}

// difference holds the plan's fields that differ, whole.
func difference(from, to bench.Plan) map[string]json.RawMessage {
	change := map[string]json.RawMessage{}
	for name, v := range map[string][2]any{
		"clusters": {from.Clusters, to.Clusters},
		"proxy":    {from.Proxy, to.Proxy},
		"shards":   {from.Shards, to.Shards},
		"load":     {from.Load, to.Load},
	} {
		before, err1 := json.Marshal(v[0])
		after, err2 := json.Marshal(v[1])
		if err1 == nil && err2 == nil && !bytes.Equal(before, after) {
			change[name] = after
		}
	}
	return change
}

// overlay writes the change over an input that has been parsed as a plan.
func overlay(input json.RawMessage, change map[string]json.RawMessage) []byte {
	whole := map[string]json.RawMessage{}
	if json.Unmarshal(input, &whole) != nil {
		return nil
	}
	for name, value := range change {
		whole[name] = value
	}
	raw, err := json.Marshal(whole)
	if err != nil {
		return nil
	}
	return raw
}
