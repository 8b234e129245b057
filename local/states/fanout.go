package states

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
)

// maxInline is how many iterations of an inline Map the service runs at once.
const maxInline = 40

// parallel runs all branches with the same input and gives their outputs.
func (v *visit) parallel(ctx context.Context) (json.RawMessage, error) {
	input := v.input
	if t := v.state.Parallel.Arguments; t != nil {
		var err error
		if input, err = t.eval(v.evaluation(nil)); err != nil {
			return nil, err
		}
		if len(input) > maxPayload {
			return nil, v.tooLarge()
		}
	}
	v.record("ParallelStateStarted", nil)
	branches := v.state.Parallel.Branches
	result, err := v.fanOut(ctx, len(branches), 0, func(ctx context.Context, b *branch, i int) (json.RawMessage, error) {
		return b.run(ctx, branches[i], input)
	})
	if err != nil {
		v.recordFailed("ParallelStateFailed", err)
		return nil, err
	}
	v.record("ParallelStateSucceeded", nil)
	return result, nil
}

// mapItems runs the processor for each item, within this execution or, if
// distributed, as executions of its own.
func (v *visit) mapItems(ctx context.Context) (json.RawMessage, error) {
	m := v.state.Map
	ev := v.evaluation(nil)
	raw := v.input
	if m.Items != nil {
		var err error
		if raw, err = m.Items.eval(ev); err != nil {
			return nil, err
		}
		if err := m.Items.expect(raw, arrayResult); err != nil {
			return nil, err
		}
	}
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil || items == nil {
		return nil, fail(errRuntime, "The input of the Map state '%s' (entered at the event id #%d) must be an array, because it has no Items.", v.state.Name, v.enteredID)
	}
	limit := 0
	if m.MaxConcurrency != nil {
		n, err := m.MaxConcurrency.eval(ev)
		if err != nil {
			return nil, err
		}
		limit = integer(n)
	}
	if m.Distributed {
		return v.distribute(ctx, items, limit)
	}
	if limit == 0 || limit > maxInline {
		limit = maxInline
	}
	v.record("MapStateStarted", lengthDetails{len(items)})
	result, err := v.fanOut(ctx, len(items), limit, func(ctx context.Context, b *branch, i int) (json.RawMessage, error) {
		return v.iterate(ctx, b, i, items[i])
	})
	if err != nil {
		v.recordFailed("MapStateFailed", err)
		return nil, err
	}
	v.record("MapStateSucceeded", nil)
	return result, nil
}

func (v *visit) recordFailed(kind string, err error) {
	if _, ok := errors.AsType[*failure](err); ok {
		v.record(kind, nil)
	}
}

// iterate is one iteration of an inline Map.
func (v *visit) iterate(ctx context.Context, b *branch, i int, item json.RawMessage) (json.RawMessage, error) {
	it := iterationDetails{v.state.Name, i}
	b.item = &mapItem{i, item}
	b.record("MapIterationStarted", it)
	input, err := v.selected(b.item)
	if err != nil {
		inner := *v
		inner.branch = b // the event belongs to the iteration
		err = inner.failed(err)
	} else {
		input, err = b.run(ctx, v.state.Map.Processor, input)
	}
	_, failed := errors.AsType[*failure](err)
	switch {
	case err == nil:
		b.record("MapIterationSucceeded", it)
	case failed:
		b.record("MapIterationFailed", it)
	default:
		b.record("MapIterationAborted", it)
	}
	return input, err
}

// selected is an item as ItemSelector shapes it.
func (v *visit) selected(item *mapItem) (json.RawMessage, error) {
	t := v.state.Map.ItemSelector
	if t == nil {
		return item.Value, nil
	}
	ev := v.evaluation(nil)
	ev.context = func() json.RawMessage { return v.contextObject(item) }
	input, err := t.eval(ev)
	if err == nil && len(input) > maxPayload {
		err = v.tooLarge()
	}
	return input, err
}

// fanOut runs n branches, at most limit at once (0: all), and gives the array of
// their outputs. The first failure stops the others; the call returns when all
// have ended.
func (v *visit) fanOut(ctx context.Context, n, limit int, run func(context.Context, *branch, int) (json.RawMessage, error)) (json.RawMessage, error) {
	if limit == 0 || limit > n {
		limit = max(n, 1)
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	started := v.last
	outputs := make([]json.RawMessage, n)
	slots := make(chan struct{}, limit)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first *failure
		last  = started
		size  int
	)
	for i := range n {
		select {
		case slots <- struct{}{}:
		case <-inner.Done():
		}
		if inner.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			b := &branch{exec: v.exec, vars: &variables{parent: v.vars}, last: started, item: v.item}
			output, err := run(inner, b, i)
			mu.Lock()
			defer mu.Unlock()
			outputs[i] = output
			size += len(output)
			if f, ok := errors.AsType[*failure](err); ok && first == nil {
				first, last = f, b.last
				cancel(errSibling)
			} else if first == nil {
				last = max(last, b.last)
			}
		})
	}
	wg.Wait()
	v.last = last
	if err := v.exec.cut(ctx); err != nil {
		return nil, err
	}
	if first != nil {
		return nil, first
	}
	if size > maxPayload {
		return nil, v.tooLarge()
	}
	return joinArray(outputs), nil
}

func joinArray(items []json.RawMessage) json.RawMessage {
	out := []byte{'['}
	for i, item := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, item...)
	}
	return append(out, ']')
}
