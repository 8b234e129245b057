package workflows_test

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestRetries gives, for each state, how long it waits between its tries after
// an error that lasts, by kind: R1, no code has run; R2, it may have; any other.
func TestRetries(t *testing.T) {
	patient1 := []float64{5, 7.5, 11.25, 16.875, 25.3125, 30, 30, 30}
	patient2 := []float64{2, 3, 4.5, 6.75, 10.125, 15.1875}
	brief := []float64{1, 2, 4}
	for _, c := range []struct {
		why, call string
		r1, r2    []float64 // seconds
		other     []float64
	}{
		{"nothing runs yet", "plan", patient1, patient2, nil},
		{"the token makes a second launch the same", "launch proxy", patient1, patient2, nil},
		{"the document may be run twice", "setup proxy", patient1, patient2, nil},
		{"names make a second creation the same", "balance create", patient1, patient2, nil},
		{"it reads; what is not active yet is the next test's", "balance wait", patient1, patient2, nil},
		{"a target is registered once", "balance register cluster1", patient1, patient2, nil},
		{"it reads", "ready", patient1, patient2, nil},
		{"it reads", "prove", patient1, patient2, nil},
		{"a function that wakes after idle weeks takes minutes; there is nothing to repeat but its waking", "aim warm", slices.Repeat([]float64{10}, 15), nil, nil},
		{"the same", "shard warm", slices.Repeat([]float64{10}, 15), nil, nil},
		{"the fleet costs money meanwhile", "aim b01", brief, brief, nil},
		{"the same", "observe b01", brief, brief, nil},
		{"the same", "merge b01", brief, brief, nil},
		{"before T0, and never if load may have been sent", "shard b01/0", []float64{1, 1, 1}, nil, nil},
		{"what it leaves costs money", "teardown", patient1, patient2, slices.Repeat([]float64{10}, 5)},
		{"it costs nothing any more", "judge", patient1, patient2, nil},
	} {
		errors := map[string][]float64{"its own": c.other}
		for _, code := range neverStarted {
			errors[code] = c.r1
		}
		for _, code := range maybeStarted {
			errors[code] = c.r2
			if c.r2 == nil {
				errors[code] = c.other
			}
		}
		for code, want := range errors {
			t.Run(fmt.Sprintf("%s, %s: %s", c.call, code, c.why), func(t *testing.T) {
				w := newWorld()
				w.alb = true
				w.faults[c.call] = always(refused(code))
				if code == "its own" {
					w.faults[c.call] = always(failed{"StepFailed", "it broke"})
				}
				run(t, w, "{}")
				if got := w.waits(c.call); !slices.Equal(got, want) {
					t.Errorf("waits %v, want %v", got, want)
				}
			})
		}
	}
}

// TestSlowBalancer: a function lives five minutes, and the tail of a load
// balancer's delay is longer; what has failed is not waited for.
func TestSlowBalancer(t *testing.T) {
	for name, want := range map[string][]float64{"BalancerNotActive": {1, 1}, "BalancerFailed": nil} {
		w := newWorld()
		w.alb = true
		w.faults["balance wait"] = always(failed{name, "it is provisioning"})
		run(t, w, "{}")
		if got := w.waits("balance wait"); !slices.Equal(got, want) {
			t.Errorf("after %s it waits %v, want %v", name, got, want)
		}
	}
}

// waits gives the seconds between the beginnings of a call that fails at once.
func (w *world) waits(call string) (seconds []float64) {
	for i, at := range w.calls[call] {
		if i > 0 {
			seconds = append(seconds, at.Sub(w.calls[call][i-1]).Round(time.Millisecond/10).Seconds())
		}
	}
	return seconds
}
