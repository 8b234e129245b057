package cluster

import (
	"bytes"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// LoadHeader is where a node tells its load in each answer: the requests that
// it is working on, and the latency in µs that it expects of the next one:
// "3;1250".
const LoadHeader = "X-Fairlead-Load"

// ParseLoad reads the value of LoadHeader. What is not of its form, or beyond
// reason, says nothing.
func ParseLoad(value []byte) (l strategy.Load, ok bool) {
	rif, latency, found := bytes.Cut(value, []byte{';'})
	if !found {
		return l, false
	}
	n, okN := number(rif)
	us, okUs := number(latency)
	if !okN || !okUs {
		return l, false
	}
	return strategy.Load{InFlight: n, Latency: time.Duration(us) * time.Microsecond}, true
}

// number reads up to nine digits.
func number(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	n := 0
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = 10*n + int(d-'0')
	}
	return n, true
}

// AppendLoad is the reverse of ParseLoad.
func AppendLoad(b []byte, l strategy.Load) []byte {
	b = strconv.AppendInt(b, int64(l.InFlight), 10)
	return strconv.AppendInt(append(b, ';'), l.Latency.Microseconds(), 10)
}

// OnProbe has ask called for each node that the strategy wants to be asked for
// its load. It must not block and not call the cluster. Told takes the answer.
func (c *Cluster) OnProbe(ask func(Member)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ask = ask
}

// Told takes in a node's answer to a probe for its load.
func (c *Cluster) Told(now time.Time, m Member, l strategy.Load) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.probing != nil && c.find(m) != nil {
		c.probing.Probed(now, strategy.Probe{Node: m.ID, InFlight: l.InFlight, Latency: l.Latency})
	}
}
