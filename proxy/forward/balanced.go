package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// mostTries is how many nodes one request is sent to at most.
const mostTries = 3

// balanced sends a request to a node of its cluster, and to another one if
// that can do no harm: when nothing of it was sent, or when it is idempotent
// and broke off before any answer (RFC 9110, section 9.2.2). A node that is
// slow to answer is not a reason: repeating would double the load of a
// cluster that has too much already.
type balanced struct {
	cluster *cluster.Cluster
	next    http.RoundTripper
	budget  *budget
	suspect Suspecter
	now     func() time.Time
}

// RoundTrip's error is *cluster.NoNodeError or *tryError, which names the node
// and wraps the cause.
func (b *balanced) RoundTrip(out *http.Request) (*http.Response, error) {
	b.budget.deposit(b.now())
	hasBody := shield(out)
	var tries [mostTries]*cluster.Node
	var last error
	for i := 0; ; i++ {
		node, err := b.cluster.Acquire(b.now(), tries[:i]...)
		if err != nil {
			if last != nil {
				return nil, last // what happened on the node says more than that there is no other
			}
			return nil, err
		}
		if i > 0 {
			out = again(out)
		}
		out.URL.Host = node.Addr
		start := b.now()
		res, err := b.next.RoundTrip(out)
		if err == nil {
			res.Body = b.follow(res, out.Context(), node, start)
			return res, nil
		}
		b.cluster.Release(b.now(), node, b.now().Sub(start), resultOf(out.Context(), err))
		last = &tryError{node.ID, err}
		if out.Context().Err() != nil {
			return nil, last
		}
		unsent := isDialError(err)
		if unsent {
			b.suspect.Suspect(b.cluster.Name, node.Member)
		}
		tries[i] = node
		// Without a connection nothing was read of the body either. After
		// that, how much of it has gone is not known.
		harmless := unsent || !hasBody && isIdempotent(out) && !isTimeout(err)
		if i+1 == mostTries || !harmless || !b.budget.spend(b.now()) {
			return nil, last
		}
	}
}

// again copies a request for the next node: what the failed try has left
// behind may still be reading the old one.
func again(r *http.Request) *http.Request {
	c := *r
	u := *r.URL
	c.URL = &u
	return &c
}

// tryError is what happened to a request on a node.
type tryError struct {
	node string
	err  error
}

func (e *tryError) Error() string { return e.node + ": " + e.err.Error() }
func (e *tryError) Unwrap() error { return e.err }

func resultOf(client context.Context, err error) strategy.Result {
	if client.Err() != nil || errors.Is(err, context.Canceled) {
		return strategy.Abandoned
	}
	return strategy.Failure
}

func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

func isIdempotent(r *http.Request) bool {
	return slices.Contains([]string{"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}, r.Method)
}

// shielded is a request body that a failed try cannot close, so that another
// node can still be sent it. The server closes the body itself when the
// request is over.
type shielded struct{ io.Reader }

func (shielded) Close() error { return nil }

// shield puts the request's body, if it has one, behind a shielded one.
func shield(r *http.Request) (hasBody bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return false
	}
	r.Body = shielded{r.Body}
	return true
}
