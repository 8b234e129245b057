package forward

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// answer is the body of a node's response. It gives the node back to its
// cluster when the body has ended, whichever way.
type answer struct {
	io.ReadCloser
	from    *balanced
	client  context.Context
	node    *cluster.Node
	start   time.Time
	failure bool // by its status
	told    strategy.Load
	done    bool
}

// follow wraps the response's body. ReverseProxy reads and closes it from one
// goroutine at a time.
func (b *balanced) follow(res *http.Response, client context.Context, node *cluster.Node, start time.Time) io.ReadCloser {
	told, _ := cluster.ParseLoad([]byte(res.Header.Get(cluster.LoadHeader)))
	a := &answer{res.Body, b, client, node, start, isFailure(res.StatusCode), told, false}
	if conn, ok := res.Body.(io.ReadWriteCloser); ok && res.StatusCode == http.StatusSwitchingProtocols {
		// The time until a tunnel closes says nothing about the node's speed.
		a.end(strategy.Success)
		return conn
	}
	return a
}

func (a *answer) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		a.end(strategy.Success)
	case a.client.Err() != nil:
		a.end(strategy.Abandoned)
	default:
		a.end(strategy.Failure) // broke off
	}
	return n, err
}

// Close before the end means that the client does not take any more.
func (a *answer) Close() error {
	a.end(strategy.Abandoned)
	return a.ReadCloser.Close()
}

func (a *answer) end(r strategy.Result) {
	if a.done {
		return
	}
	a.done = true
	if a.failure && r == strategy.Success {
		r = strategy.Failure
	}
	now := a.from.now()
	a.from.cluster.ReleaseTold(now, a.node, now.Sub(a.start), r, a.told)
}
