package steps

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/internal/bench"
)

var errDenied = errors.New("AWS answered AccessDenied")

// region is an Account. Its zero value offers everything and has room for nothing.
type region struct {
	vcpus, executions int
	zones             []string            // that offer all types but those of only
	only              map[string][]string // type → zones that offer it
	sizes             map[string]int      // types that the table does not know, and other sizes of those it does
	free              []string
	live              []LiveInstance
	deny              map[string]error // by method
	hang              map[string]bool  // answers only when the asker has given up
	asked             chan string
}

// roomy has room for any plan of the tests.
func roomy() *region {
	return &region{vcpus: 1000, executions: 1000, zones: []string{"us-east-1a", "us-east-1b"}, free: []string{"t3.micro", "t3.small", "c7i-flex.large"}}
}

func (r *region) answer(ctx context.Context, method string) error {
	if r.asked != nil {
		r.asked <- method
	}
	if r.hang[method] {
		<-ctx.Done()
		return ctx.Err()
	}
	return r.deny[method]
}

func (r *region) VCPUQuota(ctx context.Context) (int, error) {
	return r.vcpus, r.answer(ctx, "quota")
}

func (r *region) ConcurrentExecutions(ctx context.Context) (int, error) {
	return r.executions, r.answer(ctx, "executions")
}

func (r *region) Offered(ctx context.Context, types, zones []string) (map[string][]string, error) {
	if err := r.answer(ctx, "offered"); err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, t := range types {
		where, some := r.only[t]
		if !some {
			where = r.zones
		}
		if len(zones) == 0 && len(where) > 0 {
			found[t] = []string{"us-east-1"}
		}
		for _, z := range where {
			if slices.Contains(zones, z) {
				found[t] = append(found[t], z)
			}
		}
	}
	return found, nil
}

func (r *region) TypeFacts(ctx context.Context, types []string) (map[string]TypeFacts, error) {
	if err := r.answer(ctx, "types"); err != nil {
		return nil, err
	}
	found := map[string]TypeFacts{}
	for _, name := range types {
		t, known := bench.TypeOf(name)
		f := TypeFacts{VCPUs: t.VCPUs, Architectures: []string{t.Arch()}, FreeTier: slices.Contains(r.free, name)}
		if n, other := r.sizes[name]; other {
			f.VCPUs, known = n, true
		}
		if known {
			found[name] = f
		}
	}
	return found, nil
}

func (r *region) Live(ctx context.Context) ([]LiveInstance, error) {
	if err := r.answer(ctx, "live"); err != nil {
		return nil, err
	}
	return r.live, nil
}

func running(types ...string) []LiveInstance {
	var live []LiveInstance
	for _, t := range types {
		live = append(live, LiveInstance{Type: t, State: stateRunning, OnDemand: true})
	}
	return live
}

func parse(t *testing.T, input string) bench.Plan {
	t.Helper()
	p, err := bench.ParsePlan([]byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// judged are the checks of a plan in an ordinary account, by what they are of.
func judged(t *testing.T, r *region, zones []string, input string) map[string]bench.Check {
	t.Helper()
	checks := map[string]bench.Check{}
	for _, c := range (preflight{facts: ask(t.Context(), r, zones), zones: zones, region: "us-east-1"}).checks(parse(t, input)) {
		if _, twice := checks[c.What]; twice {
			t.Errorf("two checks of %q", c.What)
		}
		if c.Detail == "" {
			t.Errorf("%q says nothing", c.What)
		}
		checks[c.What] = c
	}
	return checks
}

func TestQuestionsAreAskedAtOnceAndNotWaitedForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := roomy()
		r.live = running("g5.xlarge", "r5.large") // sized by a second question, which has its own time
		r.hang = map[string]bool{"quota": true, "executions": true, "offered": true, "types": true}
		r.asked = make(chan string, 20)
		began := time.Now()
		checks := judged(t, r, nil, `{}`)
		if took := time.Since(began); took != askTime {
			t.Errorf("took %v, want %v: all are asked at once", took, askTime)
		}
		if len(r.asked) != 5 {
			t.Errorf("%d questions, want 5", len(r.asked))
		}
		for _, what := range []string{"vCPU quota", "Lambda concurrency", "t2.micro offered", "instance types", "free plan"} {
			if c := checks[what]; c.Status != bench.CheckUnknown || !strings.Contains(c.Detail, "no answer within 5s") {
				t.Errorf("%s: %+v", what, c)
			}
		}
	})
}

func TestOtherTypesInUseAreSized(t *testing.T) {
	r := roomy()
	r.live = running("r5.large", "g5.xlarge")
	r.sizes = map[string]int{"r5.large": 2}
	r.asked = make(chan string, 20)
	c := judged(t, r, nil, `{}`)["vCPU quota"]
	if c.Status != bench.CheckOK || !strings.Contains(c.Detail, "14 vCPUs needed, 2 in use") {
		t.Errorf("%+v", c)
	}
	if len(r.asked) != 6 {
		t.Errorf("%d questions, want one more", len(r.asked))
	}
	r.sizes = nil
	if c := judged(t, r, nil, `{}`)["vCPU quota"]; c.Status != bench.CheckUnknown || !strings.Contains(c.Detail, "unknown size: r5.large") {
		t.Errorf("%+v", c)
	}
}

func TestStandardFamilies(t *testing.T) {
	for instanceType, want := range map[string]bool{
		"t2.micro": true, "c7i-flex.large": true, "im4gn.large": true, "is4gen.medium": true, "z1d.large": true, "a1.medium": true, "r5.large": true, "h1.2xlarge": true, "d3en.xlarge": true,
		"inf1.xlarge": false, "trn1.2xlarge": false, "dl1.24xlarge": false, "hpc6a.48xlarge": false, "mac1.metal": false, "g5.xlarge": false,
		"p4d.24xlarge": false, "x1.16xlarge": false, "u-6tb1.metal": false, "vt1.3xlarge": false, "f1.2xlarge": false, "": false,
	} {
		if got := standardFamily(instanceType); got != want {
			t.Errorf("%q: %v", instanceType, got)
		}
	}
}

func TestReasonIsOneShortLine(t *testing.T) {
	got := reason(errors.New("line one\nline two " + strings.Repeat("ö", 200)))
	if strings.Contains(got, "\n") || len([]rune(got)) != 120 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d runes: %q", len([]rune(got)), got)
	}
}

func planOf(r *region, s Settings, m *memory, input string) (PlanOut, error) {
	return (&Planner{Store: m, Account: r, Settings: s}).Run(context.Background(), PlanIn{Input: json.RawMessage(input), Execution: execution, StartedAt: time.Now()})
}
