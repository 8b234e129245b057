package forward

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/refusal"
	"github.com/fairlead/fairlead/proxy/retry"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// balanced sends a request to a node of its cluster, and to another one if
// that can do no harm: when nothing of it was sent, or when it is idempotent
// and broke off before any answer (RFC 9110, section 9.2.2). A node that is
// slow to answer is not a reason: repeating would double the load of a
// cluster that has too much already.
type balanced struct {
	cluster *cluster.Cluster
	next    http.RoundTripper
	budget  *retry.Budget
	suspect Suspecter
	now     func() time.Time
}

// RoundTrip's error is *cluster.NoNodeError or *refusal.TryError, which names the node
// and wraps the cause.
func (b *balanced) RoundTrip(out *http.Request) (*http.Response, error) {
	b.budget.Deposit(b.now())
	hasBody := shield(out)
	var tries [retry.MostTries]*cluster.Node
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
		last = &refusal.TryError{Node: node.ID, Err: err}
		if out.Context().Err() != nil {
			return nil, last
		}
		unsent := refusal.IsDial(err)
		if unsent {
			b.suspect.Suspect(b.cluster.Name, node.Member)
		}
		tries[i] = node
		// Without a connection nothing was read of the body either. After
		// that, how much of it has gone is not known.
		harmless := unsent || !hasBody && retry.Idempotent(out.Method) && !refusal.IsTimeout(err)
		if i+1 == retry.MostTries || !harmless || !b.budget.Spend(b.now()) {
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

func resultOf(client context.Context, err error) strategy.Result {
	if client.Err() != nil || errors.Is(err, context.Canceled) {
		return strategy.Abandoned
	}
	return strategy.Failure
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
