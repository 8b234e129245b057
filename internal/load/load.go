// Package load is the load generator: Run sends one worker's slice of one
// trial and counts what came back; Merge puts the slices together again.
//
// Three loads: a burst (all requests at once), a rate (open loop: requests
// leave on a schedule that is fixed before the first one leaves, whatever the
// answers do) and a closed load (a fixed number in flight). In an open loop
// latency is kept twice, from the intended and from the actual send; only the
// first shows what a user who came at that moment waited. A burst and a closed
// load have no intended times, and their logs hold "actual" alone.
//
// Only good answers (status < 400) enter the latency histograms. Errors and
// timeouts are counted apart, so that failing fast never looks like being fast.
package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// MaxSockets is the most connections one worker holds: a Lambda has 1,024 file
// descriptors, and the runtime and the log need some.
const MaxSockets = 900

// dialLead is when, before T0, a worker begins to open its connections. Much
// earlier and a server that limits the wait for a first request would close them.
const dialLead = 2 * time.Second

// defaultTimeout is a request's when the load names none, as in the plan.
const defaultTimeout = 10 * time.Second

// Spec is one worker's task.
type Spec struct {
	Aim    bench.Aim
	Shard  int     // 0 ≤ Shard < Aim.Shards
	Worker string  // who runs it, for the tally
	Cores  float64 // CPU this worker may use, in cores; 0 means all that Go sees
}

// Result is what one worker counted.
type Result struct {
	Tally bench.ShardTally
	Log   []byte // HdrHistogram log, see WriteLog's layout in log.go
	Clock Clock  // how Tally.ClockOff was found
}

// Run sends the shard's slice of the load and returns when every request of it
// has been answered, has failed or has timed out. A cancelled context, or
// Aim.QuiesceAt, ends it within a second; what was counted until then is
// returned, with the reason among Tally.Invalid. The error is for a
// specification that cannot be run at all.
func Run(ctx context.Context, spec Spec) (*Result, error) {
	pace, err := newPacer()
	if err != nil {
		return nil, err
	}
	defer pace.close()
	var d net.Dialer
	return run(ctx, spec, seams{
		dial: func(ctx context.Context, addr string) (net.Conn, error) { return d.DialContext(ctx, "tcp", addr) },
		wait: pace.until,
		cpu:  func() time.Duration { return processCPU() - pace.spun },
	})
}

// seams are what tests in virtual time replace.
type seams struct {
	dial func(ctx context.Context, addr string) (net.Conn, error)
	wait func(ctx context.Context, t time.Time) error // until t, precisely; ctx's error if that ends first
	cpu  func() time.Duration                         // used by this process, without deliberate spinning
}

var (
	errQuiesce = errors.New("the trial's time was over")
	errStopped = errors.New("the worker was stopped")
)

// worker is one Run.
type worker struct {
	spec    Spec
	load    bench.Load
	timeout time.Duration
	seams   seams
	conns   *pool
	rec     *recorder
	sends   sync.WaitGroup // requests in flight
}

func run(ctx context.Context, spec Spec, s seams) (*Result, error) {
	if err := check(spec); err != nil {
		return nil, err
	}
	w := &worker{spec: spec, load: spec.Aim.Load, seams: s, timeout: time.Duration(spec.Aim.Load.Timeout)}
	if w.timeout <= 0 {
		w.timeout = defaultTimeout
	}
	began := time.Now()
	if q := spec.Aim.QuiesceAt; !q.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, q, errQuiesce)
		defer cancel()
	}
	w.rec = newRecorder(w.load.Kind == bench.LoadRate, w.timeout)
	w.conns = newPool(spec.Aim, s.dial)
	// Closing every connection is what ends blocked reads and writes at once.
	stop := context.AfterFunc(ctx, w.conns.abort)
	defer func() {
		stop()
		w.conns.abort()
	}()

	t0 := spec.Aim.T0
	clock := measureClock(ctx, w.conns, s, t0)
	_ = s.wait(ctx, t0.Add(-dialLead))
	w.predial(ctx, laterOf(t0, began.Add(time.Second)))
	ready := time.Now()
	_ = s.wait(ctx, t0)

	cpu, started := s.cpu(), time.Now()
	switch w.load.Kind {
	case bench.LoadBurst:
		w.burst(ctx)
	case bench.LoadRate:
		w.rate(ctx)
	case bench.LoadClosed:
		w.closed(ctx)
	}
	w.sends.Wait()
	return w.result(ctx, measured{began: began, ready: ready, started: started, cpu: s.cpu() - cpu, clock: clock})
}

// measured is what result needs beside the recorder.
type measured struct {
	began, ready, started time.Time
	cpu                   time.Duration
	clock                 Clock
}

func (w *worker) result(ctx context.Context, m measured) (*Result, error) {
	now := time.Now()
	t := w.rec.tally()
	t.Shard, t.Worker = w.spec.Shard, w.spec.Worker
	t.ClockOff = bench.Duration(m.clock.Offset)
	t.Billed = bench.Duration(now.Sub(m.began))
	if t.LastDone.After(m.started) {
		t.CPU = cpuShare(m.cpu, t.LastDone.Sub(m.started), w.spec.Cores)
	}
	var stopped error
	if ctx.Err() != nil {
		stopped = errStopped
		if errors.Is(context.Cause(ctx), errQuiesce) {
			stopped = errQuiesce
		}
	}
	t.Invalid = shardRules(w.spec.Aim, t, ruleFacts{
		stopped: stopped,
		late:    m.ready.Sub(w.spec.Aim.T0),
		capped:  w.rec.capped(),
	})
	log, err := w.rec.log(w.spec.Aim.T0)
	if err != nil {
		return nil, fmt.Errorf("write the latency log: %w", err)
	}
	return &Result{Tally: t, Log: log, Clock: m.clock}, nil
}

// check refuses what cannot be run; the plan has checked the rest.
func check(spec Spec) error {
	a, l := spec.Aim, spec.Aim.Load
	switch {
	case a.Shards < 1 || spec.Shard < 0 || spec.Shard >= a.Shards:
		return fmt.Errorf("shard %d of %d does not exist", spec.Shard, a.Shards)
	case len(a.Endpoints) == 0:
		return errors.New("the aim names no endpoint")
	case !plainPath(a.Path):
		return fmt.Errorf("path %q is not a request path", a.Path)
	case l.Kind == bench.LoadBurst && l.Requests < 0, l.Kind == bench.LoadRate && (l.Rate <= 0 || l.Duration <= 0),
		l.Kind == bench.LoadClosed && (l.Concurrency < 0 || l.Duration <= 0):
		return fmt.Errorf("the %s load lacks its size", l.Kind)
	case l.Kind != bench.LoadBurst && l.Kind != bench.LoadRate && l.Kind != bench.LoadClosed:
		return fmt.Errorf("load kind %q is unknown", l.Kind)
	}
	if n := sockets(l, a.Shards, spec.Shard); n > MaxSockets {
		return fmt.Errorf("shard %d needs %d sockets, a worker has %d: use more shards", spec.Shard, n, MaxSockets)
	}
	return nil
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
