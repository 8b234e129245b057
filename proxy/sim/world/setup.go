package world

import "github.com/fairlead/fairlead/proxy/strategy"

// Setup describes a world.
type Setup struct {
	Nodes   []Spec
	Proxies int // each with a strategy of its own; a request comes to any of them
	Stages  []Stage
	Cost    Cost // the work of a request

	Delay    float64 // of the network, one way
	Deadline float64 // after which the proxy gives a request up and the node drops it; 0: none

	// Health is how often each proxy probes each node's health, as
	// lowest-latency-probe needs it; HealthCost is the work of a probe. It is
	// small, so that it loads nobody, but it waits as any other work does.
	Health, HealthCost float64

	Prequal strategy.PrequalSettings
	Seed    uint64
}

// Stage is a time with one rate of arrivals: open loop, Poisson.
type Stage struct {
	Load  float64 // Rate as a share of the nominal capacity, for the reader
	Rate  float64 // requests/s
	Warm  float64 // what comes in this time at its beginning is not measured
	Lasts float64 // after Warm
}

// Result is what a stage has shown.
type Result struct {
	Stage
	Latencies []float64 // of the requests that arrived after Warm, unsorted; a timeout counts as the deadline
	Timeouts  int
}
