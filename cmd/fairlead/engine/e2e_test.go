package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/fairlead/fairlead/cdk/template"
	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/programs"
	"github.com/fairlead/fairlead/internal/bench"
	"github.com/fairlead/fairlead/local"
)

// The tests in this package run the whole system: the golden template on a
// local AWS, with the real functions, proxy and backends as processes.

// TestMain lets the test binary stand in for the programs of instances. Runs
// wait more than they compute, so more of them go side by side than there are
// cores.
func TestMain(m *testing.M) {
	if code, ok := local.Applet(os.Args); ok {
		os.Exit(code)
	}
	if err := flag.Set("test.parallel", "4"); err != nil { // -parallel on the command line still wins
		panic(err)
	}
	os.Exit(m.Run())
}

// compiled is the folder of the programs, built as the launcher builds them.
var compiled = sync.OnceValues(func() (string, error) {
	return programs.Build(context.Background(), os.Stderr, false)
})

// tiny is the smallest run: one node asked directly, without a balancer. Work
// that sleeps keeps the trial valid on a busy machine: sending is then never
// what takes the time.
const tiny = `{"preset": "smoke", "clusters": [{"name": "cluster1", "instanceType": "t2.micro", "count": 1}],
	"targets": [{"kind": "direct"}], "load": {"kind": "burst", "requests": 10, "timeout": "2s"},
	"work": {"sleep": "400ms"}, "blocks": 1, "shards": 1}`

// tinyProxied is the same through the proxy.
var tinyProxied = with(tiny, `{"targets": [{"kind": "proxy", "strategy": "round-robin"}]}`)

// with gives a plan with some of its fields replaced.
func with(plan, fields string) string {
	all := map[string]json.RawMessage{}
	for _, text := range []string{plan, fields} {
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			panic(err)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// now is a clock that never tells one second twice: executions are named by it.
func now() time.Time { return time.Now().Add(time.Duration(calls.Add(1)) * time.Second) }

var calls atomic.Int64

// scene is a local AWS with the stack on it.
type scene struct {
	engine
	*stand
	t         *testing.T
	out, errs bytes.Buffer
	denied    bool // see setting
}

// setting is how a scene differs from what users run.
type setting struct {
	plan      string                  // whose fleet the machine's cores are shared among; empty: tiny
	change    func(document)          // of the template before it is deployed
	bootstrap string                  // shell script in the place of the functions' program, which it finds as $PROGRAM
	backend   string                  // likewise, of the nodes' program
	sums      func(map[string]string) // of the programs' SHA-256
	denied    bool                    // something of the run must be denied, as a permission is taken away
	account   account
	delays    command.Delays
	render    func(map[string]string) ([]byte, error) // of another template than the golden one
}

// try sets a scene up, or tells why the template was refused. The scene ends
// with the test, and then no process of it may be left.
func try(t *testing.T, s setting) (*scene, error) {
	t.Helper()
	dir, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	for program, script := range map[string]string{"lambdas": s.bootstrap, "backend": s.backend} {
		if script != "" {
			dir = disguised(t, dir, program, script)
		}
	}
	if s.plan == "" {
		s.plan = tiny
	}
	if s.render == nil {
		s.render = template.Render
	}
	c := &scene{t: t, denied: s.denied}
	c.engine = engine{
		IO: command.IO{In: strings.NewReader(""), Out: &c.out, Err: &c.errs}, programs: dir,
		terminal: func(*os.File) bool { return false },
		now:      now,
	}
	c.stand, err = c.engine.stand(t.Context(), standing{
		out: t.TempDir(), scale: scaleFor(parsed(t, s.plan)), account: s.account, delays: s.delays,
		render: func(sums map[string]string) ([]byte, error) {
			if s.sums != nil {
				s.sums(sums)
			}
			text, err := s.render(sums)
			if err != nil || s.change == nil {
				return text, err
			}
			return changed(t, text, s.change), nil
		},
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(c.end)
	return c, nil
}

func begin(t *testing.T, s setting) *scene {
	t.Helper()
	c, err := try(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// end takes the scene down and looks for what it left.
func (c *scene) end() {
	all := c.cloud.Denials()
	for _, d := range all {
		if !c.denied {
			c.t.Errorf("denied, %d times: %v", d.Count, d.Error())
		}
	}
	if c.denied && len(all) == 0 {
		c.t.Error("no call was denied")
	}
	c.keep = c.t.Failed()
	if err := c.close(); err != nil {
		c.t.Errorf("taking the local AWS down: %v", err)
	}
	if c.keep {
		c.t.Logf("logs are in %s\n%s%s", c.data, &c.out, &c.errs)
	}
	for _, p := range processesOf(c.cloud.Endpoint()) {
		c.t.Errorf("a process is left: %s", p)
	}
}

// disguised is a folder like dir in which a shell script stands for a program.
func disguised(t *testing.T, dir, program, script string) string {
	t.Helper()
	to := t.TempDir()
	for _, p := range programs.Deployed {
		if p == program {
			text := "#!/bin/sh\nPROGRAM=" + filepath.Join(dir, p) + "\n" + script + "\n"
			if err := os.WriteFile(filepath.Join(to, p), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		} else if err := os.Symlink(filepath.Join(dir, p), filepath.Join(to, p)); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// processesOf lists the processes that know a cloud's endpoint: its functions,
// and all that runs on its instances.
func processesOf(endpoint string) []string {
	var found []string
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range folders {
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || !bytes.Contains(environ, []byte("AWS_ENDPOINT_URL="+endpoint+"\x00")) {
			continue // gone meanwhile, another user's, or another cloud's
		}
		line, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		found = append(found, fmt.Sprintf("%s %q", dir, line))
	}
	return found
}

func parsed(t *testing.T, plan string) bench.Plan {
	t.Helper()
	p, err := bench.ParsePlan([]byte(plan))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ended is a run that has ended.
type ended struct {
	t      *testing.T
	code   int
	errs   string  // what the command said on standard error
	sum    summary // what it told with --json
	folder string  // of the run's objects
	keys   bench.RunKeys
}

// run does one execution, as `fairlead run --json` does.
func (c *scene) run(ctx context.Context, plan string) ended {
	c.t.Helper()
	c.out.Reset()
	c.errs.Reset()
	code, err := c.execute(ctx, &c.deployment, command.Run{Plan: parsed(c.t, plan), PlanJSON: []byte(plan), JSON: true}, &painter{w: &c.errs})
	if err != nil {
		c.t.Fatalf("%v (exit %d)", err, code)
	}
	e := ended{t: c.t, code: code, errs: c.errs.String()}
	if err := json.Unmarshal(c.out.Bytes(), &e.sum); err != nil {
		c.t.Fatalf("%v in %q", err, c.out.String())
	}
	e.folder, e.keys = e.sum.Folder, bench.RunKeys{Run: e.sum.Run}
	return e
}

// says is what the command would have printed on standard error without --json.
func (c *scene) says(e ended, end outcome) string {
	c.t.Helper()
	c.errs.Reset()
	if _, err := c.tell(command.Run{}, c.results, e.keys, end, false); err != nil {
		c.t.Error(err)
	}
	return c.errs.String()
}

// read decodes one of the run's objects; name is below the run's prefix.
func read[T any](e ended, name string) T {
	e.t.Helper()
	var v T
	b, err := os.ReadFile(filepath.Join(e.folder, filepath.FromSlash(name)))
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return v
}

// fails checks that the run ended so: with the code, a reason of one line that
// has all words, the same in the report if there is one.
func (e ended) fails(code int, words ...string) {
	e.t.Helper()
	if e.code != code || e.sum.ExitCode != code {
		e.t.Errorf("exit %d, told as %d, want %d", e.code, e.sum.ExitCode, code)
	}
	if e.sum.Reason == "" || strings.Contains(e.sum.Reason, "\n") {
		e.t.Errorf("the reason is not one line: %q", e.sum.Reason)
	}
	for _, w := range words {
		if !strings.Contains(e.sum.Reason, w) {
			e.t.Errorf("the reason %q does not say %q", e.sum.Reason, w)
		}
	}
}

// clean checks that the receipt says that nothing is left, and that as many
// instances were ended as were launched.
func (e ended) clean(instances int) {
	e.t.Helper()
	r := read[bench.Receipt](e, "receipt.json")
	if r.Left == nil || len(r.Left) > 0 || len(r.Ended) != instances {
		e.t.Errorf("receipt: ended %d of %d, left %v", len(r.Ended), instances, r.Left)
	}
}

// status is how the latest execution ended, and with which error.
func (c *scene) status() (types.ExecutionStatus, string) {
	c.t.Helper()
	list, err := c.sfn.ListExecutions(c.t.Context(), &sfn.ListExecutionsInput{StateMachineArn: &c.machine})
	if err != nil || len(list.Executions) == 0 {
		c.t.Fatalf("%d executions, %v", len(list.Executions), err)
	}
	d, err := c.sfn.DescribeExecution(c.t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: list.Executions[0].ExecutionArn})
	if err != nil {
		c.t.Fatal(err)
	}
	if d.Error == nil {
		return d.Status, ""
	}
	return d.Status, *d.Error
}

// when calls then as soon as a file that matches the pattern, below the results
// folder, exists. The test waits for it.
func (c *scene) when(pattern string, then func(path string)) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			if found, _ := filepath.Glob(filepath.Join(c.results, pattern)); len(found) > 0 {
				then(found[0])
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	c.t.Cleanup(func() { cancel(); <-done })
}
