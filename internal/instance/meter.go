package instance

import "sync/atomic"

// Meter counts the requests of one process. Its methods are safe for
// concurrent use and cost a few atomic operations, so that every request can
// be counted.
type Meter struct {
	inFlight atomic.Int64
	peak     atomic.Int64 // highest inFlight since the last Recorder tick
	requests atomic.Int64
	errors   atomic.Int64
}

// Begin notes that a request has come in.
func (m *Meter) Begin() {
	n := m.inFlight.Add(1)
	for {
		p := m.peak.Load()
		if n <= p || m.peak.CompareAndSwap(p, n) {
			return
		}
	}
}

// End notes that a request was answered, and whether in error.
func (m *Meter) End(failed bool) {
	m.inFlight.Add(-1)
	m.requests.Add(1)
	if failed {
		m.errors.Add(1)
	}
}

// InFlight is the number of requests begun and not ended.
func (m *Meter) InFlight() int64 { return m.inFlight.Load() }

// Requests is the number of requests ended.
func (m *Meter) Requests() int64 { return m.requests.Load() }

// takePeak gives the highest number in flight since the last call. What is in
// flight now is where the next peak starts from.
func (m *Meter) takePeak() int64 {
	p := m.peak.Swap(m.inFlight.Load())
	return max(p, m.inFlight.Load())
}
