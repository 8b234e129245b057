// Package strategy decides which node of a cluster gets the next request.
//
// A strategy is a pure decision: it does no I/O, reads no clock and draws no
// randomness but what it is given, so that the same seed and the same events
// give the same choices, in the proxy, in a test and in a simulation alike.
package strategy

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Node is what a strategy may know of a node at the moment of a decision.
type Node struct {
	ID       string
	Weight   float64       // capacity relative to the other nodes; 1 unless told otherwise, never 0; includes Ramp
	Ramp     float64       // in slow start the share of its usual traffic that a node gets, above 0 and below 1; 0: it is not in slow start
	InFlight int           // requests that this proxy has sent to the node and has no answer to yet
	Probed   time.Duration // latency of the last health probe that passed; 0: none has
}

// Result is how a request to a node ended.
type Result int

// The results. Abandoned is a request that the client gave up: it tells that
// the node needed longer than that, and nothing more.
const (
	Success Result = iota
	Failure        // 5xx, 429, connection error or timeout
	Abandoned
)

// Outcome is the end of one request to one node.
type Outcome struct {
	Node    string        // its ID
	Latency time.Duration // from the choice of the node to the end of its answer
	Result  Result
	Load    Load // what the node said of itself in its answer, if anything
}

// Strategy chooses nodes for one cluster. It need not be safe for concurrent
// use: its owner makes one call at a time. now never goes back.
type Strategy interface {
	// Pick gives the index in nodes of the one to send the next request to.
	// nodes is never empty, holds only nodes that may be used, is valid only
	// during the call and must not be changed. Its order is stable as long as
	// its members are.
	Pick(now time.Time, nodes []Node) int

	// Done tells how a request that Pick placed has ended. The node may have
	// left in the meantime.
	Done(now time.Time, o Outcome)
}

// Options is what a strategy is made of besides its rule.
type Options struct {
	Rand *rand.Rand

	// Penalty is the latency that a failure counts as, max(5 s, request
	// timeout), so that a node that fails fast attracts nothing.
	Penalty time.Duration

	// Peers is how many proxies share the nodes, this one included; 0 is 1.
	// Only c3 asks, to guess what the others have sent meanwhile.
	Peers int

	Prequal PrequalSettings // the zero value is the rule as published
}

// Default is the name of the strategy to use unless told otherwise.
const Default = "peak-ewma"

// rules is the table of all strategies.
func rules() map[string]func(Options) Strategy {
	return map[string]func(Options) Strategy{
		"round-robin":          func(o Options) Strategy { return &roundRobin{rand: o.Rand} },
		"weighted-round-robin": func(Options) Strategy { return &weightedRoundRobin{newBook[float64]()} },
		"random":               func(o Options) Strategy { return random{o.Rand} },
		"least-outstanding":    func(o Options) Strategy { return leastOutstanding{o.Rand} },
		"p2c":                  func(o Options) Strategy { return twoChoices{o.Rand} },
		"lowest-latency-probe": func(o Options) Strategy { return lowestProbe{o.Rand} },
		"peak-ewma":            func(o Options) Strategy { return newPeakEWMA(o) },
		"c3":                   func(o Options) Strategy { return newC3(o) },
		"prequal":              func(o Options) Strategy { return newPrequal(o) },
	}
}

// Names gives the names that New accepts, sorted.
func Names() []string {
	return slices.Sorted(maps.Keys(rules()))
}

// UnknownError names a strategy that does not exist.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("unknown strategy %q: use one of %s", e.Name, strings.Join(Names(), ", "))
}

// New makes a strategy without history. Its error is *UnknownError.
func New(name string, o Options) (Strategy, error) {
	rule, ok := rules()[name]
	if !ok {
		return nil, &UnknownError{name}
	}
	return rule(o), nil
}
