package steps

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/internal/bench"
)

// Times of Observe. A program may close a second late if its instance was kept
// from running; what has not come by then is missing from the samples.
const (
	observeTime = 20 * time.Second
	closeTime   = 3 * time.Second
	tickMargin  = 20 * time.Millisecond
)

// ObserveOut counts what was read, and names what could not be.
type ObserveOut struct {
	Instances int      `json:"instances"`
	Lost      []string `json:"lost"`
}

// Observe reads what every instance of the fleet did in each second of the
// trial, from the second before T0 to the present one, and writes nodes.json.
// An instance that cannot be read is recorded as lost, with the reason; that is
// a finding about the trial, not a failure of the step.
func (a *Aimer) Observe(ctx context.Context, run, trial string) (ObserveOut, error) {
	keys := bench.RunKeys{Run: run}
	fleet, err := getJSON[bench.Fleet](ctx, a.Store, keys.Fleet())
	if err != nil {
		return ObserveOut{}, err
	}
	aim, err := getJSON[bench.Aim](ctx, a.Store, keys.Trial(trial).Aim())
	if err != nil {
		return ObserveOut{}, err
	}
	reading, cancel := within(ctx, observeTime)
	defer cancel()
	all := make([]bench.NodeSamples, len(fleet.Instances))
	from, now := aim.T0.Unix()-1, time.Now()
	var group errgroup.Group
	for k, i := range fleet.Instances {
		group.Go(func() error {
			all[k] = programs{a.HTTP}.observe(reading, i, from, now)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return ObserveOut{}, err
	}
	if err := putJSON(ctx, a.Store, keys.Trial(trial).Nodes(), all); err != nil {
		return ObserveOut{}, err
	}
	out := ObserveOut{Instances: len(all), Lost: []string{}}
	for _, n := range all {
		if n.Error != "" {
			out.Lost = append(out.Lost, n.ID)
		}
	}
	return out, nil
}

// observe reads one instance's seconds from the one that began at from to the
// one that holds now, waiting until the program tells of that one too.
func (p programs) observe(ctx context.Context, i bench.Instance, from int64, now time.Time) bench.NodeSamples {
	n := bench.NodeSamples{Instance: i, Seconds: []bench.Second{}}
	end := now.Truncate(time.Second).Add(time.Second)
	for last := false; ; {
		s, err := p.samples(ctx, i, from)
		switch {
		case err != nil && last:
			n.Error = err.Error()
			return n
		case err != nil:
			last = true // one more try: an instance lost to one late answer would spoil the trial
			if sleep(ctx, firstPause) != nil {
				n.Error = err.Error()
				return n
			}
			continue
		}
		closed := len(s.Seconds) > 0 && s.Seconds[len(s.Seconds)-1].T >= now.Unix()
		fill(&n, s, from, now.Unix())
		if closed || time.Now().After(end.Add(closeTime)) {
			return n
		}
		if sleep(ctx, max(time.Until(end.Add(tickMargin)), firstPause)) != nil {
			return n
		}
	}
}

func fill(n *bench.NodeSamples, s samples, from, to int64) {
	n.VCPUs, n.CPUs, n.Emulation = s.VCPUs, s.CPUs, s.Emulation
	n.Seconds = slices.DeleteFunc(s.Seconds, func(sec bench.Second) bool { return sec.T < from || sec.T > to })
	if s.VCPUs > 0 {
		for k := range n.Seconds { // programs tell CPU seconds, results a share of the instance
			n.Seconds[k].Steal /= s.VCPUs
		}
	}
}
