package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"

	"github.com/fairlead/fairlead/internal/fleet"
	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/admin"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/discovery"
	"github.com/fairlead/fairlead/proxy/health"
	"github.com/fairlead/fairlead/proxy/metrics"
	"github.com/fairlead/fairlead/proxy/strategy"
)

const (
	// slowestHead is how long a client may take to send a request's head.
	slowestHead = 10 * time.Second
	// idleClient is how long a client's connection is kept without a request.
	idleClient = 2 * time.Minute
	// largestHead is the most that a request's head may hold.
	largestHead = 64 << 10

	// leastPenalty is what a failed request counts as, at least (see
	// strategy.Options).
	leastPenalty = 5 * time.Second

	// garbage lets the heap grow to five times what lives: it is a few MB,
	// and the time is better spent on requests. GOGC overrides it.
	garbage = 400
)

// serve runs the proxy until ctx ends and the last requests are answered.
func serve(ctx context.Context, o options, m instance.Metadata, log *slog.Logger) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	me, err := instance.Locate(ctx, m, o.instance, o.listen != "" && o.admin != "", "-instance, -listen and -admin")
	if err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		if cfg.Region, err = instance.Region(ctx, m); err != nil {
			return fmt.Errorf("no region: AWS_REGION is not set and %w", err)
		}
	}
	clusters, err := newClusters(o)
	if err != nil {
		return err
	}
	dataAddr, adminAddr := addresses(o, me)
	dataListener, err := instance.Listen(ctx, dataAddr)
	if err != nil {
		return err
	}
	adminListener, err := instance.Listen(ctx, adminAddr)
	if err != nil {
		return errors.Join(err, dataListener.Close())
	}

	prober := health.NewHTTP()
	defer prober.Close()
	all := make(groups, len(clusters))
	for _, c := range clusters {
		all[c.Name] = newGroup(c, prober, log)
	}
	defer all.close()

	meter := new(instance.Meter)
	recorder := instance.NewRecorder(me, meter, instance.ProcessUsage, time.Now())
	publisher := metrics.NewPublisher(cloudwatch.NewFromConfig(cfg), o.stack, clusters, outage(log, "CloudWatch"))
	source := &tagged{fleet.New(cfg), o.stack, o.run, o.clusters}

	// What works beside the servers ends after them: while they drain, nodes
	// are still probed and what happens is still counted.
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wait sync.WaitGroup
	defer wait.Wait()
	defer stop()
	wait.Go(func() { recorder.Run(beside) })
	wait.Go(func() { publisher.Run(beside) })
	wait.Go(func() {
		discovery.Run(beside, discovery.Defaults(), source, discovery.Callbacks{
			Found: func(nodes map[string][]discovery.Node) {
				for name, g := range all {
					g.found(nodes[name], o.nodePort)
				}
			},
			Outage:  outage(log, "EC2"),
			Settled: all.settled,
		})
	})

	var draining atomic.Bool
	context.AfterFunc(ctx, func() { draining.Store(true) })
	control := admin.New(admin.Config{
		Clusters: clusters, Recorder: recorder, Metrics: metrics.Handler(clusters, meter), Draining: draining.Load, Log: log,
	})
	log.Info("serving", "instance", me.ID, "clients", dataListener.Addr(), "admin", adminListener.Addr(),
		"stack", o.stack, "run", o.run, "clusters", o.clusters, "strategy", o.strategy, "engine", o.engine)
	err = servePlane(ctx, planeConfig{o.engine, o.answer, o.drain, o.access, clusters, meter, all, log},
		dataListener, instance.Server{HTTP: newServer(control, log), Listener: adminListener})
	log.Info("stopped", "requests", meter.Requests())
	return err
}

func newClusters(o options) ([]*cluster.Cluster, error) {
	clusters := make([]*cluster.Cluster, len(o.clusters))
	for i, name := range o.clusters {
		c, err := cluster.New(name, o.strategy, strategy.Options{
			Rand:    rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
			Penalty: max(leastPenalty, o.answer),
		})
		if err != nil {
			return nil, err
		}
		clusters[i] = c
	}
	return clusters, nil
}

// outage logs that an API has begun to fail, and that it works again.
func outage(log *slog.Logger, api string) func(error) {
	return func(err error) {
		if err != nil {
			log.Warn("API fails, going on with what is known", "api", api, "error", err)
		} else {
			log.Info("API works again", "api", api)
		}
	}
}
