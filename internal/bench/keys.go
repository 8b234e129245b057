package bench

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

var plainName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// RunID is the run's name in keys and tags, from the ARN of its execution
// (…:execution:<machine>:<name>). Step Functions allows characters in names
// that neither a key nor a shell should meet; such a name is replaced by its hash.
func RunID(executionARN string) string {
	name := executionARN[strings.LastIndexByte(executionARN, ':')+1:]
	if plainName.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(executionARN))
	return "run-" + hex.EncodeToString(sum[:12])
}

// RunKeys names a run's objects in the results bucket.
type RunKeys struct{ Run string }

func (k RunKeys) key(name string) string { return "runs/" + k.Run + "/" + name }

// Prefix ends in a slash.
func (k RunKeys) Prefix() string     { return k.key("") }
func (k RunKeys) Plan() string       { return k.key("plan.json") }    // RunRecord; also the run's lock
func (k RunKeys) Fleet() string      { return k.key("fleet.json") }   // Fleet
func (k RunKeys) Receipt() string    { return k.key("receipt.json") } // Receipt
func (k RunKeys) Cancelled() string  { return k.key("cancelled") }    // no launch after this exists
func (k RunKeys) Report() string     { return k.key("report.json") }  // Report
func (k RunKeys) ReportHTML() string { return k.key("report.html") }
func (k RunKeys) TrialsCSV() string  { return k.key("trials.csv") }
func (k RunKeys) NodesCSV() string   { return k.key("nodes.csv") }

// Group is the record of what Launch started for one group: a []Instance.
func (k RunKeys) Group(group string) string { return k.key("groups/" + group + ".json") }

// Balancer is the record of the load balancer that Balance created.
func (k RunKeys) Balancer() string { return k.key("balancer.json") } // Balancer

// RunLock is the key of the lock that keeps runs of one stack apart where the
// account is small.
const RunLock = "locks/run"

// Trials is the prefix of all trials.
func (k RunKeys) Trials() string { return k.key("trials/") }

// Trial names the objects of one trial; trial is a Trial.Key.
func (k RunKeys) Trial(trial string) TrialKeys {
	return TrialKeys{prefix: k.Trials() + trial + "/"}
}

// TrialKeys names a trial's objects.
type TrialKeys struct{ prefix string }

func (k TrialKeys) Prefix() string     { return k.prefix }
func (k TrialKeys) Aim() string        { return k.prefix + "aim.json" }   // Aim
func (k TrialKeys) Tally() string      { return k.prefix + "tally.json" } // Tally
func (k TrialKeys) TallyLog() string   { return k.prefix + "tally.hlog" }
func (k TrialKeys) Nodes() string      { return k.prefix + "nodes.json" } // []NodeSamples
func (k TrialKeys) Lease(n int) string { return fmt.Sprintf("%sshard-%d.lease", k.prefix, n) }
func (k TrialKeys) Shard(n int) string { return fmt.Sprintf("%sshard-%d.json", k.prefix, n) } // ShardTally
func (k TrialKeys) Log(n int) string   { return fmt.Sprintf("%sshard-%d.hlog", k.prefix, n) }
