package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/internal/bench"
)

// Every statement is needed: without it, the run that uses it fails and says
// which permission is missing, and no other is.

func logs(s statement) bool { return s.Actions[0] == "logs:CreateLogStream" }

func TestEveryStatementIsNeeded(t *testing.T) {
	names := map[string]bool{}
	for _, s := range golden(t).statements() {
		name := s.name()
		if names[name] {
			t.Errorf("two statements are named %q", name)
		}
		names[name] = true
		if _, known := lacks[name]; !known && !logs(s) { // TestWithoutLogs
			t.Errorf("what happens without %q?", name)
		}
	}
	for name, want := range lacks {
		d := golden(t)
		roles := rolesOf(d)
		role, actions := d.lose(name)
		if len(actions) == 0 {
			t.Errorf("no statement, and no action of one, is named %q", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := try(t, setting{plan: cmp.Or(want.plan, tiny), denied: true, change: func(d document) {
				d.hasten()
				nameSweep(d)
				d.lose(name)
				if role == "sweep" {
					d.quiet()
				}
				if want.change != nil {
					want.change(d)
				}
			}})
			if (err != nil) != want.refused {
				t.Fatalf("deployment: %v", err)
			}
			if want.refused {
				says(t, err.Error(), want.words)
				return
			}
			c.lacks(role, want)
			for _, d := range c.cloud.Denials() {
				if roles.name(d.RoleARN) != role || !slices.Contains(slices.Concat(actions, want.instead), d.Action) {
					t.Errorf("besides, %v", d.Error())
				}
			}
		})
	}
}

// lacks does the run that shows what a role lacks.
func (c *scene) lacks(role string, want lack) {
	c.t.Helper()
	plan := cmp.Or(want.plan, tiny)
	if role == "sweep" {
		c.sweeps(plan, want.words)
		return
	}
	e := c.run(c.t.Context(), plan)
	switch {
	case want.leaks:
		e.fails(command.ExitLeaked, want.words...)
	case len(want.words) == 0:
		if e.code != command.ExitDone {
			c.t.Errorf("exit %d: %s", e.code, e.sum.Reason)
		}
		e.knowsAllBut(want.unknown)
	default:
		e.fails(command.ExitFailed, want.words...)
		if read, err := os.ReadFile(filepath.Join(e.folder, "receipt.json")); err == nil && !strings.Contains(string(read), `"left": []`) {
			c.t.Errorf("receipt %s", read)
		}
	}
}

// knowsAllBut checks what Plan noted of the account: of these it could not ask,
// because it was not allowed to, and all others it was told.
func (e ended) knowsAllBut(unknown []string) {
	e.t.Helper()
	for _, check := range read[bench.RunRecord](e, "plan.json").Checks {
		want := slices.Contains(unknown, check.What)
		refused := check.Status == bench.CheckUnknown && strings.Contains(check.Detail, "could not be asked: AWS answered ")
		if want != refused || check.Status == bench.CheckShort {
			e.t.Errorf("%s is %s: %s", check.What, check.Status, check.Detail)
		}
		unknown = slices.DeleteFunc(slices.Clone(unknown), func(what string) bool { return what == check.What })
	}
	if len(unknown) > 0 {
		e.t.Errorf("nothing is said of %v", unknown)
	}
}

func says(t *testing.T, text string, words []string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
}

// sweeps has the sweep called for a live run and, once its execution has been
// stopped, for an abandoned one: one of the calls must fail and say why.
func (c *scene) sweeps(plan string, words []string) {
	c.t.Helper()
	name := "abandoned"
	started, err := c.sfn.StartExecution(c.t.Context(), &sfn.StartExecutionInput{StateMachineArn: &c.machine, Name: &name, Input: aws.String(with(plan, `{"blocks": 50}`))})
	if err != nil {
		c.t.Fatal(err)
	}
	keys := bench.RunKeys{Run: name}
	begun := []string{keys.Group("cluster1")}
	if plan == tinyALB {
		begun = append(begun, keys.Balancer())
	}
	for _, key := range begun {
		if err := c.waitFor(c.t.Context(), key); err != nil {
			c.t.Fatal(err)
		}
	}
	said := c.sweep()
	if _, err := c.sfn.StopExecution(c.t.Context(), &sfn.StopExecutionInput{ExecutionArn: started.ExecutionArn}); err != nil {
		c.t.Fatal(err)
	}
	says(c.t, said+c.sweep(), words)
}
