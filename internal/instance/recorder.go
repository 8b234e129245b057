package instance

import (
	"context"
	"sync"
	"time"
)

// history is how many seconds a Recorder remembers.
const history = 3600

// Second is what one process did in one second of the clock.
type Second struct {
	T        int64   `json:"t"`        // Unix time at which the second began
	CPU      float64 `json:"cpu"`      // CPU seconds, user and system, used by this process
	Steal    float64 `json:"steal"`    // CPU seconds that the hypervisor kept from the instance
	InFlight int64   `json:"inFlight"` // most requests at once
	Requests int64   `json:"requests"` // requests ended
	Errors   int64   `json:"errors"`   // of these, in error
}

// Stats is what GET /stats of a program tells of its instance and process.
type Stats struct {
	Instance  string     `json:"instance"`
	Type      string     `json:"type,omitempty"`
	VCPUs     int        `json:"vcpus"`
	CPUs      float64    `json:"cpus"`
	Emulation *Emulation `json:"emulation"`
	InFlight  int64      `json:"inFlight"`
	Requests  int64      `json:"requests"`
	Seconds   []Second   `json:"seconds"`
}

// Usage reads how much CPU time the process has used, and how much was stolen
// from its instance, both in seconds since some fixed moment.
type Usage func() (cpu, steal float64)

// Recorder keeps what a process did in each of the last 3,600 seconds.
// Averages over a minute hide a burst of one second; this does not.
type Recorder struct {
	me    Identity
	meter *Meter
	usage Usage

	mu   sync.Mutex
	ring []Second // oldest at next once it is full
	next int

	last struct { // totals at the last tick
		t                int64
		cpu, steal       float64
		requests, errors int64
	}
}

// NewRecorder gives a Recorder that begins to measure at now. Nothing is
// recorded until Run (or Tick) is called.
func NewRecorder(me Identity, m *Meter, u Usage, now time.Time) *Recorder {
	r := &Recorder{me: me, meter: m, usage: u}
	r.last.t = now.Unix()
	r.last.cpu, r.last.steal = u()
	return r
}

// Run records until ctx ends, then records the second that has begun.
func (r *Recorder) Run(ctx context.Context) {
	timer := time.NewTimer(untilNextSecond(time.Now()))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.Tick(time.Now().Add(time.Second))
			return
		case now := <-timer.C:
			r.Tick(now)
			timer.Reset(untilNextSecond(time.Now()))
		}
	}
}

func untilNextSecond(now time.Time) time.Duration {
	return now.Truncate(time.Second).Add(time.Second).Sub(now)
}

// Tick closes all seconds that ended before now. A process that was not
// scheduled for some seconds (a stopped or throttled instance) ticks late:
// its CPU time is spread evenly over them, its requests count for the last.
func (r *Recorder) Tick(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := now.Unix() - r.last.t
	if k <= 0 {
		return // still the same second, or the clock went back
	}
	cpu, steal := r.usage()
	requests, errs := r.meter.requests.Load(), r.meter.errors.Load()
	peak := r.meter.takePeak()
	for i := max(0, k-history); i < k; i++ {
		s := Second{
			T:        r.last.t + i,
			CPU:      (cpu - r.last.cpu) / float64(k),
			Steal:    (steal - r.last.steal) / float64(k),
			InFlight: peak,
		}
		if i == k-1 {
			s.Requests, s.Errors = requests-r.last.requests, errs-r.last.errors
		}
		r.put(s)
	}
	r.last.t, r.last.cpu, r.last.steal = r.last.t+k, cpu, steal
	r.last.requests, r.last.errors = requests, errs
}

func (r *Recorder) put(s Second) {
	if len(r.ring) < history {
		r.ring = append(r.ring, s)
		return
	}
	r.ring[r.next] = s
	r.next = (r.next + 1) % history
}

// Stats gives the seconds that began at or after since (Unix time), oldest first.
func (r *Recorder) Stats(since int64) Stats {
	s := Stats{
		Instance: r.me.ID, Type: r.me.Type, VCPUs: r.me.VCPUs, CPUs: r.me.CPUs, Emulation: r.me.Emulation,
		InFlight: r.meter.InFlight(), Requests: r.meter.Requests(), Seconds: []Second{},
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ring {
		if second := r.ring[(r.next+i)%len(r.ring)]; second.T >= since {
			s.Seconds = append(s.Seconds, second)
		}
	}
	return s
}
