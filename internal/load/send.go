package load

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// predial opens the connections that the load begins with, a few at a time so
// that a listener's queue is not what is measured. What fails or is not there
// by the limit is opened again by the request that needs it, and if that fails
// too, that request has failed.
func (w *worker) predial(ctx context.Context, limit time.Time) {
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	n := warmSockets(w.load, w.spec.Aim.Shards, w.spec.Shard)
	next := make(chan int)
	var dials sync.WaitGroup
	for range min(n, 32) {
		dials.Go(func() {
			for i := range next {
				if c, err := w.conns.dial(ctx, w.endpoint(i)); err == nil {
					w.conns.put(c, time.Now())
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	dials.Wait()
}

// endpoint is the one that the shard's i-th request goes to. All shards of a
// burst or a closed load together use the endpoints exactly in turn.
func (w *worker) endpoint(i int) int {
	a := w.spec.Aim
	first := w.spec.Shard
	switch w.load.Kind {
	case bench.LoadBurst:
		first, _ = share(w.load.Requests, a.Shards, w.spec.Shard)
	case bench.LoadClosed:
		first, _ = share(w.load.Concurrency, a.Shards, w.spec.Shard)
	}
	return (first + i) % len(a.Endpoints)
}

// burst sends everything at once. One goroutine writes the requests one after
// the other, which takes microseconds each; others read the answers.
func (w *worker) burst(ctx context.Context) {
	_, n := share(w.load.Requests, w.spec.Aim.Shards, w.spec.Shard)
	w.rec.planned(n)
	for i := 0; i < n && ctx.Err() == nil; i++ {
		w.send(ctx, w.endpoint(i), time.Time{})
	}
}

// rate sends on the schedule and never waits for an answer.
func (w *worker) rate(ctx context.Context) {
	i := 0
	for at := range arrivals(w.load, w.spec.Aim.Shards, w.spec.Shard, w.spec.Aim.Trial.Seed) {
		w.rec.planned(1)
		if ctx.Err() != nil {
			continue // the plan is counted to its end
		}
		intended := w.spec.Aim.T0.Add(at)
		if w.seams.wait(ctx, intended) != nil {
			continue
		}
		w.send(ctx, w.endpoint(i), intended)
		i++
	}
}

// send lets one request go and returns at once; the answer is awaited by a
// goroutine of its own.
func (w *worker) send(ctx context.Context, endpoint int, intended time.Time) {
	now := time.Now()
	c := w.conns.take(endpoint, now)
	if c == nil {
		// Opening the connection is part of what this request waits for.
		w.sends.Go(func() { w.sendCold(ctx, endpoint, intended, now) })
		return
	}
	err := w.write(c, now)
	w.sends.Go(func() { w.await(c, intended, now, err) })
}

func (w *worker) sendCold(ctx context.Context, endpoint int, intended, now time.Time) (ok bool) {
	dialing, cancel := context.WithDeadline(ctx, now.Add(w.timeout))
	c, err := w.conns.dial(dialing, endpoint)
	cancel()
	if errors.Is(err, errCap) {
		w.rec.overCap()
		return false
	}
	if err != nil {
		w.rec.add(w.failed(endpoint, intended, now, err))
		return false
	}
	return w.await(c, intended, now, w.write(c, now))
}

func (w *worker) write(c *conn, now time.Time) error {
	// An aborted connection is closed, so this cannot extend its life.
	if err := c.SetDeadline(now.Add(w.timeout)); err != nil {
		return err
	}
	_, err := c.Write(w.conns.requests[c.endpoint])
	return err
}

// await reads the answer, records the outcome and gives the connection back.
func (w *worker) await(c *conn, intended, sent time.Time, err error) (ok bool) {
	var a answer
	if err == nil {
		a, err = c.receive()
	}
	if err != nil {
		w.rec.add(w.failed(c.endpoint, intended, sent, err))
		w.conns.drop(c)
		return false
	}
	done := time.Now()
	node := c.node
	if len(node) == 0 {
		node = []byte(w.conns.endpoints[c.endpoint].Node)
	}
	w.rec.add(outcome{intended: intended, sent: sent, done: done, status: a.status, bytes: a.bytes, node: node})
	if a.keep && c.read.Buffered() == 0 {
		w.conns.put(c, done)
	} else {
		w.conns.drop(c)
	}
	return true
}

func (w *worker) failed(endpoint int, intended, sent time.Time, err error) outcome {
	failure := failureOf(err)
	if w.conns.stopped() {
		failure = FailureCancelled
	}
	return outcome{intended: intended, sent: sent, done: time.Now(), failure: failure,
		node: []byte(w.conns.endpoints[endpoint].Node)}
}

// Why a request had no answer: the keys of Counts.Failures.
const (
	FailureTimeout     = "timeout"     // nothing within the load's timeout
	FailureRefused     = "refused"     // nobody listens
	FailureReset       = "reset"       // the peer broke the connection off
	FailureClosed      = "closed"      // the peer ended it without a whole answer
	FailureUnreachable = "unreachable" // no way to the address, or no such name
	FailureMalformed   = "malformed"   // the answer is not HTTP/1.1
	FailureSockets     = "sockets"     // this worker's own: descriptors or ports ran out
	FailureCancelled   = "cancelled"   // this worker was stopped first
	FailureOther       = "other"
)

func failureOf(err error) string {
	var name *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe), errors.Is(err, context.Canceled):
		return FailureCancelled
	case errors.Is(err, syscall.ECONNREFUSED):
		return FailureRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return FailureReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return FailureClosed
	case errors.Is(err, errMalformed):
		return FailureMalformed
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.EADDRNOTAVAIL):
		return FailureSockets
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.As(err, &name):
		return FailureUnreachable
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return FailureTimeout
	}
	return FailureOther
}
