package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/local"
)

// dry does a dry run and gives what it prints.
func (c *scene) dry(plan string) string {
	c.t.Helper()
	c.out.Reset()
	plan = with(plan, `{"dryRun": true}`)
	code, err := c.execute(c.t.Context(), &c.deployment, command.Run{Plan: parsed(c.t, plan), PlanJSON: []byte(plan)}, &painter{w: &c.errs})
	if code != command.ExitDone || err != nil {
		c.t.Fatalf("dry run: exit %d, %v", code, err)
	}
	return c.out.String()
}

// refused checks that Plan ended the run, before anything was launched or written.
func (e ended) refused(c *scene, name string, words ...string) {
	e.t.Helper()
	e.fails(command.ExitFailed, words...)
	if status, err := c.status(); status != types.ExecutionStatusFailed || err != name {
		e.t.Errorf("the execution is %s with %s, want %s", status, err, name)
	}
	if _, err := os.Stat(e.folder); !os.IsNotExist(err) {
		e.t.Errorf("the run's folder: %v", err)
	}
}

// suggestion is the change that a refusal proposes.
func suggestion(t *testing.T, said string) string {
	t.Helper()
	_, after, found := strings.Cut(said, "It fits with these fields of the plan: ")
	if !found || !json.Valid([]byte(after)) {
		t.Fatalf("no suggestion in %q", said)
	}
	return after
}

// An account of five vCPUs and ten functions at once refuses what it cannot run,
// and what it proposes instead runs.
func TestQuotaTooSmall(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{account: account{quotas: local.Quotas{VCPUs: 5}, concurrency: 10}})

	const lab = `{"preset": "lab"}`
	e := c.run(t.Context(), lab)
	e.refused(c, "QuotaTooSmall", "the account is too small for this plan: vCPU quota: 14 vCPUs needed, 0 in use, the quota is 5")
	if said := c.says(e, outcome{status: types.ExecutionStatusFailed, cause: e.sum.Reason}); said != "fairlead: the run failed: "+e.sum.Reason+"\n" {
		t.Errorf("it says %q", said)
	}
	said := c.dry(lab)
	fits := suggestion(t, e.sum.Reason)
	for _, want := range []string{"short  vCPU quota", "14 vCPUs needed, 0 in use, the quota is 5", "ok     Lambda concurrency", "the account does not allow this plan; nothing was launched", fits} {
		if !strings.Contains(said, want) {
			t.Errorf("the dry run does not say %q:\n%s", want, said)
		}
	}
	said = c.dry(with(lab, fits))
	for _, want := range []string{"5 vCPUs needed, 0 in use, the quota is 5", "the execution accepted the plan; nothing was launched"} {
		if !strings.Contains(said, want) {
			t.Errorf("the dry run of what was proposed does not say %q:\n%s", want, said)
		}
	}
	if strings.Contains(said, "short") {
		t.Errorf("what was proposed does not fit:\n%s", said)
	}

	// Both limits, and what was proposed for real: five instances, and eight
	// shards with what runs beside them.
	plan := with(tiny, `{"clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 8}], "shards": 40,
		"load": {"kind": "burst", "requests": 40, "timeout": "5s"}}`)
	e = c.run(t.Context(), plan)
	e.refused(c, "QuotaTooSmall", "vCPU quota: 8 vCPUs needed", "Lambda concurrency: 42 at once needed (40 shards and 2 control functions), the limit is 10")
	e = c.run(t.Context(), with(plan, suggestion(t, e.sum.Reason)))
	if e.code != command.ExitDone {
		t.Fatalf("what was proposed ends with %d: %s", e.code, e.sum.Reason)
	}
	e.clean(5)
	r := read[bench.RunRecord](e, "plan.json")
	if r.Plan.Shards != 8 || r.Plan.Clusters[0].Count != 5 {
		t.Errorf("it ran %d shards and %+v", r.Plan.Shards, r.Plan.Clusters)
	}
	for _, check := range r.Checks {
		if check.Status == bench.CheckShort || check.Detail == "" {
			t.Errorf("plan.json: %+v", check)
		}
	}
}
