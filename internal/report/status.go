package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// status says how the run ended, and in one line why it is not done. A leak
// outranks everything, for it costs money now; a failure outranks a stop.
func status(in Input, r bench.Report) (bench.Status, string) {
	status, reason := bench.StatusDone, ""
	for _, check := range []func(Input, bench.Report) (bench.Status, string){failed, stopped, armless} {
		if s, why := check(in, r); why != "" {
			status, reason = s, why
			break
		}
	}
	if left := leaked(in); left != "" {
		return bench.StatusLeaked, strings.TrimSuffix(left+"; "+reason, "; ")
	}
	return status, reason
}

func failed(in Input, r bench.Report) (bench.Status, string) {
	if in.Failure != "" {
		return bench.StatusFailed, oneLine(in.Failure)
	}
	if lost := lostNodes(in); len(lost) > 0 {
		return bench.StatusFailed, cut(strings.Join(lost, "; "))
	}
	var broken []string
	for _, t := range r.Trials {
		if t.Status == "failed" {
			broken = append(broken, fmt.Sprintf("trial %s failed: %s", t.Key, strings.Join(t.Reasons, "; ")))
		}
	}
	switch len(broken) {
	case 0:
		return "", ""
	case 1:
		return bench.StatusFailed, cut(broken[0])
	}
	return bench.StatusFailed, cut(fmt.Sprintf("%s (and %d more)", broken[0], len(broken)-1))
}

// lostNodes names each instance that could not be asked once, with the first
// trial in which that was so.
func lostNodes(in Input) []string {
	var lost []string
	seen := map[string]bool{}
	for _, t := range in.Record.Trials {
		for _, s := range in.Samples[t.Key] {
			if s.Error != "" && !seen[s.ID] {
				seen[s.ID] = true
				lost = append(lost, fmt.Sprintf("%s of %s was lost in trial %s: %s", s.ID, s.Group, t.Key, oneLine(s.Error)))
			}
		}
	}
	return lost
}

func stopped(in Input, r bench.Report) (bench.Status, string) {
	skipped := 0
	var why string
	for _, t := range r.Trials {
		if t.Status == "skipped" {
			skipped++
			why = cmp.Or(why, strings.Join(t.Reasons, "; "))
		}
	}
	if skipped == 0 {
		return bench.StatusPartial, oneLine(in.Stopped)
	}
	return bench.StatusPartial, fmt.Sprintf("%d of %d trials did not run: %s", skipped, len(r.Trials), why)
}

func armless(_ Input, r bench.Report) (bench.Status, string) {
	for _, a := range r.Arms {
		if a.TrialsValid > 0 {
			continue
		}
		why := "none was planned"
		for _, t := range r.Trials {
			if t.Arm == a.Name && len(t.Reasons) > 0 {
				why = fmt.Sprintf("in %s, %s", t.Key, strings.Join(t.Reasons, "; "))
				break
			}
		}
		return bench.StatusFailed, cut(fmt.Sprintf("%s has no valid trial: %s", armName(a), why))
	}
	return "", ""
}

// leaked says what may still run, and cost money.
func leaked(in Input) string {
	switch {
	case in.Receipt != nil && len(in.Receipt.Left) > 0:
		return "still there: " + list(in.Receipt.Left)
	case in.Leaked:
		return "the fleet's end was not confirmed"
	}
	return ""
}

// list joins names; of many it counts the rest.
func list(names []string) string {
	const most = 6
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// runWarnings are what a reader must know before believing the figures.
func runWarnings(in Input, r bench.Report) []string {
	var w []string
	if e := r.Environment.Emulation; e != nil && e.CPULimit == "none" {
		w = append(w, "CPU is not limited here: instance types do not differ, and comparing them means nothing.")
	}
	if other := otherArchitecture(r.Environment, in.Record.Plan); other != "" {
		w = append(w, other)
	}
	invalid := 0
	var first string
	for _, t := range r.Trials {
		if t.Status == "invalid" {
			invalid++
			first = cmp.Or(first, strings.Join(t.Reasons, "; "))
		}
	}
	if invalid > 0 {
		because := ", because "
		if invalid > 1 {
			because = "; the first because "
		}
		w = append(w, fmt.Sprintf("Invalid, and left out of every arm's figures: %d of %d trials%s%s.", invalid, len(r.Trials), because, first))
	}
	for _, a := range r.Arms {
		if a.Requests > 0 && float64(a.Errors) > 0.001*float64(a.Requests) {
			w = append(w, fmt.Sprintf("%s: %s of its requests failed; its latencies are those of the others.", armName(a), percent(float64(a.Errors)/float64(a.Requests))))
		}
	}
	if n := fewestRequests(r); n > 0 && n < 100 {
		w = append(w, fmt.Sprintf("Some trials have only %d good answers: with fewer than 100 a trial's p99 is its slowest one.", n))
	}
	if busy := busyBalancer(in, r); busy > 0 {
		w = append(w, fmt.Sprintf("In %s of two seconds or less the balancer used more than 85 %% of its CPU while requests were in flight: it may have held the nodes back.", plural(busy, "trial")))
	}
	w = append(w, balancerWarnings(r)...)
	if in.Receipt == nil {
		w = append(w, "Teardown left no receipt; the fleet's end is unknown.")
	}
	return w
}

// fewestRequests is the least number of good answers of a valid trial.
func fewestRequests(r bench.Report) int {
	least := 0
	for _, t := range r.Trials {
		if good := t.Requests - t.Errors; t.Status == "ok" && (least == 0 || good < least) {
			least = good
		}
	}
	return least
}

// busyBalancer counts the valid trials whose balancer was nearly saturated by
// the CPU it used in the trial's seconds over the trial's own length. For a
// burst shorter than a second the busiest second alone would hide that.
func busyBalancer(in Input, r bench.Report) int {
	busy := 0
	for _, t := range r.Trials {
		tally := in.Tallies[t.Key]
		if armOf(r, t.Arm).Target.Kind != bench.TargetProxy || t.Status != "ok" || tally.Seconds <= 0 || tally.Seconds > 2 {
			continue // in a longer trial the busiest second is a whole one
		}
		if slices.ContainsFunc(in.Samples[t.Key], func(s bench.NodeSamples) bool {
			var used float64
			for _, sec := range s.Seconds {
				if sec.T >= tally.FirstSend.Unix() && sec.T <= tally.LastDone.Unix() {
					used += sec.CPU
				}
			}
			return s.Role == bench.RoleProxy && s.CPUs > 0 && used > 0.85*s.CPUs*tally.Seconds
		}) {
			busy++
		}
	}
	return busy
}
