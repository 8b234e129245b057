package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/engine"
	"github.com/fairlead/fairlead/proxy/forward"
)

// Names of the data planes that -engine chooses from.
const (
	engineFairlead = "fairlead" // our own HTTP/1.1: package engine
	engineNet      = "net"      // net/http's, the reference: package forward
)

func engines() []string { return []string{engineFairlead, engineNet} }

// planeConfig is what a data plane is made of, whichever it is.
type planeConfig struct {
	engine   string
	answer   time.Duration
	drain    time.Duration
	access   float64
	clusters []*cluster.Cluster
	meter    *instance.Meter
	suspect  groups
	log      *slog.Logger
}

// servePlane runs the data plane and the admin endpoint until ctx ends or one
// of them fails, and drains them in this order.
func servePlane(ctx context.Context, c planeConfig, l net.Listener, admin instance.Server) error {
	if c.engine == engineFairlead {
		return c.serveFairlead(ctx, l, admin)
	}
	limits := forward.DefaultLimits()
	limits.Answer = c.answer
	plane := forward.New(forward.Config{
		Clusters: c.clusters, Meter: c.meter, Suspect: c.suspect, Limits: limits, Now: time.Now, Log: c.log,
	})
	defer plane.Close()
	return instance.Serve(ctx, c.drain, instance.Server{HTTP: newServer(plane, c.log), Listener: l}, admin)
}

func (c *planeConfig) serveFairlead(ctx context.Context, l net.Listener, admin instance.Server) error {
	limits := engine.DefaultLimits()
	limits.Answer = c.answer
	plane := engine.New(engine.Config{Clusters: c.clusters, Meter: c.meter, Suspect: c.suspect, Limits: limits, Log: c.log, Access: c.access})
	defer plane.Close()

	// The admin endpoint outlives the data plane: it tells that it drains.
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	served, control := make(chan error, 1), make(chan error, 1)
	go func() { served <- plane.Serve(l) }()
	go func() { control <- instance.Serve(beside, c.drain, admin) }()
	var errs []error
	running := true
	select {
	case <-ctx.Done():
	case err := <-control:
		errs, running = append(errs, err), false
	case err := <-served:
		errs = append(errs, fmt.Errorf("server: %w", err))
		served <- http.ErrServerClosed // it has been taken note of
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.drain)
	defer cancel()
	if err := plane.Shutdown(limit); err != nil {
		errs = append(errs, fmt.Errorf("requests on %s were still running after %s: %w", l.Addr(), c.drain, err))
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, fmt.Errorf("server: %w", err))
	}
	stop()
	if running {
		errs = append(errs, <-control)
	}
	return errors.Join(errs...)
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: slowestHead,
		IdleTimeout:       idleClient,
		MaxHeaderBytes:    largestHead,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}
