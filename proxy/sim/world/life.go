package world

import "github.com/fairlead/fairlead/proxy/strategy"

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
