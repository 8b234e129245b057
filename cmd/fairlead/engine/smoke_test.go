package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/fairlead/fairlead/cmd/fairlead/command"
	"github.com/fairlead/fairlead/cmd/fairlead/interrupt"
	"github.com/fairlead/fairlead/internal/bench"
)

// smoke is the preset, with work that sleeps as well: on a machine that also
// compiles, sending 60 requests may take longer than answering them, and such a
// trial is no evidence.
const smoke = `{"preset": "smoke", "work": {"cpu": "1ms", "sleep": "500ms"}}`

// line runs one command line of the engine.
func line(t *testing.T, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	dir, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	var o, e bytes.Buffer
	s := command.IO{In: strings.NewReader(stdin), Out: &o, Err: &e}
	c := engine{IO: s, programs: dir, terminal: func(*os.File) bool { return false }, now: now}
	code = command.Execute(t.Context(), args, s, command.Actions{Run: c.run, Serve: c.serve, Report: c.report})
	return code, o.String(), e.String()
}

func TestSmokeLeavesEveryDocumentedFile(t *testing.T) {
	t.Parallel()
	c := begin(t, setting{plan: smoke})
	e := c.run(t.Context(), smoke)
	if e.code != command.ExitDone || e.errs != "" || e.sum.Status != bench.StatusDone {
		t.Fatalf("exit %d, %s: %s; %q", e.code, e.sum.Status, e.sum.Reason, e.errs)
	}
	e.clean(3)
	plan := parsed(t, smoke)
	want := []string{"plan.json", "fleet.json", "report.json", "report.html", "trials.csv", "nodes.csv", "receipt.json"}
	for _, g := range plan.Groups() {
		want = append(want, "groups/"+g.Name+".json")
	}
	for _, trial := range plan.Trials() {
		for _, name := range []string{"aim.json", "tally.json", "tally.hlog", "nodes.json",
			"shard-0.json", "shard-0.hlog", "shard-0.lease", "shard-1.json", "shard-1.hlog", "shard-1.lease"} {
			want = append(want, "trials/"+trial.Key+"/"+name)
		}
	}
	slices.Sort(want)
	if have := files(t, e.folder); !slices.Equal(have, want) {
		t.Errorf("the folder has\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	prefix := e.keys.Prefix()
	list, err := s3.NewFromConfig(c.config).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &c.bucket, Prefix: &prefix})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range list.Contents {
		keys = append(keys, strings.TrimPrefix(*o.Key, prefix))
	}
	if !slices.Equal(keys, want) { // S3 lists in the order of the keys
		t.Errorf("the bucket has\n%s", strings.Join(keys, "\n"))
	}
	conforms(t, filepath.Join(e.folder, "report.json"))
	adds(t, e, plan)
}

// files lists what lies below a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// conforms checks a report against the published schema.
func conforms(t *testing.T, path string) {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("../../../internal/report/report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	report, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(report); err != nil {
		t.Errorf("report.json does not conform to its schema: %v", err)
	}
}

// adds checks that the report's numbers agree with the plan, with each other
// and with the tables.
func adds(t *testing.T, e ended, plan bench.Plan) {
	t.Helper()
	r := read[bench.Report](e, "report.json")
	if r.Environment.Kind != "local" || r.Environment.Emulation == nil || r.Environment.Emulation.Scale <= 0 {
		t.Errorf("environment %+v", r.Environment)
	}
	if len(r.Arms) != len(plan.Arms()) || len(r.Comparisons) == 0 || r.Cost.USD <= 0 || len(r.Cost.Items) == 0 {
		t.Errorf("%d arms, %d comparisons, cost %+v", len(r.Arms), len(r.Comparisons), r.Cost)
	}
	for _, c := range r.Comparisons {
		if c.Verdict != bench.Unsure || c.BlocksNeeded <= plan.Blocks {
			t.Errorf("%d blocks settle nothing, and the verdict is %q: %s", plan.Blocks, c.Verdict, c.Sentence)
		}
	}
	for _, a := range r.Arms {
		valid, requests, share := 0, 0, 0.0
		for _, row := range r.Trials {
			if row.Arm != a.Name {
				continue
			}
			if row.Requests != plan.Load.Requests || row.Errors != 0 {
				t.Errorf("trial %s: %d requests, %d errors, want %d and none", row.Key, row.Requests, row.Errors, plan.Load.Requests)
			}
			if row.Status == "ok" {
				valid++
			}
		}
		if a.TrialsValid != valid || a.TrialsTotal != plan.Blocks || a.Requests != valid*plan.Load.Requests || a.Errors != 0 {
			t.Errorf("%s: %d of %d trials valid, %d requests, %d errors", a.Name, a.TrialsValid, a.TrialsTotal, a.Requests, a.Errors)
		}
		for _, n := range a.PerNode {
			requests += n.Requests
			share += n.Share
		}
		if len(a.PerNode) != 1 || requests != a.Requests || share < 0.999 || share > 1.001 {
			t.Errorf("%s: its nodes' requests are %d, their shares %g: %+v", a.Name, requests, share, a.PerNode)
		}
		l := a.LatencyMs
		if l.P50 < 500 || l.Mean < 500 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.Max || a.RPS <= 0 {
			t.Errorf("%s: %g requests/s, latency %+v with 500 ms of sleep in it", a.Name, a.RPS, l)
		}
	}
	for name, rows := range map[string]int{"trials.csv": len(plan.Trials()), "nodes.csv": len(r.Arms)} {
		f, err := os.Open(filepath.Join(e.folder, name))
		if err != nil {
			t.Fatal(err)
		}
		table, err := csv.NewReader(f).ReadAll()
		f.Close()
		if err != nil || len(table) != rows+1 {
			t.Errorf("%s has %d lines, want a head and %d: %v", name, len(table), rows, err)
		}
	}
}

func TestRunPrintsTheResult(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, out, errs := line(t, with(tinyProxied, `{"thresholds": ["cluster1.p99 < 1ms", "cluster1.p99 < 60s"]}`), "run", "-", "--out", dir)
	if code != command.ExitFailed || errs != "fairlead: a threshold was not met\n"+keptLogs(errs) {
		t.Errorf("exit %d, %q: a threshold was not met", code, errs)
	}
	reports, _ := filepath.Glob(filepath.Join(dir, "runs", "*", "report.html"))
	if len(reports) != 1 {
		t.Fatalf("reports %v", reports)
	}
	for _, want := range []string{"DONE", "not AWS", "cluster1/proxy/round-robin", "1 × t2.micro", "✗ cluster1/proxy/round-robin.p99 < 1ms", "✓ cluster1/proxy/round-robin.p99 < 60s", "Left running: nothing", reports[0]} {
		if !strings.Contains(out, want) {
			t.Errorf("the result does not say %q:\n%s", want, out)
		}
	}
	code, again, _ := line(t, "", "report", filepath.Dir(reports[0]))
	if code != command.ExitDone || !strings.HasPrefix(out, again) {
		t.Errorf("report of the stored run, exit %d:\n%s", code, again)
	}
}

// keptLogs is the line that tells where a failed run's logs are.
func keptLogs(errs string) string {
	at := strings.Index(errs, "fairlead: logs of the functions and instances are in ")
	if at < 0 {
		return "and where the logs are"
	}
	return errs[at:]
}

func TestRunTellsMachines(t *testing.T) {
	t.Parallel()
	code, out, errs := line(t, tiny, "run", "-", "--json", "--out", t.TempDir())
	var sum map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &sum); code != command.ExitDone || errs != "" || err != nil {
		t.Fatalf("exit %d, %q, %v in %q", code, errs, err, out)
	}
	for _, key := range []string{"run", "status", "headline", "exitCode", "environment", "arms", "cost", "folder", "report"} {
		if len(sum[key]) == 0 {
			t.Errorf("it does not tell %q", key)
		}
	}
}

func TestDryRunLaunchesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	code, out, errs := line(t, with(tiny, `{"dryRun": true}`), "run", "-", "--json", "--out", dir)
	var told struct {
		DryRun  bool
		Summary struct {
			Trials, Instances int
			USD               float64
		}
	}
	if err := json.Unmarshal([]byte(out), &told); code != command.ExitDone || errs != "" || err != nil {
		t.Fatalf("exit %d, %q, %v in %q", code, errs, err, out)
	}
	if !told.DryRun || told.Summary.Trials != 1 || told.Summary.Instances != 1 || told.Summary.USD <= 0 {
		t.Errorf("%+v", told)
	}
	if left := files(t, dir); len(left) > 0 {
		t.Errorf("it wrote %v", left)
	}
}

func TestBadInputStartsNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ why, plan, want string }{
		{"two mistakes at once", with(tiny, `{"blocks": 0, "shards": 0}`), "2 mistakes"},
		{"more than it may cost", with(tiny, `{"maxUSD": 0.0001}`), "maxUSD"},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		code, out, errs := line(t, tt.plan, "run", "-", "--out", dir)
		if _, err := os.Stat(dir); code != command.ExitBadInput || out != "" || !strings.Contains(errs, tt.want) || !os.IsNotExist(err) {
			t.Errorf("%s: exit %d, %q, %q; folder: %v", tt.why, code, out, errs, err)
		}
	}
}

func TestResultsFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := line(t, tiny, "run", "-", "--out", filepath.Join(file, "results"))
	if code != command.ExitBadInput || out != "" || !strings.Contains(errs, "another --out") || !strings.Contains(errs, file) {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

func TestReportOfWhatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	table := filepath.Join(dir, "trials.csv")
	if err := os.WriteFile(table, []byte("trial"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{dir: "holds no report.json: give the folder of one run", table: "is not a report.json"} {
		if code, _, errs := line(t, "", "report", path); code != command.ExitBadInput || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, %q", path, code, errs)
		}
	}
}

func TestServeEndsWithCtrlC(t *testing.T) {
	t.Parallel()
	dir, err := compiled()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	said := &announcement{awaited: "Ctrl-C ends it", then: func() { cancel(interrupt.Err) }}
	s := command.IO{In: strings.NewReader(""), Out: said, Err: said}
	c := engine{IO: s, programs: dir, terminal: func(*os.File) bool { return false }, now: now}
	code := command.Execute(ctx, []string{"serve", "--addr", "127.0.0.1:0", "--out", t.TempDir()}, s, command.Actions{Serve: c.serve})
	for _, want := range []string{"export AWS_ACCESS_KEY_ID=", "start-execution --state-machine-arn arn:aws:states:", "AWS::StepFunctions::StateMachine", "without effect"} {
		if !strings.Contains(said.text.String(), want) {
			t.Errorf("serve does not say %q:\n%s", want, said.text.String())
		}
	}
	if code != command.ExitDone {
		t.Errorf("exit %d", code)
	}
}

// announcement calls then once, when the awaited words have been written.
type announcement struct {
	text    bytes.Buffer
	awaited string
	then    func()
}

func (a *announcement) Write(p []byte) (int, error) {
	n, err := a.text.Write(p)
	if a.then != nil && strings.Contains(a.text.String(), a.awaited) {
		a.then()
		a.then = nil
	}
	return n, err
}
