package load

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/fairlead/fairlead/internal/bench"
)

// Merge puts the shards of a trial together: tallies[i] belongs to logs[i].
// Counts are added, histograms are added second by second, and percentiles are
// read from the sum; so k shards give what one worker would have recorded, bit
// for bit. Shards that left nothing are missing from both slices and make the
// trial invalid. The merged log has the layout of a shard's.
//
// What the nodes and the balancer said of themselves is not in it: Observe adds that.
func Merge(a bench.Aim, tallies []bench.ShardTally, logs [][]byte) (bench.Tally, []byte, error) {
	t := bench.Tally{Trial: a.Trial, Shards: a.Shards, ShardsDone: len(tallies), T0: a.T0,
		Counts: bench.Counts{Status: map[string]int{}, Failures: map[string]int{}, Nodes: map[string]bench.NodeCount{}}}
	if len(tallies) != len(logs) {
		return t, nil, fmt.Errorf("%d tallies but %d logs", len(tallies), len(logs))
	}
	sorted := slices.SortedFunc(slices.Values(tallies), func(x, y bench.ShardTally) int { return cmp.Compare(x.Shard, y.Shard) })
	for i, s := range sorted {
		if s.Shard < 0 || s.Shard >= a.Shards || i > 0 && s.Shard == sorted[i-1].Shard {
			return t, nil, fmt.Errorf("shard %d of %d is there twice or does not exist", s.Shard, a.Shards)
		}
		addShard(&t, s)
	}
	log, whole, err := mergeLogs(a, logs)
	if err != nil {
		return t, nil, err
	}
	t.ActualMs = latencyOf(whole[TagActual])
	t.LatencyMs = t.ActualMs
	if h := whole[TagIntended]; h != nil {
		t.LatencyMs = latencyOf(h)
	}
	if t.LastDone.After(t.FirstSend) && !t.FirstSend.IsZero() {
		t.Seconds = t.LastDone.Sub(t.FirstSend).Seconds()
		t.RPS = float64(t.Requests-t.Errors) / t.Seconds
	}
	if good, kept := int64(t.Requests-t.Errors), count(whole[TagActual]); good != kept {
		return t, nil, fmt.Errorf("%d good answers were counted, but the logs hold %d", good, kept)
	}
	t.Invalid = append(condense(a.Shards, sorted), trialRules(a, t)...)
	return t, log, nil
}

// addShard adds one shard; of its own qualities the worst is kept.
func addShard(t *bench.Tally, s bench.ShardTally) {
	t.Planned += s.Planned
	t.Errors += s.Errors
	t.Bytes += s.Bytes
	for k, n := range s.Status {
		t.Status[k] += n
	}
	for k, n := range s.Failures {
		t.Failures[k] += n
	}
	for id, n := range s.Nodes {
		sum := t.Nodes[id]
		t.Nodes[id] = bench.NodeCount{Requests: sum.Requests + n.Requests, Errors: sum.Errors + n.Errors}
	}
	if s.Requests > 0 {
		if t.FirstSend.IsZero() || s.FirstSend.Before(t.FirstSend) {
			t.FirstSend = s.FirstSend
		}
		t.LastSend = laterOf(t.LastSend, s.LastSend)
		t.LastDone = laterOf(t.LastDone, s.LastDone)
	}
	late := t.SendLag.Late*float64(t.Requests) + s.SendLag.Late*float64(s.Requests)
	if s.SendLag.P99 > t.SendLag.P99 {
		t.SendLag = s.SendLag
	}
	t.SendLag.Late = 0
	if sends := t.Requests + s.Requests; sends > 0 {
		t.SendLag.Late = late / float64(sends)
	}
	t.Requests += s.Requests
	t.WorkerCPU = max(t.WorkerCPU, s.CPU)
	t.Billed += s.Billed
}

// mergeLogs adds logs line by line. Each is sorted, so one second is in memory
// at a time, however long the trial and however many the shards.
func mergeLogs(a bench.Aim, logs [][]byte) ([]byte, map[Tag]*hdrhistogram.Histogram, error) {
	type cursor struct {
		reader  logReader
		key     intervalKey
		payload string
		done    bool
	}
	cursors := make([]cursor, len(logs))
	advance := func(i int) error {
		c := &cursors[i]
		var ok bool
		var err error
		c.key, c.payload, ok, err = c.reader.next()
		c.done = !ok
		if err != nil {
			return fmt.Errorf("log %d: %w", i, err)
		}
		return nil
	}
	for i, log := range logs {
		cursors[i].reader = logReader{rest: log}
		if err := advance(i); err != nil {
			return nil, nil, err
		}
	}
	var out bytes.Buffer
	writeHeader(&out, a.T0)
	whole := map[Tag]*hdrhistogram.Histogram{}
	for {
		var key intervalKey
		for i := range cursors {
			if c := &cursors[i]; !c.done && (key.tag == "" || c.key.compare(key) < 0) {
				key = c.key
			}
		}
		if key.tag == "" {
			return out.Bytes(), whole, nil
		}
		second := newHistogram()
		for i := range cursors {
			if cursors[i].done || cursors[i].key != key {
				continue
			}
			h, err := decode(cursors[i].payload)
			if err != nil {
				return nil, nil, fmt.Errorf("log %d, second %d: %w", i, key.second, err)
			}
			if second.Merge(h) != 0 {
				return nil, nil, errors.New("a merge dropped latencies")
			}
			if err := advance(i); err != nil {
				return nil, nil, err
			}
		}
		e, err := encode(second)
		if err != nil {
			return nil, nil, fmt.Errorf("encode second %d: %w", key.second, err)
		}
		writeLine(&out, key, e)
		if whole[key.tag] == nil {
			whole[key.tag] = newHistogram()
		}
		whole[key.tag].Merge(second)
	}
}

func count(h *hdrhistogram.Histogram) int64 {
	if h == nil {
		return 0
	}
	return h.TotalCount()
}
