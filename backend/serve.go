package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/fairlead/fairlead/internal/instance"
)

const (
	// slowestHead is how long a client may take to send a request's head.
	slowestHead = 10 * time.Second

	// idleClient is longer than a balancer keeps its connections (the proxy
	// 60 s, an ALB 60 s), so that the balancer closes first and never sends a
	// request into a connection that is being closed.
	idleClient = 2 * time.Minute

	largestHead = 64 << 10

	// logEvery is how long a line of the request log may wait.
	logEvery = time.Second

	// garbage lets the heap grow to five times what lives, which is a few MB:
	// what is measured is the work asked for, not the collector. GOGC
	// overrides it.
	garbage = 400
)

// serve runs the application until ctx ends and the last requests are answered.
func serve(ctx context.Context, o options, m instance.Metadata, stdout io.Writer) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	me, err := instance.Locate(ctx, m, o.instance, o.listen != "", "-instance and -listen")
	if err != nil {
		return err
	}
	listener, err := instance.Listen(ctx, address(o, me))
	if err != nil {
		return err
	}
	out := newBuffered(stdout)
	log := slog.New(slog.NewTextHandler(out, nil))
	meter := new(instance.Meter)
	recorder := instance.NewRecorder(me, meter, instance.ProcessUsage, time.Now())

	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wait sync.WaitGroup
	wait.Go(func() { recorder.Run(beside) })
	wait.Go(func() { out.run(beside, logEvery) })

	log.Info("serving", "instance", me.ID, "cluster", o.cluster, "address", listener.Addr())
	err = instance.Serve(ctx, o.drain, instance.Server{Listener: listener, HTTP: &http.Server{
		Handler:           newApp(me, o.cluster, o.limits, meter, recorder, log).handler(),
		ReadHeaderTimeout: slowestHead,
		IdleTimeout:       idleClient,
		MaxHeaderBytes:    largestHead,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}})
	log.Info("stopped", "requests", meter.Requests())
	stop()
	wait.Wait()
	return errors.Join(err, out.flush())
}
