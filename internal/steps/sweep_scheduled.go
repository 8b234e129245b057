package steps

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// Metrics takes the stack's own metrics.
type Metrics interface {
	// OldestInstance is the age of the oldest instance that lives.
	OldestInstance(ctx context.Context, age time.Duration) error
}

// found is what of one run there is, by its tags.
type found struct {
	instances []bench.Instance // also some that have ended: EC2 tells of them for an hour
	orphans   []orphan
	live      bool // something is there
	expired   bool // something is past its expiry, or has none
}

// scheduled ends everything of the stack that is past its expiry and everything
// whose execution does not run. This, and no state of the machine, is what makes
// sure that a run ends: nothing tells of an aborted one but an event that may be
// lost, and a call that was under way when a first sweep looked may have created
// something after it. What cannot be listed does not keep the rest alive.
func (s *Sweeper) scheduled(ctx context.Context) (SweepOut, error) {
	runs := map[string]*found{}
	failures := []error{s.instances(ctx, runs), s.balancers(ctx, runs), s.bare(ctx, runs)}
	var swept []Swept
	for _, run := range slices.Sorted(maps.Keys(runs)) {
		reason, err := s.reason(ctx, run, *runs[run])
		if err != nil {
			failures = append(failures, err)
		}
		if reason == "" {
			continue
		}
		one, err := s.sweep(ctx, run, reason, *runs[run])
		if err != nil {
			failures = append(failures, fmt.Errorf("sweep %s: %w", run, err))
		}
		swept = append(swept, one...)
	}
	return told(swept, errors.Join(failures...))
}

// reason tells why a run is to be swept, "" if it is not. One of which nothing
// lives is swept if no receipt says so: what an earlier sweep saw ending has
// ended since, or ended by itself when its time was over.
func (s *Sweeper) reason(ctx context.Context, run string, f found) (string, error) {
	if !f.live {
		r, err := receiptOf(ctx, s.Store, bench.RunKeys{Run: run})
		if err != nil || r != nil && len(r.Left) == 0 {
			return "", err
		}
	}
	if f.expired {
		return "its time is over", nil
	}
	return s.abandoned(ctx, run)
}

// instances finds the stack's instances, and publishes how old the oldest is:
// only while there are some, because a metric costs for each hour that it has.
// That it cannot be published is told when the sweep is done.
func (s *Sweeper) instances(ctx context.Context, runs map[string]*found) error {
	list, err := s.Fleet.Instances(ctx, map[string][]string{
		"tag:" + bench.TagStack: {s.Stack},
		"instance-state-name":   {"pending", "running", "shutting-down", "stopping", "stopped", "terminated"},
	})
	if err != nil {
		return fmt.Errorf("list the stack's instances: %w", err)
	}
	var oldest time.Duration
	for _, m := range list {
		if m.State != stateShuttingDown && m.State != stateTerminated {
			oldest = max(oldest, time.Since(m.Launched))
		}
		// Launch tags the run in the same call: one without is somebody else's.
		if f := of(runs, m.Tags); f != nil {
			f.instances = append(f.instances, instance(m))
			f.live = f.live || m.State != stateTerminated
		}
	}
	if oldest > 0 {
		if err := s.Metrics.OldestInstance(ctx, oldest); err != nil {
			return fmt.Errorf("publish the age of the oldest instance: %w", err)
		}
	}
	return nil
}

// balancers finds the stack's load balancers and target groups. The names say
// which stack's they may be; the tags, which run's they are.
func (s *Sweeper) balancers(ctx context.Context, runs map[string]*found) error {
	prefix := balancerPrefix(s.Stack)
	var orphans []orphan
	balancers, err := s.Balancers.Balancers(ctx, prefix)
	if err != nil {
		return fmt.Errorf("list the stack's load balancers: %w", err)
	}
	for _, b := range balancers {
		orphans = append(orphans, orphan{arn: b.ARN, kind: bench.KindLoadBalancer, created: b.Created})
	}
	groups, err := s.Balancers.TargetGroups(ctx, prefix)
	if err != nil {
		return fmt.Errorf("list the stack's target groups: %w", err)
	}
	var arns []string
	for _, g := range groups {
		orphans = append(orphans, orphan{arn: g.ARN, kind: bench.KindTargetGroup})
	}
	for _, o := range orphans {
		arns = append(arns, o.arn)
	}
	if len(arns) == 0 {
		return nil
	}
	tags, err := s.Balancers.Tags(ctx, arns)
	if err != nil {
		return fmt.Errorf("read the tags of the stack's load balancers: %w", err)
	}
	for _, o := range orphans {
		t := tags[o.arn]
		if t[bench.TagStack] != s.Stack {
			continue // another's of the same prefix, or gone by now
		}
		o.group = t[bench.TagGroup]
		if f := of(runs, t); f != nil {
			f.orphans, f.live = append(f.orphans, o), true
		}
	}
	return nil
}

// lately is the time after its end in which an execution's functions may run on
// (a Lambda function lives 15 minutes at the most), and two intervals of the
// schedule.
const lately = 30 * time.Minute

// bare finds runs of which there is nothing yet: a Launch or Balance of a stopped
// execution that has not looked for the marker may start something after this
// sweep. Who has a receipt has the marker too, or is past what starts anything.
func (s *Sweeper) bare(ctx context.Context, runs map[string]*found) error {
	stopped, err := s.Executions.Stopped(ctx, time.Now().Add(-lately))
	if err != nil {
		return fmt.Errorf("list what stopped lately: %w", err)
	}
	var failures []error
	for _, execution := range stopped {
		run := bench.RunID(execution)
		if runs[run] != nil {
			continue
		}
		planned, err := s.planned(ctx, execution)
		if err == nil && planned {
			var r *bench.Receipt
			if r, err = receiptOf(ctx, s.Store, bench.RunKeys{Run: run}); err == nil && r == nil {
				runs[run] = &found{}
			}
		}
		if err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// of gives what was found of the run that the tags name, nil if they name none.
// What has no end, or one that cannot be read, must get one.
func of(runs map[string]*found, tags map[string]string) *found {
	run := tags[bench.TagRun]
	if run == "" {
		return nil
	}
	if runs[run] == nil {
		runs[run] = &found{}
	}
	if end, err := time.Parse(time.RFC3339, tags[bench.TagExpiry]); err != nil || time.Now().After(end) {
		runs[run].expired = true
	}
	return runs[run]
}

// abandoned gives the reason why nobody will end the run, "" if somebody will.
func (s *Sweeper) abandoned(ctx context.Context, run string) (string, error) {
	planned, err := exists(ctx, s.Store, bench.RunKeys{Run: run}.Plan())
	if err != nil {
		return "", err
	}
	if !planned {
		return "it has no plan", nil // what starts anything reads the plan, so somebody removed it
	}
	r, err := record(ctx, s.Store, run)
	if err != nil {
		return "", err
	}
	status, err := s.Executions.Status(ctx, r.Execution)
	switch {
	case errors.Is(err, ErrNotFound):
		return "its execution is unknown", nil
	case err != nil:
		return "", err
	case status == "RUNNING":
		return "", nil
	}
	return howEnded(status), nil
}
