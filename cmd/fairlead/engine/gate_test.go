package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

// gate stands between the functions' processes and the Runtime API. It can keep
// an event from a function: to Step Functions the function runs then, and none
// of its code has.
type gate struct {
	*httptest.Server
	t *testing.T

	mu    sync.Mutex
	holds []*hold
	calls map[string]*call // what the functions have not answered, by request id
	idle  *sync.Cond       // calls has changed
}

// call is an event and what keeps it.
type call struct {
	event
	by []*hold
}

// kept tells whether the function does not have its event yet.
func (c *call) kept() bool { return slices.ContainsFunc(c.by, func(h *hold) bool { return !h.open }) }

// event is what a function is asked, as far as it tells calls apart.
type event struct {
	handler        string
	Op, Run, Group string
	Execution      string
}

// hold keeps the events that match it until it is released.
type hold struct {
	match    func(event) bool
	wait     int           // for so many events, and one if it is 0
	reached  chan struct{} // closed when they are kept
	open     bool          // under the gate's mu: the events are let through
	released chan struct{} // closed then
	kept     int           // events so far, under the gate's mu
}

func (g *gate) release(h *hold) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !h.open {
		h.open = true
		close(h.released)
	}
}

func newGate(t *testing.T) *gate {
	g := &gate{t: t, calls: map[string]*call{}}
	g.idle = sync.NewCond(&g.mu)
	g.Server = httptest.NewServer(g)
	t.Cleanup(func() {
		for _, h := range g.holds {
			g.release(h)
		}
		g.CloseClientConnections() // of functions that wait for their next event
		g.Close()
	})
	return g
}

// bootstrap starts a function so that it asks the gate for its events.
func (g *gate) bootstrap() string {
	return fmt.Sprintf(`export AWS_LAMBDA_RUNTIME_API=%s/$_HANDLER/$AWS_LAMBDA_RUNTIME_API; exec "$PROGRAM"`, g.Listener.Addr())
}

func (g *gate) hold(match func(event) bool) *hold {
	h := &hold{match: match, reached: make(chan struct{}), released: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds = append(g.holds, h)
	return h
}

// settled waits until every function has answered its events that match, but
// for those that are kept from it. One that never answers is ended by its time.
func (g *gate) settled(match func(event) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		busy := false
		for _, c := range g.calls {
			busy = busy || !c.kept() && match(c.event)
		}
		if !busy {
			return
		}
		g.idle.Wait()
	}
}

// ServeHTTP forwards /<handler>/<address and path of the Runtime API>.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handler, to, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the process is gone
	}
	forward, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+to, bytes.NewReader(body))
	if err != nil {
		g.t.Error(err)
		return
	}
	forward.Header = r.Header
	answer, err := http.DefaultTransport.RoundTrip(forward)
	if err != nil {
		return // the process is gone, or the cloud
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return
	}
	id := answer.Header.Get("Lambda-Runtime-Aws-Request-Id")
	if strings.HasSuffix(to, "/invocation/next") && id != "" {
		g.keep(handler, id, content)
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = w.Write(content)
	if parts := strings.Split(to, "/"); r.Method == http.MethodPost && len(parts) > 2 {
		g.mu.Lock()
		delete(g.calls, parts[len(parts)-2]) // …/invocation/<id>/response or …/error
		g.mu.Unlock()
		g.idle.Broadcast()
	}
}

// keep notes an event, and waits while it is held.
func (g *gate) keep(handler, id string, payload []byte) {
	e := event{handler: handler}
	if err := json.Unmarshal(payload, &e); err != nil {
		g.t.Errorf("%s is given %s: %v", handler, payload, err)
	}
	if e.Run == "" && e.Execution != "" {
		e.Run = bench.RunID(e.Execution)
	}
	c := &call{event: e}
	g.mu.Lock()
	g.calls[id] = c
	for _, h := range g.holds {
		if h.match(e) {
			c.by = append(c.by, h)
			if h.kept++; h.kept == max(1, h.wait) {
				close(h.reached)
			}
		}
	}
	g.mu.Unlock()
	for _, h := range c.by {
		<-h.released
	}
}
