package workflows_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// step reads a payload, and gives the call's name and what the function does
// when its time is over.
type step func(w *world, payload []byte) (call string, run func(context.Context) any, err error)

// steps are the functions, by the token without "Function".
var steps = map[string]step{
	"plan": plan, "launch": launch, "setup": setup, "balance": balance, "ready": ready, "aim": aimer,
	"shard": shard, "merge": merge, "teardown": teardown, "judge": judge,
}

type object = map[string]any

func gives(out any) func(context.Context) any {
	return func(context.Context) any { return out }
}

func named(values ...string) error {
	if slices.Contains(values, "") {
		return errors.New("something is missing")
	}
	return nil
}

func plan(w *world, payload []byte) (string, func(context.Context) any, error) {
	var in struct {
		Input struct {
			DryRun bool `json:"dryRun"`
		} `json:"input"`
		Execution string    `json:"execution"`
		StartedAt time.Time `json:"startedAt"`
	}
	err := errors.Join(decode(payload, &in), named(in.Execution))
	groups, trials := []object{}, []object{}
	for _, g := range w.groups {
		groups = append(groups, object{"group": g, "balanced": w.alb && g != "proxy"})
	}
	for _, t := range w.trials {
		trials = append(trials, object{"trial": t})
	}
	return "plan", gives(object{"run": "r1", "deadline": in.StartedAt.Add(w.ttl), "groups": groups, "balanced": w.alb, "trials": trials, "dryRun": in.Input.DryRun,
		"summary": object{"trials": len(trials), "usd": 0.1}}), err
}

// grouped is the input of launch, and with instances that of setup.
type grouped struct {
	Run       string   `json:"run"`
	Group     string   `json:"group"`
	Instances []object `json:"instances"`
}

func launch(_ *world, payload []byte) (string, func(context.Context) any, error) {
	var in grouped
	err := errors.Join(decode(payload, &in), named(in.Run, in.Group))
	return "launch " + in.Group, gives(object{"instances": []object{{"id": "i-" + in.Group, "group": in.Group, "role": "node", "type": "t2.micro"}}}), err
}

func setup(_ *world, payload []byte) (string, func(context.Context) any, error) {
	var in grouped
	err := errors.Join(decode(payload, &in), named(in.Run, in.Group))
	if len(in.Instances) != 1 || in.Instances[0]["id"] != "i-"+in.Group {
		err = errors.Join(err, errors.New("these are not what Launch started"))
	}
	return "setup " + in.Group, gives(object{"group": in.Group, "nodes": len(in.Instances)}), err
}

func balance(w *world, payload []byte) (string, func(context.Context) any, error) {
	var in struct{ Op, Run, Group string }
	err := errors.Join(decode(payload, &in), named(in.Run))
	if !w.alb {
		err = errors.Join(err, errors.New("nobody asked for a load balancer"))
	}
	call := "balance " + in.Op
	switch in.Op {
	case "create":
		return call, gives(object{"created": true}), err
	case "wait":
		return call, gives(object{"active": true}), err
	case "register":
		return call + " " + in.Group, gives(object{"group": in.Group, "targets": 1}), errors.Join(err, named(in.Group))
	}
	return "", nil, fmt.Errorf("op is %q", in.Op)
}

func ready(w *world, payload []byte) (string, func(context.Context) any, error) {
	var in struct{ Run string }
	err := errors.Join(decode(payload, &in), named(in.Run))
	return "ready", gives(object{"instances": len(w.groups)}), err
}

type aim struct {
	T0             time.Time `json:"t0"`
	QuiesceAt      time.Time `json:"quiesceAt"`
	TimeoutSeconds int       `json:"timeoutSeconds"`
	Shards         []int     `json:"shards"`
}

func aimer(w *world, payload []byte) (string, func(context.Context) any, error) {
	var in struct{ Op, Run, Trial string }
	if err := decode(payload, &in); err != nil {
		return "", nil, err
	}
	switch in.Op {
	case "warm":
		return "aim warm", gives(object{"warm": true}), nil
	case "prove":
		return "prove", gives(object{"nodes": 1, "targets": []string{"proxy"}}), named(in.Run)
	case "observe":
		w.unloaded("observe " + in.Trial)
		return "observe " + in.Trial, gives(object{"instances": 2, "lost": []string{}}), named(in.Run, in.Trial)
	case "aim":
		w.unloaded("aim " + in.Trial)
		return "aim " + in.Trial, func(context.Context) any {
			w.mu.Lock()
			defer w.mu.Unlock()
			a := aim{T0: time.Now().UTC().Add(lead), Shards: []int{}}
			a.QuiesceAt = a.T0.Add(loadTime + grace)
			a.TimeoutSeconds = int((lead + loadTime + grace + upload).Seconds())
			for n := range w.shards {
				a.Shards = append(a.Shards, n)
			}
			w.aims[in.Trial] = a
			return a
		}, named(in.Run, in.Trial)
	}
	return "", nil, fmt.Errorf("op is %q", in.Op)
}

// unloaded reports a call that meets load which may still run.
func (w *world) unloaded(call string) {
	w.mu.Lock()
	early := time.Until(w.quiet)
	w.mu.Unlock()
	if early > 0 {
		w.report("%s while load may run for another %v", call, early)
	}
}

func shard(w *world, payload []byte) (string, func(context.Context) any, error) {
	var in struct {
		Op, Run, Trial string
		Shard          *int
	}
	if err := decode(payload, &in); err != nil {
		return "", nil, err
	}
	if in.Op == "warm" {
		return "shard warm", gives(object{"warm": true}), nil
	}
	if in.Shard == nil {
		return "", nil, errors.New("which shard?")
	}
	call := fmt.Sprintf("shard %s/%d", in.Trial, *in.Shard)
	return call, func(ctx context.Context) any {
		w.begin(call)
		w.mu.Lock()
		end := w.aims[in.Trial].QuiesceAt.Add(-grace)
		w.mu.Unlock()
		pause(ctx, time.Until(end))
		return object{"shard": *in.Shard, "requests": 100, "errors": 0}
	}, named(in.Run, in.Trial)
}

func merge(w *world, payload []byte) (string, func(context.Context) any, error) {
	var in struct {
		Run, Trial string
		Lost       *string
	}
	err := errors.Join(decode(payload, &in), named(in.Run, in.Trial))
	w.mu.Lock()
	w.lost[in.Trial] = in.Lost
	w.mu.Unlock()
	return "merge " + in.Trial, gives(object{"trial": in.Trial, "status": "ok", "requests": 400, "errors": 0, "rps": 20.0, "p99Ms": 1.5}), err
}

func teardown(w *world, payload []byte) (string, func(context.Context) any, error) {
	var in struct{ Run string }
	err := errors.Join(decode(payload, &in), named(in.Run))
	return "teardown", gives(object{"left": append([]string{}, w.left...), "ended": len(w.groups), "receipt": "runs/r1/receipt.json"}), err
}

// judgeIn is what Judge is told of the run beside its objects.
type judgeIn struct {
	Run       string `json:"run"`
	Execution string `json:"execution"`
	Failure   *struct {
		State string `json:"state"`
		Group string `json:"group"`
		Error string `json:"error"`
		Cause string `json:"cause"`
	} `json:"failure"`
	Notes  []object `json:"notes"`
	Leaked bool     `json:"leaked"`
}

func judge(w *world, payload []byte) (string, func(context.Context) any, error) {
	var in judgeIn
	err := errors.Join(decode(payload, &in), named(in.Run, in.Execution))
	w.mu.Lock()
	w.told = in
	w.mu.Unlock()
	return "judge", gives(outcome(in)), err
}

// outcome is Judge's, as far as the state machine reads it: anything but "done"
// comes with an error and a reason.
func outcome(in judgeIn) object {
	status, name, reason := "done", "", ""
	for _, n := range in.Notes {
		switch {
		case n["status"] == "failed":
			status, name, reason = "failed", "RunFailed", fmt.Sprintf("trial %s failed", n["trial"])
		case n["status"] == "skipped" && status == "done":
			status, name, reason = "partial", "RunIncomplete", "some trials did not run"
		}
	}
	if f := in.Failure; f != nil {
		status, name, reason = "failed", f.Error, f.State+": "+f.Cause
	}
	if in.Leaked {
		status, name = "leaked", cmp.Or(name, "Leaked")
		reason = strings.TrimPrefix(reason+"; the fleet's end was not confirmed", "; ")
	}
	out := object{"status": status, "report": "runs/r1/report.json"}
	if name != "" {
		out["error"], out["reason"] = name, reason
	}
	return out
}
