package states

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"
)

// maxDistributed is how many children of a Map Run the service runs at once.
const maxDistributed = 10_000

// mapRun is one run of a distributed Map: the children and how they went.
type mapRun struct {
	arn     string
	label   string
	parent  *execution
	start   time.Time
	limit   int // as the definition gives it; 0: none
	allowed tolerance

	mu       sync.Mutex // guards what follows
	status   string
	stopped  time.Time
	total    int
	children []*execution // as they were started
}

// tolerance is how many children may fail. A nil bound does not count, but
// without any bound none may.
type tolerance struct {
	count   *int
	percent *float64
}

func (t tolerance) exceeded(failed, total int) bool {
	if t.count == nil && t.percent == nil {
		return failed > 0
	}
	return t.count != nil && failed > *t.count ||
		t.percent != nil && total > 0 && float64(failed)*100/float64(total) > *t.percent
}

// distribute runs each item as an execution of its own, with its own history,
// named and addressed as AWS does: …:execution:<machine>/<label>:<uuid>.
func (v *visit) distribute(ctx context.Context, items []json.RawMessage, limit int) (json.RawMessage, error) {
	x := v.exec
	run, err := v.newMapRun(len(items), limit)
	if err != nil {
		return nil, err
	}
	inputs := make([]json.RawMessage, len(items))
	for i, item := range items {
		if inputs[i], err = v.selected(&mapItem{i, item}); err != nil {
			return nil, err
		}
	}
	if err := x.mayDistribute(v.state.Map.Label); err != nil {
		return nil, err
	}
	v.record("MapStateStarted", lengthDetails{len(items)})
	v.record("MapRunStarted", mapRunDetails{run.arn})
	x.addMapRun(run)

	result, err := v.runChildren(ctx, run, inputs)
	f, failed := errors.AsType[*failure](err)
	switch {
	case err == nil:
		run.end(statusSucceeded)
		v.record("MapRunSucceeded", nil)
		v.record("MapStateSucceeded", nil)
	case failed:
		run.end(statusFailed)
		v.record("MapRunFailed", failedDetails{f.Name, f.Cause})
		v.record("MapStateFailed", nil)
	default:
		run.end(statusAborted)
		v.record("MapRunAborted", nil)
	}
	return result, err
}

func (v *visit) newMapRun(total, limit int) (*mapRun, error) {
	m, x := v.state.Map, v.exec
	run := &mapRun{
		arn:   x.service.arn("mapRun", x.machine.Name+"/"+m.Label+":"+newUUID()),
		label: m.Label, parent: x, start: time.Now(), limit: limit, status: statusRunning, total: total,
	}
	ev := v.evaluation(nil)
	if m.ToleratedCount != nil {
		raw, err := m.ToleratedCount.eval(ev)
		if err != nil {
			return nil, err
		}
		n := integer(raw)
		run.allowed.count = &n
	}
	if m.ToleratedPercentage != nil {
		raw, err := m.ToleratedPercentage.eval(ev)
		if err != nil {
			return nil, err
		}
		var n float64
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, err
		}
		run.allowed.percent = &n
	}
	return run, nil
}

func (v *visit) runChildren(ctx context.Context, run *mapRun, inputs []json.RawMessage) (json.RawMessage, error) {
	limit := run.limit
	if limit == 0 || limit > maxDistributed {
		limit = maxDistributed
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	slots := make(chan struct{}, min(limit, max(len(inputs), 1)))
	outputs := make([]json.RawMessage, len(inputs))
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		failed int
		size   int
	)
	for i, input := range inputs {
		select {
		case slots <- struct{}{}:
		case <-inner.Done():
		}
		if inner.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			output, bad := run.child(inner, v.state.Map.Processor, input)
			mu.Lock()
			defer mu.Unlock()
			outputs[i] = output
			size += len(output)
			if bad {
				failed++
			}
			if run.allowed.exceeded(failed, len(inputs)) {
				cancel(&aborted{Cause: "The Map Run's tolerated failure threshold was exceeded."})
			}
		})
	}
	wg.Wait()
	if err := v.exec.cut(ctx); err != nil {
		return nil, err
	}
	if run.allowed.exceeded(failed, len(inputs)) {
		return nil, fail(errExceedToleration, "The specified tolerated failure threshold was exceeded")
	}
	if size > maxPayload {
		return nil, v.tooLarge()
	}
	return joinArray(outputs), nil
}

// child runs one item. A child that did not succeed gives {Status, Error, Cause}
// in its place; bad says whether it counts as failed.
func (r *mapRun) child(ctx context.Context, flow *Flow, input json.RawMessage) (output json.RawMessage, bad bool) {
	p := r.parent
	name := newUUID()
	x := &execution{
		service: p.service, machine: p.machine, flow: flow, caller: p.caller, deadline: p.deadline, mapRun: r,
		arn:  p.service.arn("execution", p.machine.Name+"/"+r.label+":"+name),
		name: name, input: input, start: time.Now(), status: statusRunning,
		history: &history{}, done: make(chan struct{}),
	}
	ctx, x.stop = context.WithCancelCause(ctx)
	p.service.add(x)
	r.mu.Lock()
	r.children = append(r.children, x)
	r.mu.Unlock()
	x.run(ctx)
	status, out, f, _ := x.state()
	if status == statusSucceeded {
		return out, false
	}
	if f == nil {
		f = &failure{}
	}
	shown, err := encode(nil, map[string]any{"Status": status, "Error": f.Name, "Cause": f.Cause}, 0)
	if err != nil {
		shown = json.RawMessage("null")
	}
	return shown, status != statusAborted
}

func (r *mapRun) end(status string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.stopped = status, time.Now()
}

// counts are the children by status.
func (r *mapRun) counts() map[string]int {
	r.mu.Lock()
	children, total := r.children, r.total
	r.mu.Unlock()
	c := map[string]int{"total": total, "pending": total - len(children)}
	for _, x := range children {
		status, _, _, _ := x.state()
		c[status]++
	}
	return c
}
