package states

import (
	"cmp"
	"context"
	"slices"

	"github.com/fairlead/fairlead/local/gateway"
)

func (s *Service) listStateMachines(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Max  int    `json:"maxResults"`
		Next string `json:"nextToken"`
	}
	if err := allow(r, &in, "ListStateMachines", func() string { return "*" }); err != nil {
		return nil, err
	}
	s.mu.Lock()
	var all []*machine
	for _, m := range s.machines {
		all = append(all, m)
	}
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *machine) int { return cmp.Compare(a.Name, b.Name) })
	page, next, err := paginate(all, in.Max, in.Next)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(page))
	for i, m := range page {
		list[i] = map[string]any{"stateMachineArn": m.ARN, "name": m.Name, "type": "STANDARD", "creationDate": epoch(m.Created)}
	}
	return withToken(map[string]any{"stateMachines": list}, next), nil
}

// describe is what both Describe calls show. Log delivery and tracing are
// declared in templates without local effect, so they show as off.
func (m *machine) describe(all bool) map[string]any {
	out := map[string]any{"stateMachineArn": m.ARN, "name": m.Name, "roleArn": m.RoleARN, "revisionId": m.Revision,
		"loggingConfiguration": map[string]any{"level": "OFF", "includeExecutionData": false},
		"tracingConfiguration": map[string]any{"enabled": false}}
	if all {
		out["definition"] = m.Definition.Source
	}
	return out
}

func (s *Service) describeStateMachine(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ARN  string `json:"stateMachineArn"`
		Data string `json:"includedData"`
	}
	if err := allow(r, &in, "DescribeStateMachine", func() string { return in.ARN }); err != nil {
		return nil, err
	}
	all, err := includedData(in.Data)
	if err != nil {
		return nil, err
	}
	m, err := s.machine(in.ARN)
	if err != nil {
		return nil, err
	}
	out := m.describe(all)
	out["status"], out["type"], out["creationDate"] = "ACTIVE", "STANDARD", epoch(m.Created)
	return out, nil
}

func (s *Service) describeForExecution(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ARN  string `json:"executionArn"`
		Data string `json:"includedData"`
	}
	if err := allow(r, &in, "DescribeStateMachineForExecution", func() string { return in.ARN }); err != nil {
		return nil, err
	}
	all, err := includedData(in.Data)
	if err != nil {
		return nil, err
	}
	x, err := s.execution(in.ARN)
	if err != nil {
		return nil, err
	}
	out := x.machine.describe(all)
	out["updateDate"], out["stateMachineArn"] = epoch(x.machine.Updated), x.machineARN()
	if x.mapRun != nil {
		out["mapRunArn"], out["label"] = x.mapRun.arn, x.mapRun.label
	}
	return out, nil
}

func (s *Service) listMapRuns(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ARN  string `json:"executionArn"`
		Max  int    `json:"maxResults"`
		Next string `json:"nextToken"`
	}
	if err := allow(r, &in, "ListMapRuns", func() string { return in.ARN }); err != nil {
		return nil, err
	}
	x, err := s.execution(in.ARN)
	if err != nil {
		return nil, err
	}
	page, next, err := paginate(x.runs(), in.Max, in.Next)
	if err != nil {
		return nil, err
	}
	list := make([]any, len(page))
	for i, run := range page {
		item := map[string]any{"executionArn": x.arn, "mapRunArn": run.arn, "stateMachineArn": x.machine.ARN, "startDate": epoch(run.start)}
		run.mu.Lock()
		if !run.stopped.IsZero() {
			item["stopDate"] = epoch(run.stopped)
		}
		run.mu.Unlock()
		list[i] = item
	}
	return withToken(map[string]any{"mapRuns": list}, next), nil
}

func (s *Service) describeMapRun(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		ARN string `json:"mapRunArn"`
	}
	if err := allow(r, &in, "DescribeMapRun", func() string { return in.ARN }); err != nil {
		return nil, err
	}
	run, err := s.mapRun(in.ARN)
	if err != nil {
		return nil, err
	}
	c := run.counts()
	// Without batches, one child has one item.
	counts := map[string]any{"pending": c["pending"], "running": c[statusRunning], "succeeded": c[statusSucceeded],
		"failed": c[statusFailed], "timedOut": c[statusTimedOut], "aborted": c[statusAborted], "total": c["total"],
		"resultsWritten": 0, "failuresNotRedrivable": 0, "pendingRedrive": 0}
	percent := 0.0
	if run.allowed.percent != nil {
		percent = *run.allowed.percent
	}
	count := 0
	if run.allowed.count != nil {
		count = *run.allowed.count
	}
	run.mu.Lock()
	defer run.mu.Unlock()
	out := map[string]any{"mapRunArn": run.arn, "executionArn": run.parent.arn, "status": run.status, "startDate": epoch(run.start),
		"maxConcurrency": run.limit, "toleratedFailurePercentage": percent, "toleratedFailureCount": count,
		"itemCounts": counts, "executionCounts": counts, "redriveCount": 0}
	if !run.stopped.IsZero() {
		out["stopDate"] = epoch(run.stopped)
	}
	return out, nil
}
