package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/proxy/strategy"
)

// options are the flags.
type options struct {
	stack    string
	run      string
	clusters []string
	strategy string
	engine   string
	nodePort int
	listen   string
	admin    string
	instance string
	check    time.Duration
	answer   time.Duration
	drain    time.Duration
	access   float64
}

// parse reads the flags. The error names every mistake.
func parse(args []string, stderr io.Writer) (o options, help bool, err error) {
	f := flag.NewFlagSet("proxy", flag.ContinueOnError)
	f.SetOutput(stderr)
	var clusters string
	f.StringVar(&o.stack, "stack", "", "name of the stack, as in the tag fairlead:stack of its instances")
	f.StringVar(&o.run, "run", "", "id of the run, as in the tag fairlead:run of its instances")
	f.StringVar(&clusters, "clusters", "", "names of the clusters, separated by commas; each is a path, /cluster1")
	f.StringVar(&o.strategy, "strategy", strategy.Default, "one of "+strings.Join(strategy.Names(), ", "))
	f.StringVar(&o.engine, "engine", engineFairlead, "data plane, one of "+strings.Join(engines(), ", "))
	f.IntVar(&o.nodePort, "node-port", 8000, "port of the service on the nodes")
	f.StringVar(&o.listen, "listen", "", "address for clients (default: the instance's private address, port 8000)")
	f.StringVar(&o.admin, "admin", "", "address of the admin endpoint (default: the instance's private address, port 8001)")
	f.StringVar(&o.instance, "instance", "", "id to go by (default: the instance's)")
	f.DurationVar(&o.check, "check", 0, "do not serve: wait so long at most for the proxy on this instance to be healthy, exit 0 if it is")
	f.DurationVar(&o.answer, "answer-timeout", 30*time.Second, "how long a node may take to begin its answer")
	f.DurationVar(&o.drain, "drain", 30*time.Second, "how long requests may go on after SIGTERM")
	f.Float64Var(&o.access, "access-log", 0.01, "share of the requests that are logged, 0 to 1, and at most 100 a second; engine "+engineFairlead+" only")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return o, true, nil
	case err != nil:
		return o, false, errors.New("see the usage above") // flag has said what is wrong
	}
	if f.NArg() > 0 {
		return o, false, fmt.Errorf("unexpected argument %q: everything is said with flags", f.Arg(0))
	}
	if o.check < 0 {
		return o, false, fmt.Errorf("-check %s is negative", o.check)
	}
	if o.check > 0 {
		return o, false, nil // needs nothing else
	}
	var wrong []error
	for _, need := range []struct{ name, value string }{{"stack", o.stack}, {"run", o.run}, {"clusters", clusters}} {
		if need.value == "" {
			wrong = append(wrong, fmt.Errorf("-%s is missing", need.name))
		}
	}
	if clusters != "" {
		o.clusters = strings.Split(clusters, ",")
		wrong = append(wrong, badClusters(o.clusters)...)
	}
	if !slices.Contains(strategy.Names(), o.strategy) {
		wrong = append(wrong, fmt.Errorf("-strategy: %w", &strategy.UnknownError{Name: o.strategy}))
	}
	if !slices.Contains(engines(), o.engine) {
		wrong = append(wrong, fmt.Errorf("-engine %q is none of %s", o.engine, strings.Join(engines(), ", ")))
	}
	if !(o.access >= 0 && o.access <= 1) { // nor NaN
		wrong = append(wrong, fmt.Errorf("-access-log %v is not between 0 and 1", o.access))
	}
	if o.nodePort < 1 || o.nodePort > 65535 {
		wrong = append(wrong, fmt.Errorf("-node-port %d is not between 1 and 65535", o.nodePort))
	}
	for name, d := range map[string]time.Duration{"answer-timeout": o.answer, "drain": o.drain} {
		if d <= 0 {
			wrong = append(wrong, fmt.Errorf("-%s %s is not positive", name, d))
		}
	}
	return o, false, errors.Join(wrong...)
}

// badClusters tells which names cannot be the first segment of a path, or
// occur twice.
func badClusters(names []string) (wrong []error) {
	for i, name := range names {
		switch {
		case name == "":
			wrong = append(wrong, errors.New("-clusters has an empty name"))
		case strings.ContainsAny(name, "/?#% "):
			wrong = append(wrong, fmt.Errorf("-clusters: %q cannot be part of a path", name))
		case slices.Contains(names[:i], name):
			wrong = append(wrong, fmt.Errorf("-clusters names %q twice", name))
		}
	}
	return wrong
}
