package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/internal/bench"
)

func TestSetupFails(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{sums: func(sums map[string]string) { sums["backend"] = strings.Repeat("0", 64) }})
	e := c.run(t.Context(), tiny)
	e.fails(command.ExitFailed, "Setup", "cluster1", "i-", "/assets/backend does not have the SHA-256 000")
	e.clean(1)
	if status, name := c.status(); status != types.ExecutionStatusFailed || name != "SetupFailed" {
		t.Errorf("the execution is %s with %s", status, name)
	}
	if r := read[bench.Report](e, "report.json"); r.Status != bench.StatusFailed || r.Reason != e.sum.Reason {
		t.Errorf("report: %s, %s", r.Status, r.Reason)
	}
	conforms(t, filepath.Join(e.folder, "report.json"))
	if said := c.says(e, outcome{status: types.ExecutionStatusFailed, cause: e.sum.Reason}); said != "fairlead: the run failed: "+e.sum.Reason+"\n" {
		t.Errorf("it says %q", said)
	}
}

func TestNodeDiesDuringLoad(t *testing.T) {
	t.Parallel()
	plan := with(tinyProxied, `{"clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 2}],
		"load": {"kind": "rate", "rate": 40, "duration": "2s", "timeout": "2s"}, "work": {"sleep": "10ms"}}`)
	c := begin(t, setting{plan: plan})
	killed := make(chan string, 1)
	c.when("runs/*/trials/*/shard-0.lease", func(lease string) {
		var fleet bench.Fleet
		b, err := os.ReadFile(filepath.Join(filepath.Dir(lease), "..", "..", "fleet.json"))
		if err == nil {
			err = json.Unmarshal(b, &fleet)
		}
		for _, i := range fleet.Instances {
			if err == nil && i.Role == bench.RoleNode {
				if err = loaded(i); err == nil {
					err = c.cloud.Kill(i.ID)
				}
				killed <- i.ID
				break
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	e := c.run(t.Context(), plan)
	e.fails(command.ExitFailed, <-killed, "of cluster1", "lost")
	e.clean(3)
	conforms(t, filepath.Join(e.folder, "report.json"))
	r := read[bench.Report](e, "report.json")
	if len(r.Trials) != 1 || r.Trials[0].Status != "invalid" || r.Trials[0].Requests == 0 {
		t.Errorf("trials %+v", r.Trials)
	}
}

// loaded waits until a node has answered some of the trial's requests; what
// came before, the proof of the paths and the probes of its health, is less.
func loaded(i bench.Instance) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var before int
	for first := true; ; first = false {
		n, err := requests(ctx, i)
		if err != nil {
			return err
		}
		if first {
			before = n
		}
		if n >= before+10 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s gets no load: %d requests, %d at first", i.ID, n, before)
		case <-tick.C:
		}
	}
}

// requests is how many requests a node has had.
func requests(ctx context.Context, i bench.Instance) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d/stats?since=0", i.PrivateIP, bench.NodePort), nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	var stats struct{ Requests int }
	if err == nil {
		err = json.Unmarshal(b, &stats)
	}
	return stats.Requests, err
}

func TestFunctionCrashes(t *testing.T) {
	for _, tt := range []struct {
		handler   string
		ends      string // the execution's error
		words     []string
		instances int
		code      int
		report    bench.Status // empty: none is written
	}{
		{"plan", "Runtime.ExitError", []string{"exit"}, 0, command.ExitFailed, ""},
		{"launch", "Runtime.ExitError", []string{"Launch", "cluster1", "exit"}, 0, command.ExitFailed, bench.StatusFailed},
		{"setup", "Runtime.ExitError", []string{"Setup", "cluster1", "exit"}, 1, command.ExitFailed, bench.StatusFailed},
		{"ready", "Runtime.ExitError", []string{"Ready", "exit"}, 1, command.ExitFailed, bench.StatusFailed},
		{"aim", "Runtime.ExitError", []string{"Prove", "exit"}, 1, command.ExitFailed, bench.StatusFailed},
		{"shard", "RunFailed", []string{"cluster1/direct has no valid trial", "1 of 1 shards left no tally", "Runtime.ExitError"}, 1, command.ExitFailed, bench.StatusFailed},
		{"merge", "RunFailed", []string{"trial b01-cluster1-direct failed", "Merge", "exit"}, 1, command.ExitFailed, bench.StatusFailed},
		{"judge", "JudgeFailed", []string{"the report could not be written", "exit"}, 1, command.ExitFailed, ""},
	} {
		t.Run(tt.handler, func(t *testing.T) {
			t.Parallel()
			c := begin(t, setting{
				bootstrap: `[ "$_HANDLER" = ` + tt.handler + ` ] && exit 1; exec "$PROGRAM"`,
				change:    func(d document) { d.hasten() },
			})
			e := c.run(t.Context(), tiny)
			e.fails(tt.code, tt.words...)
			if status, name := c.status(); status != types.ExecutionStatusFailed || name != tt.ends {
				t.Errorf("the execution is %s with %s, want %s", status, name, tt.ends)
			}
			if tt.handler != "plan" {
				e.clean(tt.instances)
			}
			_, err := os.Stat(filepath.Join(e.folder, "report.json"))
			if there := err == nil; there != (tt.report != "") {
				t.Fatalf("report: %v", err)
			}
			if tt.report != "" {
				conforms(t, filepath.Join(e.folder, "report.json"))
				if r := read[bench.Report](e, "report.json"); r.Status != tt.report {
					t.Errorf("the report says %s", r.Status)
				}
			}
		})
	}
}

// A teardown that crashes proves nothing: the run ends as leaked, and the sweep,
// which its end sets off, ends the fleet.
func TestTeardownCrashes(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{bootstrap: `[ "$_HANDLER" = teardown ] && exit 1; exec "$PROGRAM"`, change: document.hasten})
	e := c.run(t.Context(), tiny)
	e.fails(command.ExitLeaked, "not confirmed")
	if status, name := c.status(); status != types.ExecutionStatusFailed || name != "Leaked" {
		t.Errorf("the execution is %s with %s", status, name)
	}
	swept := make(chan struct{})
	c.when(e.keys.Receipt(), func(string) { close(swept) })
	select {
	case <-swept:
		e.clean(1)
	case <-time.After(20 * time.Second):
		t.Error("the sweep left no receipt")
	}
}

// asleep is a function that takes its event and never answers. It speaks to the
// Runtime API itself: a process that does not even ask for an event is given
// ten seconds.
const asleep = `exec bash -c 'host=${AWS_LAMBDA_RUNTIME_API%%/*}; path=${AWS_LAMBDA_RUNTIME_API#"$host"}
	exec 3<>"/dev/tcp/${host%:*}/${host#*:}"
	printf "GET $path/2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: $host\r\n\r\n" >&3
	sleep 600'`

func TestFunctionTimesOut(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{
		bootstrap: `[ "$_HANDLER" = ready ] && ` + asleep + `; exec "$PROGRAM"`,
		change:    func(d document) { d.hasten(); d.function("ready")["Timeout"] = 1 },
	})
	e := c.run(t.Context(), tiny)
	e.fails(command.ExitFailed, "Ready", "timed out")
	e.clean(1)
}

// Teardown may not terminate: the run ends as leaked and names what runs on.
// Nor may the sweep, so that the instance lives until the local AWS ends.
func TestLeak(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{denied: true, change: func(d document) {
		d.hasten()
		d.without(func(s statement) bool { return s.Actions[0] == "ec2:TerminateInstances" })
	}})
	e := c.run(t.Context(), tiny)
	receipt := read[bench.Receipt](e, "receipt.json")
	if len(receipt.Left) != 1 {
		t.Fatalf("left %v", receipt.Left)
	}
	e.fails(command.ExitLeaked, receipt.Left[0])
	if said := c.says(e, outcome{status: types.ExecutionStatusFailed, err: "Leaked", cause: e.sum.Reason}); said != "fairlead: leaked: "+e.sum.Reason+"\n" {
		t.Errorf("it says %q", said)
	}
	if status, name := c.status(); status != types.ExecutionStatusFailed || name != "Leaked" {
		t.Errorf("the execution is %s with %s", status, name)
	}
	if r := read[bench.Report](e, "report.json"); r.Status != bench.StatusLeaked {
		t.Errorf("the report says %s", r.Status)
	}
	if n := len(processesOf(c.cloud.Endpoint())); n == 0 {
		t.Error("nothing runs, although nothing was ended")
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	plan := with(tiny, `{"blocks": 30}`)
	c := begin(t, setting{plan: plan})
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	c.when("runs/*/trials/*/tally.json", func(string) { cancel(interrupt.Err) })
	e := c.run(ctx, plan)
	e.fails(command.ExitInterrupted, "trials did not run")
	e.clean(1)
	if status, _ := c.status(); status != types.ExecutionStatusAborted {
		t.Errorf("the execution is %s", status)
	}
	conforms(t, filepath.Join(e.folder, "report.json"))
	r := read[bench.Report](e, "report.json")
	if r.Status != bench.StatusPartial || len(r.Trials) != 30 || r.Receipt == nil || r.Receipt.By != "sweep" {
		t.Errorf("report: %s, %d trials, receipt %+v", r.Status, len(r.Trials), r.Receipt)
	}
	counts := map[string]int{}
	for _, row := range r.Trials {
		counts[row.Status]++
	}
	if counts["ok"]+counts["invalid"] == 0 || counts["skipped"] == 0 {
		t.Errorf("trials by status: %v", counts)
	}
	if b, err := os.ReadFile(filepath.Join(e.folder, "cancelled")); err != nil || !strings.Contains(string(b), "was aborted") {
		t.Errorf("the marker against launches: %q, %v", b, err)
	}
}

// Before anything was planned there is nothing to sweep, judge or wait for.
func TestInterruptedAtOnce(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{bootstrap: `[ "$_HANDLER" = plan ] && ` + asleep + `; exec "$PROGRAM"`})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupt.Err)
	code, err := c.execute(ctx, &c.deployment, command.Run{Plan: parsed(t, tiny), PlanJSON: []byte(tiny)}, &painter{w: &c.errs})
	if code != command.ExitInterrupted || err != nil {
		t.Errorf("exit %d, %v", code, err)
	}
}
