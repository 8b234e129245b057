package world

import (
	"slices"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

const (
	tellerLevels = 512
	tellerKept   = 16
	tellerFresh  = 10.0
)

// teller estimates what a request would take that comes now: the median of
// the last ones that found about as many others. It is what backend/load.go
// does, in virtual time.
type teller struct{ levels [tellerLevels]tellerLevel }

type tellerLevel struct {
	latencies [tellerKept]float64
	next, n   int
	at        float64
}

func newTeller() *teller { return &teller{} }

func (t *teller) end(now float64, found int, took float64) {
	l := &t.levels[min(found, tellerLevels-1)]
	if now-l.at > tellerFresh {
		l.n = 0
	}
	l.latencies[l.next%tellerKept] = took
	l.next++
	l.n = min(l.n+1, tellerKept)
	l.at = now
}

func (t *teller) load(now float64, inFlight int) strategy.Load {
	return strategy.Load{InFlight: inFlight, Latency: span(t.expect(now, inFlight)).Truncate(time.Microsecond)}
}

func (t *teller) expect(now float64, inFlight int) float64 {
	i := min(inFlight, tellerLevels-1)
	for d := range tellerLevels {
		for _, k := range [2]int{i - d, i + d} {
			if k < 0 || k >= tellerLevels {
				continue
			}
			if l := &t.levels[k]; l.n > 0 && now-l.at <= tellerFresh {
				return l.median()
			}
		}
	}
	return 0
}

func (l *tellerLevel) median() float64 {
	var last [tellerKept]float64
	for i := range l.n {
		last[i] = l.latencies[(l.next-1-i)%tellerKept]
	}
	some := last[:l.n]
	slices.Sort(some)
	return some[(l.n-1)/2]
}
