// Package world is a cluster of nodes and the proxies before it in virtual
// time. It drives the very strategies of the proxy. Nothing in it reads a
// clock, runs beside it or draws randomness but from its seed, so that a seed
// gives the same figures each time, and each strategy meets the same requests.
//
// All times are in seconds of virtual time, all work in seconds of one core
// at speed 1.
package world

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/fairlead/fairlead/internal/rif"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// epoch is second 0 for the strategies.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(t float64) time.Time       { return epoch.Add(span(t)) }
func span(t float64) time.Duration { return time.Duration(t * 1e9) }

var never = math.Inf(1)

// Streams of random numbers: one for each cause, so that what one draws does
// not change what another gets.
const (
	arrivalStream = iota
	oracleStream
	proxyStream   = 1_000
	startStream   = 500_000
	profileStream = 1_000_000
)

// world is the state of a run.
type world struct {
	*Setup
	now      float64
	nodes    []node
	proxies  []proxy
	oracle   *oracle // nil: the proxies choose
	arrivals *rand.Rand
	soonest  tournament // of the nodes' next events

	stage      int
	measures   float64 // from when on the stage is measured
	stageEnds  float64
	nextArrive float64

	jobs    jobs
	sent    uint64 // the first request that is still on its way to its node
	answers queue[answer]
	asks    queue[probe]
	told    queue[probe]
	probes  int // the proxy whose turn it is to probe healths
	health  float64

	results []Result
}

type answer struct {
	at   float64
	job  uint64
	load strategy.Load
}

type probe struct {
	at          float64
	proxy, node int32
	load        strategy.Load
}

// Run plays all stages with the strategy, or with an oracle (see Oracles). An
// error is *strategy.UnknownError.
func Run(s Setup, rule string) ([]Result, error) {
	w := &world{Setup: &s, arrivals: stream(s.Seed, arrivalStream), nextArrive: never, health: never}
	w.nodes = make([]node, len(s.Nodes))
	w.soonest = newTournament(len(s.Nodes))
	for i := range w.nodes {
		w.nodes[i] = newNode(&s.Nodes[i], stream(s.Seed, profileStream+uint64(i)))
		w.soonest.set(i, w.nodes[i].next)
	}
	if o, ok := oracles()[rule]; ok {
		w.oracle = &oracle{rule: o, rand: stream(s.Seed, oracleStream)}
		w.proxies = make([]proxy, s.Proxies)
	} else if err := w.addProxies(rule); err != nil {
		return nil, err
	}
	w.jobs = newJobs()
	w.begin(0)
	for w.step() {
	}
	return w.results, nil
}

func stream(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }

func (w *world) addProxies(rule string) error {
	penalty := 5 * time.Second
	if d := span(w.Deadline); d > penalty {
		penalty = d
	}
	for k := range w.Proxies {
		s, err := strategy.New(rule, strategy.Options{
			Rand: stream(w.Seed, proxyStream+uint64(k)), Penalty: penalty, Peers: w.Proxies, Prequal: w.Prequal,
		})
		if err != nil {
			return err
		}
		p := proxy{strategy: s, view: make([]strategy.Node, len(w.nodes))}
		p.probing, _ = s.(strategy.Probing)
		for i := range p.view {
			p.view[i] = strategy.Node{ID: fmt.Sprintf("n%03d", i), Weight: w.Nodes[i].Weight}
		}
		// Proxies do not start all at once: each has chosen before, or 100
		// round-robins would go through the nodes in step.
		for range stream(w.Seed, startStream+uint64(k)).IntN(len(w.nodes)) {
			s.Pick(epoch, p.view)
		}
		w.proxies = append(w.proxies, p)
	}
	if w.proxies[0].probing != nil || rule == "c3" { // the others do not listen
		for i := range w.nodes {
			w.nodes[i].tells = new(rif.Estimator)
		}
	}
	if rule == "lowest-latency-probe" {
		w.health = 0
	}
	return nil
}
