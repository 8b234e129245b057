// Package bench is the vocabulary of Fairlead, in the order of life: a Plan is
// what the user asks for; it names Clusters of nodes and Targets, the ways in;
// an Arm is a cluster through a target under a load; a Block runs every arm
// once in random order; a Trial is one arm in one block, the unit of evidence;
// a Shard is one worker's slice of a trial; a Tally is what was counted; a
// Verdict compares two arms; a Report holds it all.
//
// It imports the standard library only and does no I/O.
package bench

// Plan is what the user asks for. ParsePlan fills every default, so that a
// parsed plan says exactly what will run.
type Plan struct {
	Preset     string    `json:"preset,omitempty"`
	Clusters   []Cluster `json:"clusters"`
	Targets    []Target  `json:"targets"`
	Load       Load      `json:"load"`
	Work       Work      `json:"work"`
	Proxy      Proxy     `json:"proxy"`
	Blocks     int       `json:"blocks"`
	Shards     int       `json:"shards"`
	Seed       int64     `json:"seed"`
	SLO        SLO       `json:"slo,omitzero"`
	Thresholds []string  `json:"thresholds,omitempty"`
	MaxUSD     float64   `json:"maxUSD"`
	TTL        Duration  `json:"ttl"`
	DryRun     bool      `json:"dryRun"`
}

// Cluster is a number of equal nodes that serve one path, /name.
type Cluster struct {
	Name         string `json:"name"`
	InstanceType string `json:"instanceType"`
	Count        int    `json:"count"`
}

// TargetKind is a way in.
type TargetKind string

// The ways in.
const (
	TargetProxy  TargetKind = "proxy"
	TargetDirect TargetKind = "direct"
	TargetALB    TargetKind = "alb"
)

// Target is a way in to a cluster: the proxy with a strategy, an Application
// Load Balancer with an algorithm, or direct.
type Target struct {
	Kind      TargetKind `json:"kind"`
	Strategy  string     `json:"strategy,omitempty"`  // proxy only
	Algorithm string     `json:"algorithm,omitempty"` // alb only
}

// String is the target's part of an arm's name: "proxy/peak-ewma",
// "alb/round_robin", "direct".
func (t Target) String() string {
	switch {
	case t.Strategy != "":
		return string(t.Kind) + "/" + t.Strategy
	case t.Algorithm != "":
		return string(t.Kind) + "/" + t.Algorithm
	}
	return string(t.Kind)
}

// LoadKind says how requests arrive.
type LoadKind string

// The kinds of load.
const (
	LoadBurst  LoadKind = "burst"  // Requests at once
	LoadRate   LoadKind = "rate"   // open loop: Rate for Duration, whatever the answers do
	LoadClosed LoadKind = "closed" // Concurrency requests in flight for Duration
)

// Load is what one trial sends, over all shards together.
type Load struct {
	Kind        LoadKind `json:"kind"`
	Requests    int      `json:"requests,omitempty"`    // burst
	Rate        float64  `json:"rate,omitempty"`        // rate: requests per second
	Arrivals    string   `json:"arrivals,omitempty"`    // rate: "poisson" (default) or "constant"
	Concurrency int      `json:"concurrency,omitempty"` // closed
	Duration    Duration `json:"duration,omitzero"`     // rate and closed
	Timeout     Duration `json:"timeout,omitzero"`      // of one request, default 10s
}

// Work is what each request asks of a node.
type Work struct {
	CPU   Duration `json:"cpu,omitzero"`   // nominal: a fixed number of iterations per millisecond
	Sleep Duration `json:"sleep,omitzero"` // waiting without CPU
	Bytes int      `json:"bytes,omitempty"`
	Fail  float64  `json:"fail,omitempty"` // share of requests answered 500
}

// Proxy is the balancer's own instance.
type Proxy struct {
	InstanceType string `json:"instanceType"`
}

// SLO is the service level that thresholds and capacity refer to.
type SLO struct {
	P99    Duration `json:"p99,omitzero"`
	Errors float64  `json:"errors,omitempty"` // highest share of failed requests
}
