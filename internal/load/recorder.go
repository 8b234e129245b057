package load

import (
	"strconv"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fairlead/fairlead/internal/bench"
)

// outcome is one request, answered or not.
type outcome struct {
	intended time.Time // zero if the load has no schedule
	sent     time.Time
	done     time.Time
	status   int    // 0 without an answer
	failure  string // a Failure…, empty with an answer
	bytes    int64
	node     []byte // may be empty; not kept
}

// recorder counts outcomes. Its memory does not grow with the load's duration:
// seconds in which nothing can be recorded any more are kept encoded.
type recorder struct {
	mu       sync.Mutex
	open     bool // loop: intended times exist
	keep     int64
	counts   bench.Counts
	nodes    map[string]*bench.NodeCount
	seconds  map[intervalKey]*hdrhistogram.Histogram
	encoded  map[intervalKey]encoded
	lag      *hdrhistogram.Histogram // µs after the intended send
	late     int
	overflow int
	first    time.Time
	last     time.Time
	lastDone time.Time
}

// lateBy is the lag from which a send counts as late.
const lateBy = time.Millisecond

func newRecorder(openLoop bool, timeout time.Duration) *recorder {
	return &recorder{
		open: openLoop,
		// A request is recorded at most its timeout after its second, and a
		// schedule may run a little behind.
		keep:    int64(timeout/time.Second) + 3,
		counts:  bench.Counts{Status: map[string]int{}, Failures: map[string]int{}, Nodes: map[string]bench.NodeCount{}},
		nodes:   map[string]*bench.NodeCount{},
		seconds: map[intervalKey]*hdrhistogram.Histogram{},
		encoded: map[intervalKey]encoded{},
		lag:     newHistogram(),
	}
}

func (r *recorder) planned(n int) {
	r.mu.Lock()
	r.counts.Planned += n
	r.mu.Unlock()
}

// overCap counts a request that could not leave because all sockets were in use.
func (r *recorder) overCap() {
	r.mu.Lock()
	r.overflow++
	r.mu.Unlock()
}

func (r *recorder) capped() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.overflow
}

func (r *recorder) add(o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.counts
	c.Requests++
	c.Bytes += o.bytes
	bad := o.status == 0 || o.status >= 400
	if bad {
		c.Errors++
	}
	if o.failure != "" {
		c.Failures[o.failure]++
	} else {
		c.Status[strconv.Itoa(o.status)]++
	}
	if len(o.node) > 0 {
		n := r.nodes[string(o.node)]
		if n == nil {
			n = &bench.NodeCount{}
			r.nodes[string(o.node)] = n
		}
		n.Requests++
		if bad {
			n.Errors++
		}
	}
	if r.first.IsZero() || o.sent.Before(r.first) {
		r.first = o.sent
	}
	if o.sent.After(r.last) {
		r.last = o.sent
	}
	if o.done.After(r.lastDone) {
		r.lastDone = o.done
	}
	if r.open {
		lag := o.sent.Sub(o.intended)
		record(r.lag, lag)
		if lag > lateBy {
			r.late++
		}
	}
	if bad {
		return
	}
	if r.open {
		record(r.second(TagIntended, o.intended), o.done.Sub(o.intended))
	}
	record(r.second(TagActual, o.sent), o.done.Sub(o.sent))
}

// second is the histogram of the second in which a latency began.
func (r *recorder) second(tag Tag, began time.Time) *hdrhistogram.Histogram {
	k := intervalKey{second: began.Unix(), tag: tag}
	if h := r.seconds[k]; h != nil {
		return h
	}
	h := newHistogram()
	if e, ok := r.encoded[k]; ok {
		// Later than any request should be. Nothing that was counted is lost.
		if old, err := decode(e.payload); err == nil {
			h = old
			delete(r.encoded, k)
		}
	}
	r.seconds[k] = h
	r.retire(k.second)
	return h
}

// retire encodes the seconds that lie long before now.
func (r *recorder) retire(now int64) {
	if len(r.seconds) <= 2*int(r.keep) {
		return
	}
	for k, h := range r.seconds {
		if k.second < now-r.keep {
			if e, err := encode(h); err == nil {
				r.encoded[k] = e
				delete(r.seconds, k)
			}
		}
	}
}

// tally is what was counted, without what only the worker knows.
func (r *recorder) tally() bench.ShardTally {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := bench.ShardTally{Counts: r.counts, FirstSend: r.first, LastSend: r.last, LastDone: r.lastDone}
	for id, n := range r.nodes {
		t.Nodes[id] = *n
	}
	if !r.open && t.Planned == 0 {
		t.Planned = t.Requests // a closed load plans time, not requests
	}
	if r.open && r.lag.TotalCount() > 0 {
		t.SendLag = bench.SendLag{
			P50: r.lag.ValueAtPercentile(50), P99: r.lag.ValueAtPercentile(99), Max: r.lag.Max(),
			Late: float64(r.late) / float64(r.lag.TotalCount()),
		}
	}
	return t
}

// log writes the seconds as an HdrHistogram log.
func (r *recorder) log(t0 time.Time) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, h := range r.seconds {
		e, err := encode(h)
		if err != nil {
			return nil, err
		}
		r.encoded[k] = e
	}
	clear(r.seconds)
	return writeLog(t0, r.encoded), nil
}
