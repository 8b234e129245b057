package bench

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Limits of a plan, each with its reason where it is used.
const (
	maxClusters      = 8
	maxNodes         = 40 // of one cluster
	maxBlocks        = 100
	maxTrials        = 800
	maxShards        = 1000
	socketsPerShard  = 900 // a Lambda function has 1,024 file descriptors
	maxRatePerShard  = 10000.0
	maxTrialDuration = 10 * time.Minute // a function lives 15 minutes, lead and upload included
	minTTL           = 5 * time.Minute
	maxTTL           = 170 * time.Minute // the state machine itself ends after three hours
	historyLimit     = 25000             // events of a Step Functions execution
	maxWorkCPU       = time.Second       // as the backend's own default limits
	maxWorkSleep     = 10 * time.Second
	maxWorkBytes     = 10 << 20
)

var clusterName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,23}$`)

// reserved names are groups or paths of the system's own.
var reserved = []string{ProxyGroup, ALBGroup, "health"}

// check reports every value that cannot run, with what would be right.
func (p Plan) check(report func(path, problem string)) {
	bad := func(path, format string, args ...any) { report(path, fmt.Sprintf(format, args...)) }
	p.checkClusters(bad)
	p.checkTargets(bad)
	p.checkLoad(bad)
	p.checkWork(bad)

	if p.Blocks < 1 || p.Blocks > maxBlocks {
		bad("blocks", "is %d: use 1 to %d; a verdict needs 5 or more", p.Blocks, maxBlocks)
	}
	if p.Shards < 1 || p.Shards > maxShards {
		bad("shards", "is %d: use 1 to %d", p.Shards, maxShards)
	}
	if p.Seed < 0 {
		bad("seed", "is %d: use 0 or a positive number", p.Seed)
	}
	if p.MaxUSD <= 0 || p.MaxUSD > 1000 {
		bad("maxUSD", "is %g: use more than 0 and at most 1000; the run is refused if it would cost more", p.MaxUSD)
	}
	if ttl := time.Duration(p.TTL); ttl < minTTL || ttl > maxTTL {
		bad("ttl", "is %v: use %v to %v, the time after which the fleet ends by itself", p.TTL, short(minTTL), short(maxTTL))
	}
	if p.SLO.P99 < 0 {
		bad("slo.p99", "is %v: use a positive duration", p.SLO.P99)
	}
	if p.SLO.Errors < 0 || p.SLO.Errors > 1 {
		bad("slo.errors", "is %g: use a share from 0 to 1", p.SLO.Errors)
	}
	for i, t := range p.Thresholds {
		if _, err := p.threshold(t); err != nil {
			bad(fmt.Sprintf("thresholds[%d]", i), "%v", err)
		}
	}
	if trials := p.Blocks * len(p.Clusters) * len(p.Targets); trials > maxTrials {
		bad("blocks", "× clusters × targets gives %d trials: at most %d; use fewer blocks", trials, maxTrials)
	} else if n := p.Events(); n > historyLimit {
		bad("blocks", "and shards would write about %d history events, and an execution holds %d: use fewer blocks, or over 40 shards, which keep histories of their own", n, historyLimit)
	}
}

func (p Plan) checkClusters(bad func(string, string, ...any)) {
	if len(p.Clusters) == 0 || len(p.Clusters) > maxClusters {
		bad("clusters", "has %d entries: name 1 to %d clusters", len(p.Clusters), maxClusters)
	}
	seen := map[string]int{}
	for i, c := range p.Clusters {
		at := fmt.Sprintf("clusters[%d]", i)
		first, twice := seen[c.Name]
		switch {
		case !clusterName.MatchString(c.Name):
			bad(at+".name", "is %q: use 1 to 24 lower-case letters, digits and hyphens, a letter first", c.Name)
		case slices.Contains(reserved, c.Name):
			bad(at+".name", "is %q, which the system uses itself: choose another", c.Name)
		case twice:
			bad(at+".name", "is %q, as clusters[%d] already is: names must differ", c.Name, first)
		}
		if !twice {
			seen[c.Name] = i
		}
		if c.Count < 1 || c.Count > maxNodes {
			bad(at+".count", "is %d: use 1 to %d nodes", c.Count, maxNodes)
		}
		checkType(at+".instanceType", c.InstanceType, bad)
	}
}

func (p Plan) checkTargets(bad func(string, string, ...any)) {
	if len(p.Targets) == 0 {
		bad("targets", "is empty: name at least one, such as {\"kind\": \"proxy\"}")
	}
	seen := map[string]int{}
	proxied := false
	for i, t := range p.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		if t.Strategy != "" && t.Kind == TargetALB {
			bad(at+".strategy", "is %q, but an alb target has an algorithm: remove it, or write \"algorithm\": one of %s", t.Strategy, strings.Join(Algorithms(), ", "))
			t.Strategy = ""
		}
		if t.Algorithm != "" && (t.Kind == TargetProxy || t.Kind == TargetDirect) {
			bad(at+".algorithm", "is %q, which only an alb target has: remove it, or use \"kind\": \"alb\"", t.Algorithm)
			t.Algorithm = ""
		}
		switch t.Kind {
		case TargetProxy:
			proxied = true
			if t.Strategy == "" {
				t.Strategy = DefaultStrategy
			}
			if !slices.Contains(Strategies(), t.Strategy) {
				bad(at+".strategy", "is %q: use one of %s", t.Strategy, strings.Join(Strategies(), ", "))
			}
		case TargetDirect:
			if t.Strategy != "" {
				bad(at+".strategy", "is %q, but a direct target has no balancer: remove it", t.Strategy)
			}
		case TargetALB:
			if t.Algorithm == "" {
				t.Algorithm = DefaultAlgorithm
			}
			if !slices.Contains(Algorithms(), t.Algorithm) {
				bad(at+".algorithm", "is %q: use one of %s", t.Algorithm, strings.Join(Algorithms(), ", "))
			}
		default:
			bad(at+".kind", "is %q: use \"proxy\", \"alb\" or \"direct\"", t.Kind)
		}
		if first, twice := seen[t.String()]; twice {
			bad(at, "is %s, as targets[%d] already is: targets must differ", t, first)
		} else {
			seen[t.String()] = i
		}
	}
	if proxied || p.Proxy.InstanceType != "" { // a mistake is one even where it is not used
		checkType("proxy.instanceType", p.Proxy.InstanceType, bad)
	}
}

func checkType(path, name string, bad func(string, string, ...any)) {
	_, ok := instanceTypes[name]
	switch {
	case name == "":
		bad(path, "is missing: write one such as t3.micro; fairlead plan --schema lists them")
	case !ok:
		bad(path, "is %q, whose size and price are not known here: use one of %s", name, strings.Join(InstanceTypes(), ", "))
	}
}

func (p Plan) checkLoad(bad func(string, string, ...any)) {
	l := p.Load
	needs := map[LoadKind][]string{
		LoadBurst:  {"requests"},
		LoadRate:   {"rate", "arrivals", "duration"},
		LoadClosed: {"concurrency", "duration"},
	}
	used, known := needs[l.Kind]
	if !known {
		switch l.Kind {
		case "":
			bad("load.kind", "is missing: use \"burst\", \"rate\" or \"closed\"")
		case "capacity":
			bad("load.kind", "is \"capacity\", which this version cannot search: use \"burst\", \"rate\" or \"closed\"")
		default:
			bad("load.kind", "is %q: use \"burst\", \"rate\" or \"closed\"", l.Kind)
		}
		return
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"requests", l.Requests != 0}, {"rate", l.Rate != 0}, {"arrivals", l.Arrivals != ""},
		{"concurrency", l.Concurrency != 0}, {"duration", l.Duration != 0},
	} {
		if f.set && !slices.Contains(used, f.name) {
			bad("load."+f.name, "has no meaning for a %s load: remove it, or change load.kind", l.Kind)
		}
	}
	if t := time.Duration(l.Timeout); t < 10*time.Millisecond || t > time.Minute {
		bad("load.timeout", "is %v: use 10ms to 60s", l.Timeout)
	}
	shards := p.Shards
	if shards < 1 || shards > maxShards {
		shards = maxShards // reported on its own; the load is then judged by what could be
	}
	sockets := func(field string, n int) {
		switch {
		case n < 1:
			bad("load."+field, "is %d: use 1 or more", n)
		case n > shards*socketsPerShard:
			bad("load."+field, "is %d, and %d shards hold %d sockets (%d each): use at most %d, or set shards to %d or more",
				n, shards, shards*socketsPerShard, socketsPerShard, shards*socketsPerShard, (n+socketsPerShard-1)/socketsPerShard)
		case n < p.Shards && p.Shards <= maxShards:
			bad("load."+field, "is %d, fewer than the %d shards: use more, or fewer shards", n, p.Shards)
		}
	}
	switch l.Kind {
	case LoadBurst:
		sockets("requests", l.Requests)
	case LoadClosed:
		sockets("concurrency", l.Concurrency)
	case LoadRate:
		if l.Rate <= 0 || l.Rate > maxRatePerShard*float64(shards) {
			bad("load.rate", "is %g: use more than 0 and at most %g requests per second (%g for each of %d shards)", l.Rate, maxRatePerShard*float64(shards), maxRatePerShard, shards)
		}
		if l.Arrivals != "" && l.Arrivals != "poisson" && l.Arrivals != "constant" {
			bad("load.arrivals", "is %q: use \"poisson\" or \"constant\"", l.Arrivals)
		}
	}
	if l.Kind != LoadBurst {
		if d := time.Duration(l.Duration); d < 100*time.Millisecond || d > maxTrialDuration {
			bad("load.duration", "is %v: use 100ms to %v", l.Duration, short(maxTrialDuration))
		}
	}
}

// Within is the load, or as much of it as so many shards can send.
func (l Load) Within(shards int) Load {
	l.Requests = min(l.Requests, shards*socketsPerShard)
	l.Concurrency = min(l.Concurrency, shards*socketsPerShard)
	l.Rate = min(l.Rate, maxRatePerShard*float64(shards))
	return l
}

func (p Plan) checkWork(bad func(string, string, ...any)) {
	w := p.Work
	if w.CPU < 0 || time.Duration(w.CPU) > maxWorkCPU {
		bad("work.cpu", "is %v: use 0s to %v", w.CPU, maxWorkCPU)
	}
	if w.Sleep < 0 || time.Duration(w.Sleep) > maxWorkSleep {
		bad("work.sleep", "is %v: use 0s to %v", w.Sleep, maxWorkSleep)
	}
	if w.Bytes < 0 || w.Bytes > maxWorkBytes {
		bad("work.bytes", "is %d: use 0 to %d", w.Bytes, maxWorkBytes)
	}
	if !(w.Fail >= 0 && w.Fail <= 1) {
		bad("work.fail", "is %g: use a share from 0 to 1", w.Fail)
	}
}

// Events estimates the most that an execution writes into its history, short of
// errors that last: a trial about 30 events, a step that is tried again
// included, and each inline shard 9, as if it were lost (7 if not); a cluster
// under 30, and the rest of a run under 200. The test of workflows measures it.
func (p Plan) Events() int {
	perTrial := 30
	if p.Shards <= InlineShards {
		perTrial += 9 * p.Shards
	}
	return 200 + 30*len(p.Clusters) + p.Blocks*len(p.Clusters)*len(p.Targets)*perTrial
}

// InlineShards is the most shards that run in an inline Map, Step Functions'
// limit of its concurrency; more go to a distributed one.
const InlineShards = 40

func short(d time.Duration) string {
	s := d.String()
	s = strings.TrimSuffix(s, "0s")
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
