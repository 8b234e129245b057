package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/internal/rif"
)

// Headers in which each answer names where it comes from.
const (
	nodeHeader    = "X-Fairlead-Node"
	clusterHeader = "X-Fairlead-Cluster"
)

// app is the application: everything but /health, /load and /stats.
type app struct {
	me       instance.Identity
	cluster  string
	limits   limits
	meter    *instance.Meter
	recorder *instance.Recorder
	load     rif.Estimator
	log      *slog.Logger   // of requests
	chance   func() float64 // from 0 to 1, safe for concurrent use
}

func newApp(me instance.Identity, cluster string, l limits, m *instance.Meter, r *instance.Recorder, log *slog.Logger) *app {
	return &app{me: me, cluster: cluster, limits: l, meter: m, recorder: r, chance: rand.Float64,
		log: log.With("instance", me.ID, "cluster", cluster)}
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", a.serve)
	mux.HandleFunc("GET /health", a.health)
	mux.HandleFunc("GET /load", a.tellLoad)
	mux.HandleFunc("GET /stats", a.stats)
	return mux
}

// reply is the body of every answer. Padding, when asked for, is its last member.
type reply struct {
	Instance string    `json:"instance"`
	Cluster  string    `json:"cluster"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Work     *asked    `json:"work,omitempty"`
	Hash     string    `json:"hash,omitempty"` // result of the CPU work
	Error    string    `json:"error,omitempty"`
	Mistakes []mistake `json:"mistakes,omitempty"`
}

// asked is the work in the words of the query.
type asked struct {
	CPU   string  `json:"cpu"`
	Sleep string  `json:"sleep"`
	Bytes int64   `json:"bytes"`
	Fail  float64 `json:"fail"`
}

func (a *app) serve(w http.ResponseWriter, r *http.Request) {
	a.meter.Begin()
	found, start := a.load.Begin(), time.Now()
	status := a.answer(w, r)
	failed := status >= http.StatusInternalServerError
	now := time.Now()
	a.load.End(now, found, now.Sub(start), failed || status == statusGone)
	a.meter.End(failed)
	a.log.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Int("status", status),
		slog.Float64("ms", float64(now.Sub(start).Microseconds())/1e3), slog.Int64("inFlight", a.meter.InFlight()))
}

// statusGone is logged for a request whose client left before the answer. It
// is never sent; the number is the one that nginx made usual.
const statusGone = 499

// answer does the work and gives the status.
func (a *app) answer(w http.ResponseWriter, r *http.Request) int {
	body := reply{Instance: a.me.ID, Cluster: a.cluster, Method: r.Method, Path: r.URL.Path}
	work, wrong := parseWork(r.URL.RawQuery, a.limits)
	if wrong != nil {
		body.Error, body.Mistakes = "the work asked for is wrong or beyond the limits", wrong
		return a.reply(w, http.StatusBadRequest, body, 0)
	}
	body.Work = &asked{work.cpu.String(), work.sleep.String(), work.bytes, work.fail}
	// A failure comes at once, as that of a broken instance does: the hard
	// case for a balancer that likes quick answers.
	if work.fail > 0 && a.chance() < work.fail {
		body.Error = "failed as asked"
		return a.reply(w, http.StatusInternalServerError, body, 0)
	}
	if work.cpu > 0 {
		body.Hash = strconv.FormatUint(burn(r.Context(), work.cpu), 16)
	}
	if !pause(r.Context(), work.sleep) {
		return statusGone
	}
	return a.reply(w, http.StatusOK, body, work.bytes)
}

// pause sleeps and tells whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// reply is write with the node's load, for the answers to requests that count.
func (a *app) reply(w http.ResponseWriter, status int, body any, padding int64) int {
	w.Header().Set(loadHeader, a.telling(1))
	return a.write(w, status, body, padding)
}

// write sends body with so many bytes of padding, and gives the status.
func (a *app) write(w http.ResponseWriter, status int, body any, padding int64) int {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and numbers
	}
	open, shut := text[:len(text)-1], "}\n"
	if padding > 0 {
		open, shut = append(open, `,"padding":"`...), `"}`+"\n"
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.FormatInt(int64(len(open))+padding+int64(len(shut)), 10))
	h.Set(nodeHeader, a.me.ID)
	h.Set(clusterHeader, a.cluster)
	w.WriteHeader(status)
	// Errors from here on mean that the client is gone.
	_, _ = w.Write(open)
	if padding > 0 {
		if _, err := io.CopyN(w, dots{}, padding); err != nil {
			return statusGone
		}
	}
	_, _ = io.WriteString(w, shut)
	return status
}

// dots is an endless text for padding.
type dots struct{}

const someDots = 4 << 10

func (dots) Read(p []byte) (int, error) { return copy(p, dotted), nil }

var dotted = strings.Repeat(".", someDots)

// health answers the probes. It is neither counted nor logged.
func (a *app) health(w http.ResponseWriter, _ *http.Request) {
	a.write(w, http.StatusOK, struct {
		Status   string `json:"status"`
		Instance string `json:"instance"`
		Cluster  string `json:"cluster"`
	}{"ok", a.me.ID, a.cluster}, 0)
}

// stats tells what the process did each second; see instance.Stats.
func (a *app) stats(w http.ResponseWriter, r *http.Request) {
	since, err := instance.Since(r)
	if err != nil {
		a.write(w, http.StatusBadRequest, struct {
			Error string `json:"error"`
		}{err.Error()}, 0)
		return
	}
	a.write(w, http.StatusOK, a.recorder.Stats(since), 0)
}
