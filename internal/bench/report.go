package bench

import (
	"math"
	"strconv"
	"time"
)

// ReportVersion is the version of report.json's schema.
const ReportVersion = 1

// Report is report.json.
type Report struct {
	Version     int          `json:"version"`
	Run         string       `json:"run"`
	Execution   string       `json:"execution"`
	Stack       string       `json:"stack"`
	Status      Status       `json:"status"`
	Reason      string       `json:"reason,omitempty"` // one line: why the run is not done
	Headline    string       `json:"headline"`         // one sentence: the answer
	Warnings    []string     `json:"warnings"`
	StartedAt   time.Time    `json:"startedAt"`
	EndedAt     time.Time    `json:"endedAt"`
	Plan        Plan         `json:"plan"`
	Environment Environment  `json:"environment"`
	Arms        []ArmResult  `json:"arms"`
	Comparisons []Comparison `json:"comparisons"`
	Taxes       []Tax        `json:"taxes,omitempty"` // of a plan that has "direct" beside balancers
	Thresholds  []Threshold  `json:"thresholds,omitempty"`
	Trials      []TrialRow   `json:"trials"`
	CPU         []CPUSeries  `json:"cpu"`
	Cost        Cost         `json:"cost"`
	Checks      []Check      `json:"checks,omitempty"` // of the account, before the start; those that are not ok
	Receipt     *Receipt     `json:"receipt"`          // null if Teardown wrote none
}

// Status is how the run ended.
type Status string

// The ends of a run.
const (
	StatusDone    Status = "done"
	StatusFailed  Status = "failed"
	StatusPartial Status = "partial" // stopped before its last trial
	StatusLeaked  Status = "leaked"
)

// Environment is where it was measured. Two environments are never compared.
type Environment struct {
	Kind      string     `json:"kind"` // "aws" or "local"
	Region    string     `json:"region"`
	Emulation *Emulation `json:"emulation,omitempty"` // of a local cloud
	Note      string     `json:"note"`                // one sentence a reader must know
}

// ArmResult is one arm over all its valid trials.
type ArmResult struct {
	Arm
	Emulated      bool        `json:"emulated,omitempty"` // its balancer is a local cloud's stand-in
	InstanceType  string      `json:"instanceType"`
	Nodes         int         `json:"nodes"`
	TrialsValid   int         `json:"trialsValid"`
	TrialsTotal   int         `json:"trialsTotal"`
	Requests      int         `json:"requests"`
	Errors        int         `json:"errors"`
	RPS           float64     `json:"rps"`       // median over trials
	LatencyMs     Latency     `json:"latencyMs"` // merged histogram of the valid trials
	Histogram     []Bucket    `json:"histogram"` // of the same, for the chart
	PerNode       []NodeShare `json:"perNode"`
	Fairness      float64     `json:"fairness"`      // Jain's index over nodes: 1 = even
	USDPerMillion float64     `json:"usdPerMillion"` // fleet and balancer at this rate; 0 = unknown
}

// Bucket is a point of a cumulative latency distribution.
type Bucket struct {
	Ms       float64 `json:"ms"`       // upper edge
	Quantile float64 `json:"quantile"` // share of requests at or below it
}

// NodeShare is one node's part of an arm.
type NodeShare struct {
	ID       string  `json:"id"`
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Share    float64 `json:"share"`
}

// Verdict is the outcome of a comparison.
type Verdict string

// The verdicts. Unsure is printed as ~.
const (
	Better Verdict = "better"
	Worse  Verdict = "worse"
	Same   Verdict = "same"
	Unsure Verdict = "unsure"
)

// Comparison judges arm A against arm B on one metric: the ratio A/B.
type Comparison struct {
	A            string  `json:"a"`
	B            string  `json:"b"`
	Metric       string  `json:"metric"`  // "p99", "p50", "mean", "rps"
	Verdict      Verdict `json:"verdict"` // of A
	Ratio        float64 `json:"ratio"`   // Hodges–Lehmann estimate of A/B
	Low          float64 `json:"low"`     // 95 % interval
	High         float64 `json:"high"`
	P            float64 `json:"p"` // Wilcoxon signed-rank, Holm-corrected
	Blocks       int     `json:"blocks"`
	BlocksNeeded int     `json:"blocksNeeded,omitempty"` // if unsure: blocks that would settle it
	Sentence     string  `json:"sentence"`
	Warning      string  `json:"warning,omitempty"` // why it says less than it seems to
}

// Tax is what a balancer costs a cluster in latency: that of the requests
// through it, minus that of those sent directly, block by block.
type Tax struct {
	Cluster  string  `json:"cluster"`
	Target   string  `json:"target"` // Target.String: "alb/round_robin"
	Emulated bool    `json:"emulated,omitempty"`
	Metric   string  `json:"metric"` // "mean", "p50", "p99"
	Ms       float64 `json:"ms"`     // Hodges–Lehmann estimate; below 0 where the balancer is the faster way
	Low      float64 `json:"low"`    // 95 % interval
	High     float64 `json:"high"`
	Blocks   int     `json:"blocks"` // with a valid trial of both
	Sure     bool    `json:"sure"`   // enough blocks, and the interval excludes 0
	Sentence string  `json:"sentence"`
}

// Threshold is one line of the plan's thresholds, judged.
type Threshold struct {
	Expression string  `json:"expression"`
	Value      float64 `json:"value"` // 0 if the arm has no valid trial
	Passed     bool    `json:"passed"`
	Note       string  `json:"note,omitempty"` // why the value alone does not decide
	Emulated   bool    `json:"emulated,omitempty"`
}

// TrialRow is one trial, as in trials.csv.
type TrialRow struct {
	Trial
	Status    string    `json:"status"` // "ok", "invalid", "failed", "skipped"
	Reasons   []string  `json:"reasons,omitempty"`
	Requests  int       `json:"requests"`
	Errors    int       `json:"errors"`
	Seconds   float64   `json:"seconds"`
	SendSpan  float64   `json:"sendSpan"` // seconds from the first to the last send
	RPS       float64   `json:"rps"`
	LatencyMs Latency   `json:"latencyMs"`
	SendLag   SendLag   `json:"sendLag"`
	WorkerCPU float64   `json:"workerCpu"`
	T0        time.Time `json:"t0"`
}

// CPUSeries is the CPU use of the balancer or of a cluster, per second.
type CPUSeries struct {
	Group  string     `json:"group"` // cluster, or "proxy"
	Points []CPUPoint `json:"points"`
}

// CPUPoint is one second: the group's mean share of its own cores, 1 = all of them.
type CPUPoint struct {
	T     float64 `json:"t"` // seconds since the run's first sample
	Share float64 `json:"share"`
	Max   float64 `json:"max"` // busiest instance
	Steal float64 `json:"steal"`
	Trial string  `json:"trial,omitempty"`
}

// Cost is itemised, in US dollars at the list prices of one day.
type Cost struct {
	USD        float64    `json:"usd"`
	Items      []CostItem `json:"items"`
	PricesFrom string     `json:"pricesFrom"` // date of the price table
	Region     string     `json:"region"`
	Note       string     `json:"note,omitempty"`
}

// CostItem is one line of a cost.
type CostItem struct {
	What     string  `json:"what"` // "4 × t2.micro"
	Quantity float64 `json:"quantity"`
	Unit     string  `json:"unit"` // "instance-second", "GB-second", "transition", …
	USD      float64 `json:"usd"`
}

// Amount is the quantity for people: "1,360 instance-seconds", "0.17 LCU-hours".
func (i CostItem) Amount() string {
	n := int(math.Round(i.Quantity))
	if i.Quantity < 10 && i.Quantity != float64(n) {
		return strconv.FormatFloat(i.Quantity, 'g', 2, 64) + " " + i.Unit + "s"
	}
	if n == 1 {
		return "1 " + i.Unit
	}
	return Grouped(n) + " " + i.Unit + "s"
}

// Grouped writes a number with its thousands apart: "12,345".
func Grouped(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
