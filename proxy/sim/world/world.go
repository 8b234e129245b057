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

// begin starts the stage with this number, if there is one.
func (w *world) begin(k int) {
	w.stage = k
	if k == len(w.Stages) {
		w.nextArrive, w.stageEnds = never, never
		return
	}
	s := w.Stages[k]
	w.measures = w.now + s.Warm
	w.stageEnds = w.measures + s.Lasts
	w.results = append(w.results, Result{Stage: s, Latencies: make([]float64, 0, int(s.Rate*s.Lasts*1.05)+64)})
	w.nextArrive = w.now + w.arrivals.ExpFloat64()/s.Rate
}

// step plays the next event; false: all requests have ended. Of events at the
// same time the first named here comes first.
func (w *world) step() bool {
	const (
		none = iota
		node
		reaches
		answered
		asked
		heard
		expires
		ends
		arrives
		checks
	)
	t, kind := never, none
	if x := w.soonest.min(); x < t {
		t, kind = x, node
	}
	if w.sent < w.jobs.end {
		if x := w.jobs.at(w.sent).arrived + w.Delay; x < t {
			t, kind = x, reaches
		}
	}
	if !w.answers.empty() && w.answers.first().at < t {
		t, kind = w.answers.first().at, answered
	}
	if !w.asks.empty() && w.asks.first().at < t {
		t, kind = w.asks.first().at, asked
	}
	if !w.told.empty() && w.told.first().at < t {
		t, kind = w.told.first().at, heard
	}
	if first, ok := w.jobs.oldest(); ok && w.Deadline > 0 && first.arrived+w.Deadline < t {
		t, kind = first.arrived+w.Deadline, expires
	}
	if w.stageEnds <= t {
		t, kind = w.stageEnds, ends
	}
	if w.nextArrive < t {
		t, kind = w.nextArrive, arrives
	}
	if w.health < t {
		t, kind = w.health, checks
	}
	if w.stage == len(w.Stages) && w.jobs.begin == w.jobs.end {
		return false
	}
	w.now = t
	switch kind {
	case node:
		w.serve(w.soonest.winner())
	case reaches:
		w.reach()
	case answered:
		w.answered(w.answers.take())
	case asked:
		w.ask(w.asks.take())
	case heard:
		p := w.told.take()
		w.proxies[p.proxy].hear(w.now, p)
	case expires:
		w.expire()
	case ends:
		w.begin(w.stage + 1)
	case arrives:
		w.arrive()
	case checks:
		w.check()
	default:
		return false
	}
	return true
}

// arrive takes in a new request and draws when the next one comes.
func (w *world) arrive() {
	j := w.jobs.add()
	*j = job{arrived: w.now, work: w.Cost(w.arrivals), stage: int32(w.stage), measured: w.now >= w.measures}
	w.nextArrive = w.now + w.arrivals.ExpFloat64()/w.Stages[w.stage].Rate
	if w.Proxies > 1 {
		j.proxy = int32(w.arrivals.IntN(w.Proxies))
	}
	if w.oracle != nil {
		j.node = int32(w.oracle.pick(w, j.work))
		n := &w.nodes[j.node]
		n.coming = append(n.coming, j.work)
		return
	}
	p := &w.proxies[j.proxy]
	if p.probing != nil {
		for _, i := range p.probing.Probe(at(w.now), p.view) {
			w.asks.put(probe{at: w.now + w.Delay, proxy: j.proxy, node: int32(i)})
		}
	}
	i := p.strategy.Pick(at(w.now), p.view)
	j.node = int32(i)
	p.view[i].InFlight++
}

// reach hands the first request on its way to its node.
func (w *world) reach() {
	j := w.jobs.at(w.sent)
	n := &w.nodes[j.node]
	if w.oracle != nil {
		n.coming = append(n.coming[:0], n.coming[1:]...)
	}
	if !j.over {
		n.take(w.now, w.sent, j.work)
		if n.tells != nil {
			j.reached, j.found = w.now, int32(n.tells.Begin())
		}
		w.soonest.set(int(j.node), n.next)
	}
	w.sent++
}

// serve lets a node's next event happen.
func (w *world) serve(i int) {
	n := &w.nodes[i]
	id, done := n.event(w.now)
	w.soonest.set(i, n.next)
	if !done {
		return
	}
	a := answer{at: w.now + w.Delay, job: id}
	if n.tells != nil {
		j := w.jobs.at(id)
		n.tells.End(at(w.now), int(j.found), span(w.now-j.reached), false)
		a.load = n.load(w.now)
	}
	w.answers.put(a)
}

func (w *world) answered(a answer) {
	if a.job < w.jobs.begin {
		return // it was given up
	}
	if j := w.jobs.at(a.job); !j.over {
		w.end(j, strategy.Success, a.load)
	}
}

// expire gives the oldest request up, and its node drops it at once, as a node
// that is told the deadline can.
func (w *world) expire() {
	id := w.jobs.begin
	j := w.jobs.at(id)
	if id < w.sent {
		n := &w.nodes[j.node]
		if n.drop(w.now, id) && n.tells != nil {
			n.tells.End(at(w.now), int(j.found), 0, true)
		}
		w.soonest.set(int(j.node), n.next)
	}
	w.end(j, strategy.Failure, strategy.Load{})
}

// end tells the request's proxy, and notes how long it took.
func (w *world) end(j *job, r strategy.Result, load strategy.Load) {
	latency := w.now - j.arrived
	if j.measured {
		f := &w.results[j.stage]
		f.Latencies = append(f.Latencies, latency)
		if r != strategy.Success {
			f.Timeouts++
		}
	}
	if w.oracle == nil {
		p := &w.proxies[j.proxy]
		p.view[j.node].InFlight--
		p.strategy.Done(at(w.now), strategy.Outcome{Node: p.view[j.node].ID, Latency: span(latency), Result: r, Load: load})
	}
	j.over = true
	w.jobs.shrink()
}
