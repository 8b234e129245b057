// Command bench compares the proxy with others, in front of the same nodes:
//
//	go run ./proxy/bench [-json] [-seconds 2] [-rounds 5] [-connections 64] [-only fairlead,nginx]
//
// Every proxy gets the same core for itself, and only one has work at a time.
// Another core is shared by the clients and two nodes that answer 100 bytes
// (both are the bed, one thread: bed_linux.go). In each round, in an order
// that is drawn anew, each proxy is first saturated by a closed load, which
// gives its throughput and the CPU time of a request, and then loaded at half
// of that, open loop with random arrivals, which gives its latency; the same
// load straight to the nodes gives what the proxy has added. The medians of the
// rounds are reported, and the medians of the rounds' ratios to fairlead.
//
// HAProxy, nginx and Express with axios take part where they are installed.
// Everything runs on loopback addresses; it needs Linux and two cores.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// options are the flags.
type options struct {
	json        bool
	seconds     float64
	rounds      int
	connections int
	only        []string
	proxy       string
	modules     string
	realtime    bool
	seed        uint64
}

func parse(args []string, stderr io.Writer) (o options, help bool, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	var only string
	f.BoolVar(&o.json, "json", false, "print an object keyed by name instead of the table")
	f.Float64Var(&o.seconds, "seconds", 2, "how long each measurement takes; a proxy has three in a round")
	f.IntVar(&o.rounds, "rounds", 5, "how often each proxy is measured")
	f.IntVar(&o.connections, "connections", 64, "connections of the clients")
	f.StringVar(&only, "only", "", "names of the proxies, separated by commas (default: all that are installed)")
	f.StringVar(&o.proxy, "proxy", "", "the proxy's program (default: it is built)")
	f.StringVar(&o.modules, "modules", os.Getenv("NODE_PATH"), "the node_modules folder with express and axios (default: NODE_PATH)")
	f.BoolVar(&o.realtime, "realtime", false, "proxies, clients and nodes before all else on their cores, for a machine that does other work; needs root")
	f.Uint64Var(&o.seed, "seed", 0, "of the order (default: random)")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, true, nil
	case err != nil:
		return o, false, errors.New("see the usage above") // flag has said what is wrong
	}
	var wrong []error
	if f.NArg() > 0 {
		wrong = append(wrong, fmt.Errorf("unexpected argument %q: everything is said with flags", f.Arg(0)))
	}
	if o.seconds < 0.1 || o.seconds > 60 {
		wrong = append(wrong, fmt.Errorf("-seconds %g is not between 0.1 and 60", o.seconds))
	}
	if o.rounds < 1 || o.rounds > 100 {
		wrong = append(wrong, fmt.Errorf("-rounds %d is not between 1 and 100", o.rounds))
	}
	if o.connections < 1 || o.connections > mostConnections {
		wrong = append(wrong, fmt.Errorf("-connections %d is not between 1 and %d", o.connections, mostConnections))
	}
	if only != "" {
		o.only = strings.Split(only, ",")
		for _, name := range o.only {
			if !slices.Contains(names(), name) {
				wrong = append(wrong, fmt.Errorf("-only: %q is none of %s", name, strings.Join(names(), ", ")))
			}
		}
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, false, errors.Join(wrong...)
}

// run gives the exit code: 0 measured, 1 failed, 2 called wrongly.
func run(ctx context.Context, args []string, stdin *os.File, stdout, stderr io.Writer) int {
	if slices.Equal(args, []string{bedArgument}) {
		return exit(serveBed(stdin, stdout), stderr)
	}
	o, help, err := parse(args, stderr)
	if help {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	results, err := measure(ctx, o, peers(), stderr)
	if err != nil {
		return exit(err, stderr)
	}
	if o.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return exit(e.Encode(results), stderr)
	}
	_, err = io.WriteString(stdout, table(results))
	return exit(err, stderr)
}

func exit(err error, stderr io.Writer) int {
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// measure starts everything, runs the rounds and ends everything.
func measure(ctx context.Context, o options, all []peer, stderr io.Writer) (_ map[string]result, err error) {
	dir, err := os.MkdirTemp("", "fairlead-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	// nginx's worker may run as another user.
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // nothing secret
		return nil, err
	}
	proxyCore, bedCore := pins(stderr)
	bed, err := startBed(ctx, seat{bedCore, o.realtime})
	if err != nil {
		return nil, err
	}
	defer bed.stop()
	cloud, err := startCloud(ctx, bed.nodes)
	if err != nil {
		return nil, err
	}
	defer cloud.stop()
	s := setting{Dir: dir, Nodes: bed.nodes, Connections: o.connections, proxy: o.proxy, cloud: cloud.url, modules: o.modules}

	var running []*rival
	defer func() {
		for _, r := range running {
			r.stop()
		}
	}()
	for _, p := range all {
		if len(o.only) > 0 && !slices.Contains(o.only, p.name) {
			continue
		}
		r, err := p.start(ctx, s, seat{proxyCore, o.realtime})
		var absent *absentError
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case errors.As(err, &absent):
			fmt.Fprintf(stderr, "bench: without %s: %v\n", p.name, err)
			continue
		case err != nil:
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		running = append(running, r)
	}
	order := rand.New(rand.NewPCG(o.seed, 0))
	if len(running) == 0 {
		return nil, errors.New("none of the proxies is installed")
	}
	rounds := make([]map[string]sample, o.rounds)
	for i := range rounds {
		rounds[i] = make(map[string]sample, len(running))
		for _, j := range order.Perm(len(running)) {
			r := running[j]
			x, err := round(bed, r, o)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", r.name, i+1, err)
			}
			fmt.Fprintf(stderr, "bench: round %d of %d: %-9s %6.0f requests/s, %5.1f µs of CPU each, p50 +%.0f µs, p99 +%.0f µs (direct %.0f and %.0f)\n",
				i+1, o.rounds, r.name, x.RPS, x.CPU, x.P50, x.P99, x.DirectP50, x.DirectP99)
			rounds[i][r.name] = x
		}
	}
	return summarise(rounds), nil
}

// round measures one proxy once.
func round(b *bed, r *rival, o options) (x sample, err error) {
	task := task{Addr: r.addr, Path: path, Connections: o.connections, Seconds: o.seconds, Warm: min(0.3, o.seconds), Pid: r.pid()}
	full, err := b.load(task)
	if err != nil {
		return x, err
	}
	if full.Good == 0 {
		return x, fmt.Errorf("no good answer; %d bad ones, the last: %s", full.Bad, full.Why)
	}
	x.RPS = float64(full.Good) / full.Elapsed
	x.CPU = full.Used * 1e6 / float64(full.Good+full.Bad)
	x.Busy, x.Clients = full.Used/full.Elapsed, full.CPU/full.Elapsed
	task.Rate, task.Pid = x.RPS/2, 0
	half, err := b.load(task)
	if err != nil {
		return x, err
	}
	task.Addr = b.nodes[0]
	direct, err := b.load(task)
	if err != nil {
		return x, err
	}
	x.P50, x.P99 = half.P50-direct.P50, half.P99-direct.P99
	x.DirectP50, x.DirectP99 = direct.P50, direct.P99
	x.Bad = full.Bad + half.Bad + direct.Bad
	return x, nil
}
