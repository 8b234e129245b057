// Package forward is the proxy's data plane: it takes clients' requests,
// routes them by the first segment of their path to a cluster, sends each to
// the node that the cluster's strategy chooses, and the answer back.
//
// HTTP itself is done by net/http/httputil's ReverseProxy; nothing outside
// this package knows that.
package forward

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/refusal"
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
	Now      func() time.Time
	Log      *slog.Logger // of net/http's complaints about single connections
}

// Proxy is the data plane. It is an http.Handler.
type Proxy struct {
	routes    map[string]*route
	transport *http.Transport
	meter     *instance.Meter
	now       func() time.Time
	recorders sync.Pool
}

// route is the way to one cluster.
type route struct {
	cluster *cluster.Cluster
	reverse *httputil.ReverseProxy
}

// New gives a data plane. Close ends its connections to the nodes.
func New(c Config) *Proxy {
	p := &Proxy{
		routes:    make(map[string]*route, len(c.Clusters)),
		transport: newTransport(c.Limits),
		meter:     c.Meter,
		now:       c.Now,
		recorders: sync.Pool{New: func() any { return new(recorder) }},
	}
	complaints := slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn)
	buffers := newBuffers()
	for _, k := range c.Clusters {
		p.routes[k.Name] = &route{k, &httputil.ReverseProxy{
			Rewrite:        rewrite,
			Transport:      &balanced{cluster: k, next: p.transport, budget: retry.NewBudget(c.Now()), suspect: c.Suspect, now: c.Now},
			ModifyResponse: markResponse,
			ErrorHandler:   func(w http.ResponseWriter, r *http.Request, err error) { fail(w, r, k.Name, err) },
			ErrorLog:       complaints,
			BufferPool:     buffers,
		}}
	}
	return p
}

// Close closes the idle connections to the nodes.
func (p *Proxy) Close() { p.transport.CloseIdleConnections() }

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	route := p.routes[name]
	if route == nil || !strings.HasPrefix(r.URL.Path, "/") {
		status, body := refusal.NotFound()
		write(w, status, body)
		return
	}
	p.meter.Begin()
	rec := p.recorders.Get().(*recorder)
	rec.ResponseWriter, rec.status = w, 0
	start := p.now()
	finished := false
	// ReverseProxy panics with http.ErrAbortHandler when an answer breaks off
	// after its head was sent; then the client has seen an error as well.
	defer func() {
		failed := (!finished || isFailure(rec.status)) && r.Context().Err() == nil
		rec.ResponseWriter = nil
		p.recorders.Put(rec)
		p.meter.End(failed)
		route.cluster.Served(p.now().Sub(start), failed)
	}()
	route.reverse.ServeHTTP(rec, r)
	finished = true
}

// recorder remembers the status that was sent. ReverseProxy finds the methods
// for flushing and hijacking through Unwrap.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status // of several, 1xx come first
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// isFailure tells which answers count against a node, and as errors.
func isFailure(status int) bool {
	return status >= http.StatusInternalServerError || status == http.StatusTooManyRequests
}

// via is what this proxy adds to the Via field (RFC 9110, section 7.6.3).
const via = "1.1 fairlead"

// rewrite completes the request for a node. Its host is set by the choice of
// the node; path, query and the Host field stay as the client sent them.
// X-Forwarded-* from outside are not believed: ReverseProxy has dropped them.
func rewrite(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme = "http"
	// ReverseProxy takes out what it cannot parse, for the sake of proxies that
	// decide by the query. This one does not look at it.
	r.Out.URL.RawQuery = r.In.URL.RawQuery
	r.SetXForwarded()
	appendVia(r.Out.Header)
}

func markResponse(r *http.Response) error {
	appendVia(r.Header)
	return nil
}

func appendVia(h http.Header) {
	if earlier := h.Values("Via"); len(earlier) > 0 {
		h.Set("Via", strings.Join(earlier, ", ")+", "+via)
		return
	}
	h["Via"] = viaOnly
}

// viaOnly is shared by all messages without an earlier Via; nothing that gets
// a header from here changes a value in place.
var viaOnly = []string{via}
