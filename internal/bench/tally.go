package bench

import "time"

// ShardTally is trials/<trial>/shard-<n>.json: what one worker counted.
// Latencies are beside it in shard-<n>.hlog: HdrHistogram V2 logs, one
// interval a second, tagged "intended" and "actual", in microseconds.
type ShardTally struct {
	Shard  int    `json:"shard"`
	Worker string `json:"worker"` // function's log stream or request id
	Counts
	FirstSend time.Time `json:"firstSend"`
	LastSend  time.Time `json:"lastSend"`
	LastDone  time.Time `json:"lastDone"`
	SendLag   SendLag   `json:"sendLag"`
	CPU       float64   `json:"cpu"`         // worker's CPU use while it loaded, 1 = all it may use
	ClockOff  Duration  `json:"clockOffset"` // worker minus target; half the best round trip is its error
	Invalid   []string  `json:"invalid,omitempty"`
	Billed    Duration  `json:"billed"` // time the worker ran, for the cost
}

// Counts are sums, so that they merge by adding.
type Counts struct {
	Planned  int                  `json:"planned"`  // requests the load asked for
	Requests int                  `json:"requests"` // requests sent
	Errors   int                  `json:"errors"`   // of those: no answer, or status ≥ 400
	Status   map[string]int       `json:"status"`   // "200": n
	Failures map[string]int       `json:"failures"` // without an answer: "timeout", "refused", "reset", …
	Nodes    map[string]NodeCount `json:"nodes"`    // by instance id
	Bytes    int64                `json:"bytes"`
}

// NodeCount is what one node answered.
type NodeCount struct {
	Requests int `json:"requests"`
	Errors   int `json:"errors"`
}

// SendLag is how late requests left, in microseconds after their intended time.
type SendLag struct {
	P50  int64   `json:"p50"`
	P99  int64   `json:"p99"`
	Max  int64   `json:"max"`
	Late float64 `json:"late"` // share of sends more than 1 ms late
}

// Latency summarises one merged histogram, in milliseconds. Percentiles come
// from merged histograms; they are never averaged.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Tally is trials/<trial>/tally.json: the shards of one trial together.
type Tally struct {
	Trial Trial `json:"trial"`
	Counts
	Shards      int       `json:"shards"`     // that the plan asked for
	ShardsDone  int       `json:"shardsDone"` // that left a tally
	T0          time.Time `json:"t0"`
	FirstSend   time.Time `json:"firstSend"`
	LastSend    time.Time `json:"lastSend"`
	LastDone    time.Time `json:"lastDone"`
	Seconds     float64   `json:"seconds"`           // first send to last answer
	RPS         float64   `json:"rps"`               // good answers per second of that span
	LatencyMs   Latency   `json:"latencyMs"`         // from the intended send; for a burst and a closed load from the actual one
	ActualMs    Latency   `json:"actualLatencyMs"`   // from the actual send
	SendLag     SendLag   `json:"sendLag"`           // the worst shard's, but Late is of all sends
	WorkerCPU   float64   `json:"workerCpu"`         // worst shard's
	BalancerCPU float64   `json:"balancerCpu"`       // highest second's share of the proxy's cores, 0 without proxy
	Invalid     []string  `json:"invalid,omitempty"` // reasons; an invalid trial is no evidence
	Billed      Duration  `json:"billed"`            // all workers' time
}

// NodeSamples is what Observe read from one instance for one trial's span.
type NodeSamples struct {
	Instance
	VCPUs     float64    `json:"vcpus"`
	CPUs      float64    `json:"cpus"` // cores it may use; equal to VCPUs on AWS
	Emulation *Emulation `json:"emulation,omitempty"`
	Seconds   []Second   `json:"seconds"`
	Error     string     `json:"error,omitempty"` // why nothing was read: the node is lost
}

// Second is one second of one program's life.
type Second struct {
	T        int64   `json:"t"`     // Unix time
	CPU      float64 `json:"cpu"`   // CPU seconds used by the program
	Steal    float64 `json:"steal"` // share of the instance's time taken by others
	InFlight int     `json:"inFlight"`
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
}

// Emulation is what a local cloud's metadata service says of itself.
type Emulation struct {
	Emulator  string  `json:"emulator"`
	CPULimit  string  `json:"cpuLimit"` // "cgroup-v1", "cgroup-v2", "stop-cont" or "none"
	Scale     float64 `json:"scale"`    // cores given per vCPU
	VCPUs     float64 `json:"vcpus"`
	CPUs      float64 `json:"cpus"`
	HostCores int     `json:"hostCores"`

	// Architecture is that of the programs, the host's own, whatever the
	// instance's type says; empty where the local cloud does not tell.
	Architecture string `json:"architecture,omitempty"`
}
