package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

// kinds are what a run starts, in the order of a receipt, as people call them.
var kinds = []struct{ kind, name string }{
	{bench.KindInstance, "instance"},
	{bench.KindLoadBalancer, "load balancer"},
	{bench.KindListener, "listener"},
	{bench.KindTargetGroup, "target group"},
}

// kindName is a kind as people call it.
func kindName(kind string) string { return strings.ReplaceAll(kind, "-", " ") }

// counted counts things by kind: "2 instances, 1 load balancer and 2 listeners".
// A kind that is not known here is counted under its own name.
func counted(of []string) string {
	count := map[string]int{}
	for _, k := range of {
		count[k]++
	}
	var parts []string
	for _, k := range kinds {
		if n := count[k.kind]; n > 0 {
			parts = append(parts, plural(n, k.name))
		}
	}
	for _, k := range of {
		if n := count[k]; n > 0 && !slices.ContainsFunc(kinds, func(known struct{ kind, name string }) bool { return known.kind == k }) {
			parts = append(parts, plural(n, kindName(k)))
			delete(count, k)
		}
	}
	return and(parts)
}

// ended is what a receipt ended and what stays, without the word "nothing":
// "2 instances and 1 load balancer ended by teardown; 1 security group stays".
func ended(r bench.Receipt) string {
	var gone, kept []string
	for _, e := range r.Ended {
		gone = append(gone, e.Kind)
	}
	for _, k := range r.Kept {
		kept = append(kept, k.Kind)
	}
	s := "nothing had to be ended"
	if len(gone) > 0 {
		s = fmt.Sprintf("%s ended by %s", counted(gone), r.By)
	}
	switch len(kept) {
	case 0:
		return s
	case 1:
		return s + "; " + counted(kept) + " stays with the stack"
	}
	return s + "; " + counted(kept) + " stay with the stack"
}

// leftLine says in one line what is left of a run.
func leftLine(r bench.Report) string {
	switch {
	case r.Receipt == nil:
		return "Left running: unknown, there is no receipt."
	case len(r.Receipt.Left) > 0:
		return "Left running: " + strings.Join(r.Receipt.Left, ", ") + "."
	}
	return "Left running: nothing (" + ended(*r.Receipt) + ")."
}

type receiptView struct {
	By, At, Left, Line string
	Clean              bool
	Ended              []endedView
	Kept               []bench.Kept
}

type endedView struct{ ID, Kind, Group, Type, Lived string }

func viewReceipt(r *bench.Receipt) *receiptView {
	if r == nil {
		return nil
	}
	v := &receiptView{By: r.By, At: r.At.UTC().Format(time.RFC3339), Clean: len(r.Left) == 0, Left: strings.Join(r.Left, ", "), Line: ended(*r), Kept: r.Kept}
	for _, k := range append(slices.Clone(kinds), struct{ kind, name string }{}) {
		for _, e := range r.Ended {
			known := slices.ContainsFunc(kinds, func(known struct{ kind, name string }) bool { return known.kind == e.Kind })
			if e.Kind == k.kind || k.kind == "" && !known {
				v.Ended = append(v.Ended, endedView{ID: shortARN(e.ID), Kind: kindName(e.Kind), Group: e.Group, Type: e.Type, Lived: lived(e)})
			}
		}
	}
	return v
}

func lived(e bench.Ended) string {
	if e.Launched.IsZero() { // what only its name told of
		return "–"
	}
	return duration(e.Ended.Sub(e.Launched))
}

// shortARN is the part of an ARN that tells it from others of the same run.
func shortARN(id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id[strings.LastIndexByte(id, ':')+1:]
	}
	return id
}
