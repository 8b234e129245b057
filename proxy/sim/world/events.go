package world

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
