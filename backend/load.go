package main

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// loadHeader tells in each answer, and in that of GET /load, the requests that
// the node is working on, and the latency in µs that it expects of one that
// comes now: "3;1250". 0 µs: it cannot say.
const loadHeader = "X-Fairlead-Load"

const (
	// loadLevels is up to how many requests in flight latencies are told
	// apart; where there are more, one more makes little difference.
	loadLevels = 512

	// loadKept is how many of the last latencies of a level are remembered.
	loadKept = 16

	// loadFresh is how long a level's latencies are worth anything.
	loadFresh = 10 * time.Second
)

// load knows what the node is working on, and how long requests have taken
// lately by how many others they found when they came. The latency that it
// expects is the median of those which found about as many as there are now.
// Source: the server side of Prequal (NSDI 2024, section 4).
type load struct {
	mu       sync.Mutex
	inFlight int
	levels   [loadLevels]level
}

// level are the last latencies of requests that found equally many others.
type level struct {
	latencies [loadKept]uint32 // µs
	next, n   int
	at        time.Time // of the newest
}

// begin notes a request and gives how many others it has found.
func (l *load) begin() (found int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight++
	return l.inFlight - 1
}

// end notes that a request is over. One that failed tells nothing of how long
// work takes.
func (l *load) end(now time.Time, found int, took time.Duration, failed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inFlight--
	if failed {
		return
	}
	v := &l.levels[min(found, loadLevels-1)]
	if now.Sub(v.at) > loadFresh {
		v.n = 0
	}
	v.latencies[v.next%loadKept] = uint32(min(max(1, took.Microseconds()), math.MaxUint32))
	v.next++
	v.n = min(v.n+1, loadKept)
	v.at = now
}

// tell gives the value of loadHeader. own is 1 in the answer to a request that
// is itself among those in flight.
func (l *load) tell(now time.Time, own int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	inFlight := max(0, l.inFlight-own)
	var text [32]byte
	b := strconv.AppendInt(text[:0], int64(inFlight), 10)
	return string(strconv.AppendUint(append(b, ';'), uint64(l.expect(now, inFlight)), 10))
}

// expect gives the median latency of the level nearest to inFlight that has a
// fresh one, in µs.
func (l *load) expect(now time.Time, inFlight int) uint32 {
	i := min(inFlight, loadLevels-1)
	for d := range loadLevels {
		for _, k := range [2]int{i - d, i + d} {
			if k < 0 || k >= loadLevels {
				continue
			}
			if v := &l.levels[k]; v.n > 0 && now.Sub(v.at) <= loadFresh {
				return v.median()
			}
		}
	}
	return 0
}

// median of the last n latencies, the lower one of two.
func (v *level) median() uint32 {
	var last [loadKept]uint32
	for i := range v.n {
		last[i] = v.latencies[(v.next-1-i)%loadKept]
	}
	some := last[:v.n]
	slices.Sort(some)
	return some[(v.n-1)/2]
}

// tellLoad answers the probes of a proxy. It is neither counted nor logged.
func (a *app) tellLoad(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set(nodeHeader, a.me.ID)
	w.Header().Set(loadHeader, a.load.tell(time.Now(), 0))
	w.WriteHeader(http.StatusNoContent)
}
