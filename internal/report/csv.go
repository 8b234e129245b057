package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// TrialsCSV is a row a trial, in the order they ran; latencies in milliseconds.
// emulated is true where the balancer is a local cloud's stand-in.
func TrialsCSV(r bench.Report) []byte {
	rows := [][]string{{"trial", "block", "arm", "emulated", "status", "reasons", "t0", "requests", "errors", "seconds", "rps",
		"mean_ms", "p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "send_lag_p99_us", "late_share", "worker_cpu", "send_span_s", "environment"}}
	for _, t := range r.Trials {
		l := t.LatencyMs
		t0 := ""
		if !t.T0.IsZero() {
			t0 = t.T0.UTC().Format(time.RFC3339Nano)
		}
		rows = append(rows, []string{t.Key, strconv.Itoa(t.Block), t.Arm, strconv.FormatBool(armOf(r, t.Arm).Emulated), t.Status, strings.Join(t.Reasons, "; "), t0,
			strconv.Itoa(t.Requests), strconv.Itoa(t.Errors), figure(t.Seconds), figure(t.RPS),
			figure(l.Mean), figure(l.P50), figure(l.P90), figure(l.P99), figure(l.P999), figure(l.Max),
			strconv.FormatInt(t.SendLag.P99, 10), figure(t.SendLag.Late), figure(t.WorkerCPU), figure(t.SendSpan), r.Environment.Kind})
	}
	return encoded(rows)
}

// NodesCSV is a row for each node of each arm, over the arm's valid trials.
func NodesCSV(r bench.Report) []byte {
	rows := [][]string{{"arm", "emulated", "cluster", "instance_type", "node", "requests", "errors", "share", "environment"}}
	for _, a := range r.Arms {
		for _, n := range a.PerNode {
			rows = append(rows, []string{a.Name, strconv.FormatBool(a.Emulated), a.Cluster, a.InstanceType, n.ID, strconv.Itoa(n.Requests), strconv.Itoa(n.Errors), figure(n.Share), r.Environment.Kind})
		}
	}
	return encoded(rows)
}

func encoded(rows [][]string) []byte {
	var b bytes.Buffer
	// A buffer takes all; WriteAll has no other error to tell.
	_ = csv.NewWriter(&b).WriteAll(rows)
	return b.Bytes()
}

func figure(v float64) string { return fmt.Sprintf("%.6g", v) }
