package workflows_test

import (
	"strings"
	"testing"
)

// TestLostShards: the load of a shard whose task failed may still run, so its
// trial is quiet only at quiesceAt; and nothing sends that load again.
func TestLostShards(t *testing.T) {
	lostTo := map[string]any{
		"States.Timeout":           hang{},
		"Sandbox.Timedout":         failed{"Sandbox.Timedout", "Task timed out after 900.00 seconds"},
		"Runtime.ExitError":        failed{"Runtime.ExitError", "exit status 137"},
		"LeaseTaken":               failed{"LeaseTaken", "it belongs to another"},
		"Lambda.Unknown":           failed{"", "no type"},
		"States.DataLimitExceeded": oversize,
	}
	for _, code := range maybeStarted {
		lostTo["Lambda."+code] = refused(code)
	}
	for why, fault := range lostTo {
		t.Run(why, func(t *testing.T) {
			w := newWorld()
			w.faults["shard b01/2"] = always(fault)
			e := run(t, w, "{}")
			if e.status != "SUCCEEDED" || e.path != blocks+lost+trial+down+"Done" {
				t.Errorf("%s %s (%s)", e.status, e.path, e.err)
			}
			if n := len(w.calls["shard b01/2"]); n != 1 {
				t.Errorf("it was called %d times", n)
			}
			if lost := w.lost["b01"]; lost == nil || !strings.HasPrefix(*lost, why+": ") {
				t.Errorf("merge was not told of %s", why)
			}
			if lost := w.lost["b02"]; lost != nil {
				t.Errorf("merge of the next trial was told %s", *lost)
			}
			quiet := w.aims["b01"].QuiesceAt
			if at := w.calls["observe b01"][0]; at.Before(quiet) {
				t.Errorf("observed at %v, %v before it is quiet", at, quiet.Sub(at))
			}
			if at := w.calls["observe b02"][0]; !at.Before(w.aims["b02"].QuiesceAt) {
				t.Error("without a lost shard the wait is for nothing")
			}
		})
	}
	for _, code := range neverStarted {
		t.Run("tried again after "+code, func(t *testing.T) {
			w := newWorld()
			w.faults["shard b01/2"] = first(3, refused(code))
			e := run(t, w, "{}")
			if e.path != blocks+trial+trial+down+"Done" || len(w.calls["shard b01/2"]) != 4 {
				t.Errorf("%s, called %d times", e.path, len(w.calls["shard b01/2"]))
			}
			if last := w.calls["shard b01/2"][3]; !last.Before(w.aims["b01"].T0) {
				t.Errorf("the last try is %v after T0", last.Sub(w.aims["b01"].T0))
			}
		})
	}
	t.Run("and lost when that lasts", func(t *testing.T) {
		w := newWorld()
		w.faults["shard b01/2"] = always(refused(neverStarted[0]))
		if e := run(t, w, "{}"); e.path != blocks+lost+trial+down+"Done" || len(w.calls["shard b01/2"]) != 4 {
			t.Errorf("%s, called %d times", e.path, len(w.calls["shard b01/2"]))
		}
	})
	t.Run("of many shards", func(t *testing.T) {
		w := newWorld()
		w.shards = 41
		w.faults["shard b01/2"] = always(lostTo["Sandbox.Timedout"])
		e := run(t, w, "{}")
		if e.status != "SUCCEEDED" || len(w.calls["shard b01/2"]) != 1 {
			t.Errorf("%s %s, called %d times", e.status, e.err, len(w.calls["shard b01/2"]))
		}
		if at, quiet := w.calls["observe b01"][0], w.aims["b01"].QuiesceAt; at.Before(quiet) {
			t.Errorf("observed %v before it is quiet", quiet.Sub(at))
		}
	})
}
