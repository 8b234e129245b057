package engine

import (
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// mostLines is how many requests a second are logged at most: under a load
// that no one could read, the log stays small.
const mostLines = 100

// accessLog logs a random share of the requests. Which ones is decided when
// they come, so that those that are not logged cost no more than a number.
type accessLog struct {
	log    *slog.Logger
	below  uint64 // of 2⁶³: a request that draws less is logged
	second atomic.Int64
	lines  atomic.Int64 // in that second
}

func (a *accessLog) init(log *slog.Logger, share float64) {
	a.log, a.below = log, uint64(min(max(share, 0), 1)*(1<<63))
}

// line is what is noted of a request that will be logged.
type line struct {
	method, target string
	node           string // the last one tried
	tries, status  int
	bytes          int64 // of the answer's body
}

// draw gives a line to fill, nil for most requests.
func (a *accessLog) draw(now int64) *line {
	if a.below == 0 || rand.Uint64()>>1 >= a.below {
		return nil
	}
	if second := now / int64(time.Second); a.second.Swap(second) != second {
		a.lines.Store(0)
	}
	if a.lines.Add(1) > mostLines {
		return nil
	}
	return new(line)
}

func (a *accessLog) write(l *line, clusterName, client string, took time.Duration) {
	a.log.Info("request", "cluster", clusterName, "node", l.node, "client", client, "method", l.method, "target", l.target,
		"status", l.status, "bytes", l.bytes, "tries", l.tries, "took", took.Round(time.Microsecond))
}
