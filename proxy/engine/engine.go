// Package engine is the proxy's data plane, built for what a request costs. It
// routes requests by the first segment of their path to a cluster, sends each
// to the node that the cluster's strategy chooses, and the answer back, over
// HTTP/1.1 of its own (package http1).
//
// A goroutine serves each client connection, and does all of a request itself:
// it reads the request, writes it to the node, waits there for the answer and
// writes that to the client. In the common case that is one read and one write
// on each side, no hand-over to another goroutine, no timer and no allocation:
//
//	session  a client's connection: requests one after the other   session.go
//	request  where a request goes, and what of it                  request.go
//	exchange its tries on nodes                                    exchange.go
//	answer   what the node says, on its way back                   answer.go
//	passage  a body from one side to the other                     passage.go
//	upload   a body that is longer than what came with its head    upload.go
//	tunnel   an upgraded connection                                tunnel.go
//	pool     the connections to one node                           pool.go
//	alarm    what a session waits for, in one word                 alarm.go
//	watch    makes the alarms go off                               watch.go
//
// HTTP/2 and TLS are not spoken here.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/retry"
)

// Suspecter is told of a node that could not be reached, so that it is probed
// now and not at the next interval.
type Suspecter interface {
	Suspect(clusterName string, m cluster.Member)
}

// Config is what a data plane is made of.
type Config struct {
	Clusters []*cluster.Cluster
	Meter    *instance.Meter
	Suspect  Suspecter
	Limits   Limits
	Log      *slog.Logger
	Access   float64 // share of the requests that are logged, 0 to 1
}

// Engine is the data plane. New gives it, Serve runs it on a listener,
// Shutdown drains it, Close ends it.
type Engine struct {
	routes  map[string]*route
	meter   *instance.Meter
	suspect Suspecter
	limits  Limits
	log     *slog.Logger

	clock  clock
	coarse atomic.Int64 // the clock at the last tick
	watch  watch
	access accessLog

	heads, outs, answers *lender
	works                sync.Pool

	mu    sync.Mutex
	pools atomic.Pointer[map[*cluster.Node]*pool] // copied to be changed, under mu

	listener net.Listener // under mu
	serial   uint64       // of the next session; the accepting goroutine's
	draining atomic.Bool
	sessions atomic.Int64
	tunnels  atomic.Int64 // of the sessions
	wait     sync.WaitGroup
	ctx      context.Context // of dials; ended by Close
	cancel   context.CancelFunc
}

// route is the way to one cluster.
type route struct {
	cluster *cluster.Cluster
	budget  *retry.Budget
}

// New gives a data plane, whose watch runs until Close.
func New(c Config) *Engine {
	e := &Engine{
		routes:  make(map[string]*route, len(c.Clusters)),
		meter:   c.Meter,
		suspect: c.Suspect,
		limits:  c.Limits,
		log:     c.Log,
		clock:   newClock(),
		heads:   newLender(headSize),
		outs:    newLender(outSize),
		answers: newLender(answerSize),
	}
	e.works.New = func() any { return new(work) }
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.pools.Store(&map[*cluster.Node]*pool{})
	for _, k := range c.Clusters {
		e.routes[k.Name] = &route{k, retry.NewBudget(e.clock.base)}
	}
	e.access.init(c.Log, c.Access)
	e.watch.init(&e.limits)
	e.watch.wait.Go(e.run)
	return e
}

// Serve takes connections from l until Shutdown or Close, and then gives
// http.ErrServerClosed, as net/http's does.
func (e *Engine) Serve(l net.Listener) error {
	e.mu.Lock()
	if e.draining.Load() {
		e.mu.Unlock()
		l.Close()
		return http.ErrServerClosed
	}
	e.listener = l
	e.mu.Unlock()
	pause := time.Duration(0)
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			e.accept(c)
		case e.draining.Load():
			return http.ErrServerClosed
		case !isTemporary(err):
			return fmt.Errorf("accept: %w", err)
		default:
			// No more descriptors, most likely: some will be free soon.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			e.log.Warn("cannot accept a connection", "error", err, "again", pause)
			select {
			case <-time.After(pause):
			case <-e.ctx.Done():
			}
		}
	}
}

// isTemporary tells of errors of one connection, or that others' ends cure.
func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func (e *Engine) accept(c net.Conn) {
	s, err := newSession(e, c)
	if err != nil {
		c.Close()
		return
	}
	if e.sessions.Add(1) > int64(e.limits.Clients) {
		e.sessions.Add(-1)
		s.turnAway()
		return
	}
	e.serial++
	e.watch.add(s, e.serial)
	e.wait.Go(s.serve)
}

// leave ends a session.
func (e *Engine) leave(s *session) {
	e.watch.remove(s)
	_ = s.tcp.Close()
	e.sessions.Add(-1)
}

// pool gives the connections to a node.
func (e *Engine) pool(n *cluster.Node) *pool {
	if p := (*e.pools.Load())[n]; p != nil {
		return p
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := *e.pools.Load()
	if p := old[n]; p != nil {
		return p
	}
	pools := make(map[*cluster.Node]*pool, len(old)+1)
	for k, p := range old {
		pools[k] = p
	}
	pools[n] = newPool(n.Addr, &e.limits, e.clock)
	e.pools.Store(&pools)
	return pools[n]
}

// forgetAfter is when an empty pool is dropped: its node is probably gone.
const forgetAfter = int64(5 * time.Minute)

// tidy closes what has not been used for long.
func (e *Engine) tidy(now int64) {
	var unused []*cluster.Node
	for n, p := range *e.pools.Load() {
		p.tidy(now)
		if p.unused(now - forgetAfter) {
			unused = append(unused, n)
		}
	}
	if len(unused) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	pools := make(map[*cluster.Node]*pool)
	for n, p := range *e.pools.Load() {
		pools[n] = p
	}
	for _, n := range unused {
		pools[n].end() // who still has it closes what it opens
		delete(pools, n)
	}
	e.pools.Store(&pools)
}

// Shutdown takes no new connection and lets requests in flight end. The next
// answer on a connection is its last one; a connection without a request is
// closed when it has been quiet for Limits.Quiet. Tunnels are cut when nothing
// else is left. When ctx ends before, all is cut, and that is an error.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	e.draining.Store(true)
	if e.listener != nil {
		e.listener.Close()
	}
	e.mu.Unlock()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	var err error
	for e.sessions.Load() > e.tunnels.Load() && err == nil {
		select {
		case <-ctx.Done():
			err = fmt.Errorf("%d connections were still in use: %w", e.sessions.Load()-e.tunnels.Load(), ctx.Err())
		case <-poll.C:
		}
	}
	e.cutAll()
	e.wait.Wait()
	return err
}

// cutAll ends whatever any session waits for.
func (e *Engine) cutAll() {
	e.cancel()
	for e.sessions.Load() > 0 {
		e.watch.each(func(s *session) { s.cut() })
		time.Sleep(time.Millisecond) // a session may have been between two waits
	}
}

// Close ends everything at once.
func (e *Engine) Close() {
	e.mu.Lock()
	e.draining.Store(true)
	if e.listener != nil {
		e.listener.Close()
	}
	e.mu.Unlock()
	e.cutAll()
	e.wait.Wait()
	for _, p := range *e.pools.Load() {
		p.end()
	}
	select {
	case <-e.watch.stop:
	default:
		close(e.watch.stop)
	}
	e.watch.wait.Wait()
}
