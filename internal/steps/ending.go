package steps

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// unseenTime is how long EC2 may not yet know an instance that it has just
// started. An id unknown for longer has ended, and EC2 has forgotten it.
const unseenTime = 2 * time.Minute

// ending ends one run's machines: those that Launch recorded and those that
// carry the run's tags. Either list may lack some: a record whose write was
// lost, a tag search that lags behind.
type ending struct {
	fleet    Ender
	stack    string
	run      string
	recorded []bench.Instance

	began  time.Time
	looked bool                 // EC2 has told at least once
	seen   map[string]Machine   // latest sight of each
	gone   map[string]time.Time // when each was first seen terminated
}

// newEnding takes the records in any order; of several of one id the first holds.
func newEnding(fleet Ender, stack, run string, recorded []bench.Instance) *ending {
	e := &ending{fleet: fleet, stack: stack, run: run, began: time.Now(), seen: map[string]Machine{}, gone: map[string]time.Time{}}
	for _, i := range recorded {
		if !slices.ContainsFunc(e.recorded, func(had bench.Instance) bool { return had.ID == i.ID }) {
			e.recorded = append(e.recorded, i)
		}
	}
	return e
}

// end asks until everything is terminated, and looks twice: after the last one
// is gone the tags are searched anew. When ctx ends, left is what is not known
// to be gone. An error means that EC2 kept refusing to tell or to act.
func (e *ending) end(ctx context.Context) (left []string, err error) {
	err = untilGone(ctx, e.round)
	return e.left(), err
}

// round looks, and asks for what is left to be terminated.
func (e *ending) round(ctx context.Context) (left int, err error) {
	if err := e.look(ctx); err != nil {
		return 0, err
	}
	ids := e.left()
	ask := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return e.seen[id].State == stateShuttingDown })
	if len(ask) > 0 {
		err = e.terminate(ctx, ask)
	}
	return len(ids), err
}

// look updates what is seen by tag and by recorded id. A filter by id, unlike a
// request by id, does not fail on one that EC2 does not know.
func (e *ending) look(ctx context.Context) error {
	found, err := e.fleet.Instances(ctx, ofRun(e.stack, e.run))
	if err != nil {
		return err
	}
	for _, m := range found {
		e.see(m)
	}
	var unseen []string
	for _, i := range e.recorded {
		if _, ok := e.seen[i.ID]; !ok {
			unseen = append(unseen, i.ID)
		}
	}
	for ids := range slices.Chunk(unseen, 200) { // EC2's limit of a filter's values
		found, err := e.fleet.Instances(ctx, map[string][]string{"instance-id": ids})
		if err != nil {
			return err
		}
		for _, m := range found {
			e.see(m)
		}
	}
	e.looked = true
	return nil
}

func (e *ending) see(m Machine) {
	e.seen[m.ID] = m
	if _, known := e.gone[m.ID]; m.State == stateTerminated && !known {
		e.gone[m.ID] = time.Now().UTC()
	}
}

// left lists what is not known to be gone.
func (e *ending) left() []string {
	ids := map[string]bool{}
	for id, m := range e.seen {
		if m.State != stateTerminated {
			ids[id] = true
		}
	}
	for _, i := range e.recorded {
		if _, seen := e.seen[i.ID]; !seen && (!e.looked || time.Since(i.Launched) < unseenTime) {
			ids[i.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}

// terminate asks for all at once, and one by one if EC2 refuses the lot for one
// of them. Asking again is harmless.
func (e *ending) terminate(ctx context.Context, ids []string) error {
	err := e.fleet.Terminate(ctx, ids)
	if err == nil || !errors.Is(err, ErrNoMachine) {
		return err
	}
	var last error
	for _, id := range ids {
		if err := e.fleet.Terminate(ctx, []string{id}); err != nil && !errors.Is(err, ErrNoMachine) {
			last = err
		}
	}
	return last
}

// ended lists what is gone.
func (e *ending) ended() []bench.Ended {
	var list []bench.Ended
	for id, at := range e.gone {
		m := e.seen[id]
		list = append(list, bench.Ended{
			ID: id, Kind: bench.KindInstance, Group: m.Tags[bench.TagGroup], Type: m.Type, Launched: m.Launched, Ended: at,
		})
	}
	left := e.left()
	for _, i := range e.recorded { // gone for so long that EC2 has forgotten it
		if _, seen := e.seen[i.ID]; !seen && !slices.Contains(left, i.ID) {
			list = append(list, bench.Ended{ID: i.ID, Kind: bench.KindInstance, Group: i.Group, Type: i.Type, Launched: i.Launched, Ended: e.began.UTC()})
		}
	}
	return list
}
