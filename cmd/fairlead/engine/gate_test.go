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
	under map[string]event // way of events that a function has, by request id
	idle  *sync.Cond       // under has changed
}

// event is what a function is asked, as far as it tells calls apart.
type event struct {
	handler        string
	Op, Run, Group string
	Execution      string
}

// hold keeps the events that match it until it is released.
type hold struct {
	match    func(event) bool
	reached  chan struct{} // closed when the first event is kept
	once     sync.Once
	released chan struct{}
}

func (h *hold) release() { close(h.released) }

func newGate(t *testing.T) *gate {
	g := &gate{t: t, under: map[string]event{}}
	g.idle = sync.NewCond(&g.mu)
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
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

// settled waits until no function has an event that matches.
func (g *gate) settled(match func(event) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		busy := false
		for _, e := range g.under {
			busy = busy || match(e)
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
		delete(g.under, parts[len(parts)-2]) // …/invocation/<id>/response or …/error
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
	g.mu.Lock()
	g.under[id] = e
	holds := slices.Clone(g.holds)
	g.mu.Unlock()
	for _, h := range holds {
		if h.match(e) {
			h.once.Do(func() { close(h.reached) })
			<-h.released
		}
	}
}
