// Package health probes the nodes of a cluster: it asks each for /health at an
// interval and tells when one has become healthy or unhealthy, and how long
// the probes take.
package health

import (
	"context"
	"sync"
	"time"
)

// Target is a node to probe.
type Target struct {
	ID   string // instance id; the one that answers must not claim another
	Addr string // host:port
}

// Prober asks one node once. It gives the time that the node needed, or why
// it did not pass. It must return soon after ctx ends.
type Prober interface {
	Probe(ctx context.Context, t Target) (time.Duration, error)
}

// Listener hears of what the probes find. Its methods may be called from
// several goroutines at once, but for one target only one at a time.
type Listener interface {
	// Probed follows each probe that passed.
	Probed(t Target, latency time.Duration)
	// Changed follows the first probe that passed, and each change from then
	// on. err is why the node became unhealthy.
	Changed(t Target, healthy bool, err error)
}

// Settings are how a Checker probes.
type Settings struct {
	Interval time.Duration // from the end of a probe to the next, while nothing is in doubt
	Doubt    time.Duration // the same while a change is in the making: quick to know, but not to judge
	Timeout  time.Duration // a probe that takes longer has failed
	Rise     int           // passes in a row that make an unhealthy node healthy
	Fall     int           // failures in a row that make a healthy one unhealthy
}

// Defaults finds a dead node within about half a second (refused connections
// fail at once), and leaves one that is merely busy six seconds to answer.
func Defaults() Settings {
	return Settings{
		Interval: time.Second,
		Doubt:    250 * time.Millisecond,
		Timeout:  2 * time.Second,
		Rise:     2,
		Fall:     3,
	}
}

// Checker probes a changing set of nodes, each from a goroutine of its own.
type Checker struct {
	settings Settings
	prober   Prober
	listener Listener

	mu      sync.Mutex
	closed  bool
	running map[Target]*watch
	wait    sync.WaitGroup
}

// watch is the probing of one node.
type watch struct {
	stop context.CancelFunc
	now  chan struct{} // asks for a probe at once; holds one
}

// New gives a Checker without nodes. Close ends it.
func New(s Settings, p Prober, l Listener) *Checker {
	return &Checker{settings: s, prober: p, listener: l, running: make(map[Target]*watch)}
}

// Sync makes targets the nodes to probe: new ones at once, and those that are
// missing no more.
func (c *Checker) Sync(targets []Target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	want := make(map[Target]bool, len(targets))
	for _, t := range targets {
		want[t] = true
		if c.running[t] == nil {
			c.start(t)
		}
	}
	for t, w := range c.running {
		if !want[t] {
			w.stop()
			delete(c.running, t)
		}
	}
}

func (c *Checker) start(t Target) {
	ctx, stop := context.WithCancel(context.Background()) // Close and Sync end it
	w := &watch{stop, make(chan struct{}, 1)}
	c.running[t] = w
	c.wait.Go(func() { c.probe(ctx, t, w.now) })
}

// Suspect has a node probed now, because a request could not reach it.
func (c *Checker) Suspect(t Target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.running[t]; w != nil {
		select {
		case w.now <- struct{}{}:
		default: // already asked for
		}
	}
}

// Close ends all probing and waits for it.
func (c *Checker) Close() {
	c.mu.Lock()
	c.closed = true
	for t, w := range c.running {
		w.stop()
		delete(c.running, t)
	}
	c.mu.Unlock()
	c.wait.Wait()
}

func (c *Checker) probe(ctx context.Context, t Target, now <-chan struct{}) {
	var state threshold
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-now:
		case <-timer.C:
		}
		limit, cancel := context.WithTimeout(ctx, c.settings.Timeout)
		latency, err := c.prober.Probe(limit, t)
		cancel()
		if ctx.Err() != nil {
			return // the probe was cut, it says nothing of the node
		}
		if err == nil {
			c.listener.Probed(t, latency)
		}
		if state.observe(err == nil, c.settings.Rise, c.settings.Fall) {
			c.listener.Changed(t, state.healthy, err)
		}
		if state.doubtful() {
			timer.Reset(c.settings.Doubt)
		} else {
			timer.Reset(c.settings.Interval)
		}
	}
}
