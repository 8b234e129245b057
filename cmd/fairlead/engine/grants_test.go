package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/cdk/template"
	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/internal/bench"
)

// Every grant of the template is used by a run, on every resource that it names.
// What is needed of them, grants_needed_test.go tells; that nothing else is, the
// end of every scene.

func golden(t *testing.T) document {
	t.Helper()
	sums := map[string]string{}
	for _, a := range template.Assets() {
		if a.Hashed {
			sums[a.Name] = strings.Repeat("0", 64)
		}
	}
	text, err := template.Render(sums)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	// broad has nodes in every zone, all that a fleet may have, and more shards
	// than one execution runs itself.
	broad = with(tiny, `{"targets": [{"kind": "proxy", "strategy": "round-robin"}, {"kind": "alb"}],
		"clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 2}],
		"shards": 41, "load": {"kind": "burst", "requests": 41, "timeout": "10s"}, "work": {"sleep": "3s"}}`)
	// arm has the same of the other architecture, and lasts until it is interrupted.
	arm = with(tiny, `{"targets": [{"kind": "proxy", "strategy": "round-robin"}, {"kind": "alb"}],
		"clusters": [{"name": "cluster1", "instanceType": "t4g.nano", "count": 1}], "proxy": {"instanceType": "t4g.nano"}, "blocks": 20}`)
)

// elsewhere are resources that no run here can reach, each with why it is granted.
var elsewhere = map[string]string{
	"MachineRole execution:Benchmark:*": "the Step Functions developer guide names a Distributed Map's children so (IAM policies for using Distributed Map states); their ARNs, here and on AWS, have a / in that place",
}

func TestEveryGrantIsUsed(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{plan: broad, change: nameSweep})
	// A sweep on schedule in its midst, which must spare it.
	c.when("runs/*/trials/*/aim.json", func(string) {
		if said := c.sweep(); said != "" {
			t.Errorf("the sweep of a live run: %s", said)
		}
	})
	e := c.run(t.Context(), broad)
	if e.code != command.ExitDone {
		t.Fatalf("exit %d: %s", e.code, e.sum.Reason)
	}
	e.clean(6) // instances, and of the load balancer three parts
	// Ended by Ctrl-C, swept because of it.
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	c.when("runs/*/trials/b02-*/aim.json", func(string) { cancel(interrupt.Err) })
	if e = c.run(ctx, arm); e.code != command.ExitInterrupted {
		t.Fatalf("exit %d: %s", e.code, e.sum.Reason)
	}
	e.clean(5)
	// A run whose name is taken, by an execution of long ago: Plan reads whose it is.
	c.now = func() time.Time { return time.Unix(0, 0) }
	taken := bench.RunKeys{Run: "smoke-19700101-000000"}
	if err := os.MkdirAll(filepath.Dir(c.object(taken.Plan())), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.object(taken.Plan()), []byte(`{"execution": "the older one"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run(t.Context(), tiny).fails(command.ExitFailed, "belong to execution the older one")

	grants := c.cloud.Usage()
	if len(grants) < 120 {
		t.Errorf("only %d grants: is the template's list of them read?", len(grants))
	}
	roles := rolesOf(golden(t))
	reached := map[reach]int{}
	for _, g := range grants {
		role := roles.name(g.RoleARN)
		if role == "" {
			t.Errorf("%s is no role of the template", g.RoleARN)
		}
		if g.Allowed == 0 {
			t.Errorf("%s may %s (policy %s, statement %d), and no run needs it", role, g.Action, g.Policy, g.Statement)
		}
		for _, on := range g.On {
			reached[reach{role, g.Policy, on.Resource, g.Statement}] += on.Allowed
		}
	}
	excused := map[string]bool{}
	for at, times := range reached {
		if times > 0 {
			continue
		}
		name := at.role + " " + logical(at.resource)
		if excused[name] = true; elsewhere[name] == "" {
			t.Errorf("%s may do something on %s (policy %s, statement %d), and no run needs it there", at.role, logical(at.resource), at.policy, at.statement)
		}
	}
	for name := range elsewhere {
		if !excused[name] {
			t.Errorf("%s is excused, and used: take it off the list", name)
		}
	}
}

// reach is a resource of a statement.
type reach struct {
	role, policy, resource string
	statement              int
}

// generated is a name that the deployment has made: of the stack's, the logical id
// and a suffix.
var generated = regexp.MustCompile(`^(?:` + stackName + `-)?([A-Za-z0-9]+)-[A-Za-z0-9]{12}$`)

// logical is the end of an ARN, with the logical id in the place of a generated name.
func logical(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	end := parts[len(parts)-1]
	for _, word := range strings.FieldsFunc(end, func(r rune) bool { return r == ':' || r == '/' }) {
		end = strings.Replace(end, word, generated.ReplaceAllString(word, "$1"), 1)
	}
	return end
}

// roleNames are the roles of a template, by their logical ids, as statements name them.
type roleNames map[string]string

func rolesOf(d document) roleNames {
	names := roleNames{}
	for _, s := range d.statements() {
		names[s.roleID] = s.Role
	}
	return names
}

// name gives the name for a role's ARN, "" for one that is no role of the template.
func (n roleNames) name(arn string) string {
	parts := strings.Split(arn[strings.LastIndexByte(arn, '/')+1:], "-")
	if len(parts) < 2 {
		return ""
	}
	return n[parts[1]]
}
