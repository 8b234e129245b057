// Package loadprobe asks the nodes of a cluster for their load when its
// strategy wants to know: GET /load over one kept connection for each node,
// beside the requests and never in their way.
package loadprobe

import (
	"context"
	"sync"
	"time"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// Settings are how a Prober asks.
type Settings struct {
	Gap     time.Duration // between the beginnings of two probes of a node, at least
	Timeout time.Duration // of one probe, connecting included
	Retry   time.Duration // after one that failed, before the next
	Idle    time.Duration // without being asked, and a node's connection is closed
}

// Defaults bounds the probes to 500 a second for each node, which is more than
// answers that may be a second old can be worth.
func Defaults() Settings {
	return Settings{Gap: 2 * time.Millisecond, Timeout: time.Second, Retry: 500 * time.Millisecond, Idle: 10 * time.Second}
}

// Prober asks the nodes of one cluster. Each node that is asked has a
// goroutine, which ends when it has not been asked for a while.
type Prober struct {
	settings Settings
	tell     func(time.Time, cluster.Member, strategy.Load)

	mu     sync.Mutex
	lines  map[cluster.Member]*line
	closed bool
	wait   sync.WaitGroup
}

// line is the asking of one node.
type line struct {
	member cluster.Member
	asked  chan struct{} // holds one: what is asked meanwhile is the same question
	stop   context.CancelFunc
}

// New gives a Prober that asks what c's strategy wants to know, and tells c
// the answers. Close ends it.
func New(s Settings, c *cluster.Cluster) *Prober {
	p := &Prober{settings: s, tell: c.Told, lines: make(map[cluster.Member]*line)}
	c.OnProbe(p.ask)
	return p
}

// ask has a node probed soon. It does not block.
func (p *Prober) ask(m cluster.Member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	l := p.lines[m]
	if l == nil {
		ctx, stop := context.WithCancel(context.Background()) // Close and leave end it
		l = &line{m, make(chan struct{}, 1), stop}
		p.lines[m] = l
		p.wait.Go(func() { p.run(ctx, l) })
	}
	select {
	case l.asked <- struct{}{}:
	default:
	}
}

// Close ends all probes and waits for them.
func (p *Prober) Close() {
	p.mu.Lock()
	p.closed = true
	for _, l := range p.lines {
		l.stop()
	}
	p.mu.Unlock()
	p.wait.Wait()
}

func (p *Prober) run(ctx context.Context, l *line) {
	conn := newConn(l.member.Addr, p.settings.Timeout)
	defer conn.close()
	timer := time.NewTimer(p.settings.Idle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			if p.leave(l) {
				return
			}
			timer.Reset(p.settings.Idle)
			continue
		case <-l.asked:
		}
		begun, pause := time.Now(), p.settings.Gap
		load, ok := conn.ask(ctx)
		if ok {
			p.tell(time.Now(), l.member, load)
		} else {
			pause = p.settings.Retry
		}
		timer.Reset(pause - time.Since(begun))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(p.settings.Idle)
	}
}

// leave takes the line out, if nobody has asked in this very moment.
func (p *Prober) leave(l *line) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(l.asked) > 0 {
		return false
	}
	delete(p.lines, l.member)
	l.stop()
	return true
}
