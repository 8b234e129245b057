package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/proxy/sim/world"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// options are the command line.
type options struct {
	name       string
	scenario   scenario
	seeds      int
	strategies []string // oracles first
	json       bool

	prequal    strategy.PrequalSettings
	unweighted bool
}

// parse gives all mistakes at once; flag.ErrHelp if help was asked for.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	f := flag.NewFlagSet("sim", flag.ContinueOnError)
	f.SetOutput(stderr)
	all := scenarios()
	f.StringVar(&o.name, "scenario", "four-equal", strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	f.IntVar(&o.seeds, "seeds", 10, "runs of each strategy, each with a seed of its own: 1, 2, …")
	rules := f.String("strategy", "", "comma-separated (default all); the oracles are always there")
	f.BoolVar(&o.json, "json", false, "print an object keyed by strategy")
	load := f.String("load", "", "comma-separated shares of the nominal capacity (default the scenario's)")
	cost := f.String("cost", "", "a request's work: "+strings.Join(slices.Sorted(maps.Keys(costs())), ", ")+" (default the scenario's)")
	discipline := f.String("discipline", "sharing", "how a node serves: sharing (its cores among all its requests) or queueing (first come, first served)")
	lasts := f.Float64("for", 0, "seconds of virtual time that each load is measured (default the scenario's)")
	f.Float64Var(&o.prequal.Quantile, "q", 0, "prequal: the quantile Q; below 0 for Q = 0 (default 0.6)")
	f.Float64Var(&o.prequal.Probes, "probes", 0, "prequal: probes per request (default 3, or 1 with at most 16 nodes)")
	f.BoolVar(&o.unweighted, "unweighted", false, "do not tell the strategies the nodes' sizes")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var wrong []error
	if f.NArg() > 0 {
		wrong = append(wrong, fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	if o.seeds < 1 {
		wrong = append(wrong, fmt.Errorf("-seeds %d: at least 1", o.seeds))
	}
	var err error
	if o.scenario, err = named("scenario", o.name, all); err != nil {
		wrong = append(wrong, err)
	}
	if *cost != "" {
		o.scenario.cost = *cost
		if _, err := named("cost", *cost, costs()); err != nil {
			wrong = append(wrong, err)
		}
	}
	if *discipline != "sharing" {
		if *discipline != "queueing" {
			wrong = append(wrong, fmt.Errorf("unknown discipline %q: use sharing or queueing", *discipline))
		}
		o.scenario.discipline = world.Queueing
	}
	if *lasts < 0 || (*lasts == 0) == isSet(f, "for") {
		wrong = append(wrong, fmt.Errorf("-for %g: more than 0", *lasts))
	} else if *lasts > 0 {
		o.scenario.lasts = *lasts
	}
	if *load != "" {
		o.scenario.loads = nil
		for _, s := range strings.Split(*load, ",") {
			x, err := strconv.ParseFloat(s, 64)
			if err != nil || !(x > 0 && x < 100) {
				wrong = append(wrong, fmt.Errorf("-load %q: shares of the capacity above 0, such as 0.7,0.9", s))
			}
			o.scenario.loads = append(o.scenario.loads, x)
		}
	}
	names := strategy.Names()
	if *rules != "" {
		names = strings.Split(*rules, ",")
	}
	o.strategies = world.Oracles()
	for _, n := range names {
		if slices.Contains(o.strategies, n) {
			continue
		}
		if !slices.Contains(strategy.Names(), n) {
			wrong = append(wrong, &strategy.UnknownError{Name: n})
		}
		o.strategies = append(o.strategies, n)
	}
	return o, errors.Join(wrong...)
}

func isSet(f *flag.FlagSet, name string) (set bool) {
	f.Visit(func(x *flag.Flag) { set = set || x.Name == name })
	return set
}

// named gives an entry by name, or says which there are.
func named[T any](what, name string, from map[string]T) (T, error) {
	x, ok := from[name]
	if !ok {
		return x, fmt.Errorf("unknown %s %q: use one of %s", what, name, strings.Join(slices.Sorted(maps.Keys(from)), ", "))
	}
	return x, nil
}
