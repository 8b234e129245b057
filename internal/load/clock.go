package load

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Clock is what is known of a worker's clock against its target's.
type Clock struct {
	Offset time.Duration // worker minus target
	Error  time.Duration // the offset is right to ± this
	Method string        // "same host", "date header" or "not measured"
}

// The search for the target's second takes two passes of at most a second
// each; with the room to dial afterwards, a shorter lead gives it up.
const (
	clockLead   = dialLead + 2500*time.Millisecond
	coarseStep  = 50 * time.Millisecond
	fineStep    = 2 * time.Millisecond
	clockBudget = 2300 * time.Millisecond
)

// measureClock finds the offset from HTTP alone. A Date header tells whole
// seconds, but *when* it changes tells the fraction: poll /health every 50 ms
// until the second changes, then again every 2 ms around the next change. The
// boundary lies between the last answer with the old second and the first with
// the new one. (The idea is htpdate's.) A loopback address is this very host,
// whose clock is the worker's own.
func measureClock(ctx context.Context, p *pool, s seams, t0 time.Time) Clock {
	host, _, _ := net.SplitHostPort(p.endpoints[0].Addr)
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return Clock{Method: "same host"}
	}
	none := Clock{Method: "not measured"}
	if time.Until(t0) < clockLead {
		return none
	}
	ctx, cancel := context.WithTimeout(ctx, clockBudget)
	defer cancel()
	c, err := p.dial(ctx, 0)
	if err != nil {
		return none
	}
	defer p.drop(c)
	_ = c.SetDeadline(time.Now().Add(clockBudget))
	ask := func() (dateProbe, error) { return c.date(request("/health", p.endpoints[0].Addr)) }

	before, after, err := boundary(ctx, ask, s, time.Now(), coarseStep)
	if err != nil {
		return none
	}
	// A second later the boundary lies in the same 50 ms.
	from := before.sent.Add(time.Second - fineStep)
	if fineBefore, fineAfter, err := boundary(ctx, ask, s, from, fineStep); err == nil {
		before, after = fineBefore, fineAfter
	}
	// At the boundary the target's clock showed after.date; ours was between
	// the sending of the last old answer's request and the new one's arrival.
	span := after.received.Sub(before.sent)
	middle := before.sent.Add(span / 2)
	return Clock{Offset: middle.Sub(after.date), Error: span / 2, Method: "date header"}
}

type dateProbe struct {
	sent, received time.Time
	date           time.Time
}

// boundary polls until the date changes and gives the probes on both sides.
func boundary(ctx context.Context, ask func() (dateProbe, error), s seams, from time.Time, step time.Duration) (before, after dateProbe, err error) {
	for at := from; ; at = at.Add(step) {
		if err := s.wait(ctx, at); err != nil {
			return before, after, err
		}
		probe, err := ask()
		if err != nil {
			return before, after, err
		}
		if !before.date.IsZero() && probe.date.After(before.date) {
			return before, probe, nil
		}
		before = probe
		if now := time.Now(); at.Before(now.Add(-step)) {
			at = now // slow answers: do not pile up
		}
	}
}

// date sends one request and reads the Date of its answer, whatever its status.
func (c *conn) date(request []byte) (dateProbe, error) {
	p := dateProbe{sent: time.Now()}
	if _, err := c.Write(request); err != nil {
		return p, err
	}
	resp, err := http.ReadResponse(c.read, nil)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	p.received = time.Now()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return p, err
	}
	p.date, err = http.ParseTime(strings.TrimSpace(resp.Header.Get("Date")))
	return p, err
}
