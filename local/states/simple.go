package states

import (
	"context"
	"encoding/json"
	"strconv"
	"time"
)

// wait returns when the given seconds or the given time have passed.
func (v *visit) wait(ctx context.Context) error {
	ev := v.evaluation(nil)
	w := v.state.Wait
	if w.Seconds != nil {
		raw, err := w.Seconds.eval(ev)
		if err != nil {
			return err
		}
		return v.pause(ctx, time.Duration(integer(raw))*time.Second)
	}
	raw, err := w.Timestamp.eval(ev)
	if err != nil {
		return err
	}
	until, err := parseTime(raw)
	if err != nil {
		return err
	}
	return v.pause(ctx, time.Until(until))
}

// integer reads a number whose kind has been checked.
func integer(raw json.RawMessage) int {
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0
	}
	return int(n)
}

// choose takes the first rule whose condition is true. The state's own Assign
// and Output belong to Default; a rule has its own.
func (v *visit) choose() (outcome, error) {
	s := v.state
	ev := v.evaluation(nil)
	for _, r := range s.Choice.Rules {
		raw, err := r.Condition.eval(ev)
		if err != nil {
			return outcome{}, err
		}
		if err := r.Condition.expect(raw, boolResult); err != nil {
			return outcome{}, err
		}
		if raw[0] == 't' {
			return v.leave(ev, r.Assign, r.Output, v.input, r.Next)
		}
	}
	if s.Choice.Default == "" {
		return outcome{}, fail(errNoChoiceMatched, "Failed to transition out of the state '%s' (entered at the event id #%d). No choice rule matched and the state has no Default.", s.Name, v.enteredID)
	}
	return v.leave(ev, s.Assign, s.Output, v.input, s.Choice.Default)
}

// fail gives the Fail state's Error and Cause.
func (v *visit) fail() error {
	f := &failure{}
	ev := v.evaluation(nil)
	for _, part := range []struct {
		t  *template
		to *string
	}{{v.state.Fail.Error, &f.Name}, {v.state.Fail.Cause, &f.Cause}} {
		if part.t == nil {
			continue
		}
		raw, err := part.t.eval(ev)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, part.to); err != nil {
			return err
		}
	}
	return f
}
