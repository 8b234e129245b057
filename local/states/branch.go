package states

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

// branch is the run of one flow: what it last recorded, and its variables.
type branch struct {
	exec *execution
	vars *variables
	last int64    // id of its latest event
	item *mapItem // of the innermost inline Map iteration, nil outside
}

type mapItem struct {
	Index int             `json:"Index"`
	Value json.RawMessage `json:"Value"`
}

func (b *branch) record(kind string, details any) {
	if id := b.exec.history.add(b.last, kind, details); id != 0 {
		b.last = id
	}
}

// run goes from state to state. The error is a *failure that nothing caught,
// or the cause with which ctx ended.
func (b *branch) run(ctx context.Context, flow *Flow, input json.RawMessage) (json.RawMessage, error) {
	for name := flow.StartAt; ; {
		if err := b.exec.cut(ctx); err != nil {
			return nil, err
		}
		v := &visit{branch: b, state: flow.States[name], input: input, entered: time.Now()}
		output, next, err := v.run(ctx)
		if err != nil || next == "" {
			return output, err
		}
		name, input = next, output
	}
}

// visit is one stay in a state, retries included.
type visit struct {
	*branch
	state     *State
	input     json.RawMessage
	entered   time.Time
	enteredID int64
	retries   int
	perRule   []int // retries by each retrier
}

// outcome is how a state is left.
type outcome struct {
	output   json.RawMessage
	next     string
	assigned map[string]json.RawMessage
}

func (v *visit) run(ctx context.Context) (json.RawMessage, string, error) {
	s := v.state
	v.record(s.Type+"StateEntered", enteredDetails{s.Name, v.input})
	v.enteredID = v.last
	v.perRule = make([]int, len(s.Retry))
	for {
		o, err := v.once(ctx)
		var f *failure
		if stopped := v.exec.cut(ctx); stopped != nil {
			err = stopped
		} else if errors.As(err, &f) {
			if delay, again := v.retry(f); again {
				if err = v.pause(ctx, delay); err == nil {
					v.retries++
					continue
				}
			} else if c := v.catcher(f); c != nil {
				o, err = v.caught(c, f)
			}
		}
		if err != nil {
			if !errors.As(err, &f) && s.aborts() {
				v.record(s.Type+"StateAborted", nil)
			}
			return nil, "", err
		}
		if err := v.vars.set(o.assigned); err != nil {
			return nil, "", err
		}
		v.record(s.Type+"StateExited", exitedDetails{s.Name, o.output, o.assigned})
		return o.output, o.next, nil
	}
}

// aborts says whether the state can be interrupted; the others take no time.
func (s *State) aborts() bool {
	return s.Task != nil || s.Wait != nil || s.Map != nil || s.Parallel != nil
}

// once is one attempt: the work of the state, then Assign and Output.
func (v *visit) once(ctx context.Context) (outcome, error) {
	o, err := v.attempt(ctx)
	return o, v.failed(err)
}

// failed turns a failed evaluation into its event and its failure.
func (v *visit) failed(err error) error {
	var e *evaluationError
	if !errors.As(err, &e) {
		return err
	}
	f := fail(errQueryEvaluation, "An error occurred while executing the state '%s' (entered at the event id #%d). %s", v.state.Name, v.enteredID, e.cause)
	v.record("EvaluationFailed", evaluationDetails{State: v.state.Name, Cause: f.Cause, Location: e.location})
	return f
}

func (v *visit) attempt(ctx context.Context) (outcome, error) {
	s := v.state
	var result json.RawMessage
	var err error
	switch {
	case s.Task != nil:
		result, err = v.task(ctx)
	case s.Map != nil:
		result, err = v.mapItems(ctx)
	case s.Parallel != nil:
		result, err = v.parallel(ctx)
	case s.Wait != nil:
		err = v.wait(ctx)
	case s.Choice != nil:
		return v.choose()
	case s.Fail != nil:
		return outcome{}, v.fail()
	}
	if err != nil {
		return outcome{}, err
	}
	if len(result) > maxPayload {
		return outcome{}, v.tooLarge()
	}
	fallback := v.input
	if result != nil {
		fallback = result
	}
	return v.leave(v.evaluation(map[string]json.RawMessage{"result": result}), s.Assign, s.Output, fallback, s.Next)
}

func (v *visit) tooLarge() error {
	return fail(errDataLimit, "The state/task '%s' returned a result with a size exceeding the maximum number of bytes service limit.", v.state.Name)
}

// leave evaluates Assign and Output, both with the variables from before.
func (v *visit) leave(ev *evaluation, assign []assignment, output *template, fallback json.RawMessage, next string) (outcome, error) {
	o := outcome{output: fallback, next: next}
	var err error
	for _, a := range assign {
		if o.assigned == nil {
			o.assigned = map[string]json.RawMessage{}
		}
		if o.assigned[a.Name], err = a.Value.eval(ev); err != nil {
			return outcome{}, err
		}
	}
	if output != nil {
		if o.output, err = output.eval(ev); err != nil {
			return outcome{}, err
		}
	}
	if len(o.output) > maxPayload {
		return outcome{}, v.tooLarge()
	}
	return o, nil
}

// evaluation is what the state's expressions read: its input, its context, and
// the members given (those with a nil value do not exist).
func (v *visit) evaluation(members map[string]json.RawMessage) *evaluation {
	if members == nil {
		members = map[string]json.RawMessage{}
	}
	members["input"] = v.input
	return &evaluation{vars: v.vars, members: members, context: func() json.RawMessage { return v.contextObject(v.item) }}
}

// retry finds the first retrier that names the failure, and how long it waits.
// A retrier that is used up hands on to Catch, not to the next retrier.
func (v *visit) retry(f *failure) (time.Duration, bool) {
	for i, r := range v.state.Retry {
		if !f.matches(r.Errors) {
			continue
		}
		if v.perRule[i] >= r.MaxAttempts {
			return 0, false
		}
		seconds := float64(r.Interval) * math.Pow(r.BackoffRate, float64(v.perRule[i]))
		if r.MaxDelay > 0 {
			seconds = min(seconds, float64(r.MaxDelay))
		}
		seconds = min(seconds, maxSeconds)
		if r.FullJitter {
			seconds *= rand.Float64()
		}
		v.perRule[i]++
		return time.Duration(seconds * float64(time.Second)), true
	}
	return 0, false
}

func (v *visit) catcher(f *failure) *catcher {
	for i := range v.state.Catch {
		if f.matches(v.state.Catch[i].Errors) {
			return &v.state.Catch[i]
		}
	}
	return nil
}

// caught leaves the state by a catcher. What fails here is caught by nothing.
func (v *visit) caught(c *catcher, f *failure) (outcome, error) {
	errorOutput, err := encode(nil, map[string]any{"Error": f.Name, "Cause": f.Cause}, 0)
	if err != nil {
		return outcome{}, err
	}
	ev := v.evaluation(map[string]json.RawMessage{"errorOutput": errorOutput})
	o, err := v.leave(ev, c.Assign, c.Output, errorOutput, c.Next)
	return o, v.failed(err)
}

// pause waits, unless the flow is stopped.
func (v *visit) pause(ctx context.Context, d time.Duration) error {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return v.exec.cut(ctx)
}
