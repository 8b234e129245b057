package bench

import "time"

// DefaultPreset is what {} means: the lab of two clusters behind our proxy.
const DefaultPreset = "lab"

// Presets lists the names that a plan's "preset" may have, with a sentence each.
func Presets() []struct{ Name, About string } {
	return []struct{ Name, About string }{
		{"lab", "4 × t2.micro against 4 × t2.large behind the proxy, 1,000 requests at once per cluster, five blocks"},
		{"lab-alb", "1 × t2.micro against 1 × t2.large behind an Application Load Balancer and directly, 1,000 requests at once per cluster, five blocks"},
		{"smoke", "1 × t2.micro against 1 × t2.large behind the proxy, 60 requests at once, two blocks: seconds, to see that all works"},
	}
}

func preset(name string) (Plan, bool) {
	switch name {
	case "lab":
		return Plan{
			Preset: "lab",
			Clusters: []Cluster{
				{Name: "cluster1", InstanceType: "t2.micro", Count: 4},
				{Name: "cluster2", InstanceType: "t2.large", Count: 4},
			},
			Targets: []Target{{Kind: TargetProxy, Strategy: DefaultStrategy}},
			Load:    Load{Kind: LoadBurst, Requests: 1000, Timeout: Duration(defaultTimeout)},
			Work:    Work{CPU: Duration(time.Millisecond)},
			Proxy:   Proxy{InstanceType: "c7i.large"},
			Blocks:  5,
			Shards:  4,
			Seed:    1,
			MaxUSD:  1,
			TTL:     Duration(time.Hour),
		}, true
	case "lab-alb":
		p, _ := preset("lab")
		p.Preset = "lab-alb"
		p.Clusters[0].Count, p.Clusters[1].Count = 1, 1
		p.Targets = []Target{{Kind: TargetALB, Algorithm: DefaultAlgorithm}, {Kind: TargetDirect}}
		return p, true
	case "smoke":
		p, _ := preset("lab")
		p.Preset = "smoke"
		p.Clusters[0].Count, p.Clusters[1].Count = 1, 1
		p.Load.Requests = 60
		p.Blocks = 2
		p.Shards = 2
		p.TTL = Duration(30 * time.Minute)
		return p, true
	}
	return Plan{}, false
}

const (
	defaultTimeout  = 10 * time.Second
	defaultArrivals = "poisson"
)

// DefaultStrategy is the proxy's strategy where a plan names none.
const DefaultStrategy = "peak-ewma"

// DefaultAlgorithm is an alb target's where a plan names none, as it is ELB's own.
const DefaultAlgorithm = "round_robin"

// Algorithms are the names an alb target may have, as the target group attribute
// load_balancing.algorithm.type has them (Elastic Load Balancing, "Target group
// attributes"). weighted_random runs with anomaly mitigation on.
func Algorithms() []string {
	return []string{"round_robin", "least_outstanding_requests", "weighted_random"}
}

// Strategies are the names a proxy target may have. A test of the repository
// keeps them equal to those the proxy has.
func Strategies() []string {
	return []string{"round-robin", "weighted-round-robin", "random", "least-outstanding", "p2c", "lowest-latency-probe", "peak-ewma", "c3", "prequal"}
}
