package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/local/states"
	"github.com/fairlead/fairlead/workflows"
)

// TestStopped ends an execution, by abort and by its timeout, while each of its
// functions runs. Nothing catches that: no state follows, no Teardown either,
// and the function runs on, which is why the sweep is there.
func TestStopped(t *testing.T) {
	for _, c := range []struct {
		how, status string
		stop        func(s *states.Service, execution string) error
	}{
		{"aborted", "ABORTED", func(s *states.Service, execution string) error {
			_, err := s.Stop(execution, "Stopped", "by the test")
			return err
		}},
		{"timed out", "TIMED_OUT", (*states.Service).Expire},
	} {
		for _, call := range []string{"plan", "launch cluster1", "launch proxy", "setup cluster1", "setup proxy",
			"balance create", "balance wait", "balance register cluster1", "aim warm", "shard warm", "ready", "prove",
			"aim b01", "shard b01/0", "observe b01", "merge b01", "aim b02", "teardown", "judge"} {
			t.Run(fmt.Sprintf("%s in %s", c.how, call), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { stopped(t, call, c.status, c.stop) })
			})
		}
	}
}

func stopped(t *testing.T, call, status string, stop func(*states.Service, string) error) {
	w := newWorld()
	w.alb = true
	w.faults[call] = always(hang{})
	s, store, execution, _ := start(t, w, workflows.Benchmark, "{}")
	defer s.Close()
	synctest.Wait()
	for !w.called(call) {
		pause(t.Context(), stepTime/2)
		synctest.Wait()
	}
	before := w.begins()
	if err := stop(s, execution); err != nil {
		t.Fatal(err)
	}
	got, _, _, _, err := s.Wait(t.Context(), execution)
	if err != nil || got != status {
		t.Errorf("the execution is %s, %v", got, err)
	}
	last := history(t, s, store, execution)
	if end := string(last[len(last)-1].Type); end != map[string]string{"ABORTED": "ExecutionAborted", "TIMED_OUT": "ExecutionTimedOut"}[status] {
		t.Errorf("its last event is %s", end)
	}
	pause(context.Background(), time.Hour)
	if after := w.begins(); !slices.Equal(before, after) {
		t.Errorf("it went on: %s", strings.Join(after[len(before):], ", "))
	}
	w.mu.Lock()
	if n := w.ended[call]; n > 0 {
		t.Errorf("%s was ended with its execution, and Step Functions ends nothing", call)
	}
	w.mu.Unlock()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, wrong := range w.wrong {
		t.Error(wrong)
	}
}

func (w *world) called(call string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.calls[call]) > 0
}

func (w *world) begins() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.order)
}
