// Package admin is the proxy's second port: what may change it and tell about
// it, apart from the clients' traffic.
//
//	PUT  /strategy  {"strategy":"p2c"} → 200 {"strategy":"p2c"}, or 400 with the names that exist
//	POST /reset     sets the figures of each node to zero → 204
//	POST /trace     {"picks":100,"every":1} → 204; records why the next picks of each cluster are made; 0 picks ends it
//	GET  /trace     → Traces
//	GET  /stats     ?since=<unix seconds> → Stats
//	GET  /healthz   200 while it serves, 503 while it drains
//	GET  /metrics   Prometheus
package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// Config is what the endpoint tells about and acts on.
type Config struct {
	Clusters []*cluster.Cluster
	Recorder *instance.Recorder
	Metrics  http.Handler
	Draining func() bool
	Log      *slog.Logger
}

// Stats is the answer of GET /stats.
type Stats struct {
	instance.Stats
	Strategy string                  `json:"strategy"`
	Clusters map[string]ClusterStats `json:"clusters"`
}

// ClusterStats are the nodes of one cluster, in the order of their ids.
type ClusterStats struct {
	Nodes   []cluster.NodeStats `json:"nodes"`
	Herding cluster.Herding     `json:"herding"` // since the last reset
}

// New gives the handler of the admin port.
func New(c Config) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /strategy", c.setStrategy)
	mux.HandleFunc("POST /reset", c.reset)
	mux.HandleFunc("POST /trace", c.startTrace)
	mux.HandleFunc("GET /trace", c.traces)
	mux.HandleFunc("GET /stats", c.stats)
	mux.HandleFunc("GET /healthz", c.healthz)
	mux.Handle("GET /metrics", c.Metrics)
	return mux
}

// mostBody is the largest body that is read; the ones that mean something
// have some 30 bytes.
const mostBody = 4 << 10

func (c Config) setStrategy(w http.ResponseWriter, r *http.Request) {
	var want struct {
		Strategy string `json:"strategy"`
	}
	if err := decode(w, r, &want); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{
			"error": fmt.Sprintf(`the body is not {"strategy": "<name>"}: %v`, err), "strategies": strategy.Names(),
		})
		return
	}
	for _, k := range c.Clusters {
		// A name that one cluster refuses, all refuse: nothing is half done.
		if err := k.SetStrategy(want.Strategy); err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"error": err.Error(), "strategies": strategy.Names()})
			return
		}
	}
	c.Log.Info("strategy set", "strategy", want.Strategy, "by", r.RemoteAddr)
	answer(w, http.StatusOK, want)
}

// decode reads the body, which is one JSON value of the form of want.
func decode(w http.ResponseWriter, r *http.Request, want any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody))
	d.DisallowUnknownFields()
	if err := d.Decode(want); err != nil {
		return err
	}
	if _, end := d.Token(); !errors.Is(end, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

func (c Config) reset(w http.ResponseWriter, _ *http.Request) {
	for _, k := range c.Clusters {
		k.Reset()
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c Config) stats(w http.ResponseWriter, r *http.Request) {
	since, err := instance.Since(r)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"error": err.Error()})
		return
	}
	s := Stats{Stats: c.Recorder.Stats(since), Clusters: make(map[string]ClusterStats, len(c.Clusters))}
	for _, k := range c.Clusters {
		s.Strategy = k.Strategy()
		s.Clusters[k.Name] = ClusterStats{k.Nodes(), k.Herding()}
	}
	answer(w, http.StatusOK, s)
}

func (c Config) healthz(w http.ResponseWriter, _ *http.Request) {
	type count struct {
		Healthy int `json:"healthy"`
		Nodes   int `json:"nodes"`
	}
	clusters := make(map[string]count, len(c.Clusters))
	for _, k := range c.Clusters {
		healthy, present := k.Healthy()
		clusters[k.Name] = count{healthy, present}
	}
	status, word := http.StatusOK, "ok"
	if c.Draining() {
		status, word = http.StatusServiceUnavailable, "draining"
	}
	answer(w, status, map[string]any{"status": word, "clusters": clusters})
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	text = append(text, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // an error means that the client is gone
}
