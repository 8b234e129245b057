package steps

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

const small = `{"preset": "smoke"}` // 1 + 1 + proxy

func studentSettings(region string) Settings {
	s := settings
	s.Student, s.Region, s.Bucket = true, region, "results"
	return s
}

func TestStudentLimits(t *testing.T) {
	for _, tc := range []struct {
		why, input, what string
		change           func(*region)
		region           string
		want             bench.CheckStatus
		detail           string
	}{
		{"three of eight", small, "instances", func(*region) {}, "us-east-1", bench.CheckOK, "3 with the proxy and 0 in the region already, at most 8"},
		{"eight in all", small, "instances", func(r *region) { r.live = running(slices.Repeat([]string{"t2.nano"}, 5)...) }, "us-east-1", bench.CheckOK, "3 with the proxy and 5"},
		{"nine in all", small, "instances", func(r *region) { r.live = running(slices.Repeat([]string{"t2.nano"}, 6)...) }, "us-east-1", bench.CheckShort, "the region has 6 already"},
		{"the lab's nine, with the proxy", `{}`, "instances", func(*region) {}, "us-east-1", bench.CheckShort, "9 with the proxy, at most 8"},
		{"stopped ones will be started again", small, "instances", func(r *region) {
			r.live = slices.Repeat([]LiveInstance{{Type: "t2.nano", State: "stopped", OnDemand: true}}, 6)
		}, "us-east-1", bench.CheckShort, "the region has 6 already"},
		{"live ones cannot be counted", small, "instances", func(r *region) { r.deny = map[string]error{"live": errDenied} }, "us-east-1", bench.CheckUnknown, "AccessDenied"},
		{"too many, whatever lives", `{}`, "instances", func(r *region) { r.deny = map[string]error{"live": errDenied} }, "us-east-1", bench.CheckShort, "at most 8"},

		{"six shards", `{"preset": "smoke", "shards": 6}`, "functions", func(*region) {}, "us-east-1", bench.CheckOK, "6 shards, at most 6"},
		{"seven", `{"preset": "smoke", "shards": 7}`, "functions", func(*region) {}, "us-east-1", bench.CheckShort, "7 shards, at most 6 (10 functions run at once)"},

		{"micro and large", small, "sizes", func(*region) {}, "us-east-1", bench.CheckOK, "nano to large"},
		{"a proxy of a size too many", `{"preset": "smoke", "proxy": {"instanceType": "c7i.xlarge"}}`, "sizes", func(*region) {}, "us-east-1", bench.CheckShort, "c7i.xlarge not within"},

		{"one region", small, "region", func(*region) {}, "us-west-2", bench.CheckOK, "us-west-2"},
		{"another", small, "region", func(*region) {}, "eu-west-1", bench.CheckShort, "deploy the stack in us-east-1 or us-west-2"},
	} {
		t.Run(tc.why, func(t *testing.T) {
			r := roomy()
			tc.change(r)
			f := preflightOf(t, r, nil, true)
			f.region = tc.region
			checks := f.checks(parse(t, tc.input))
			i := slices.IndexFunc(checks, func(c bench.Check) bool { return c.What == "student account: "+tc.what })
			if i < 0 || checks[i].Status != tc.want || !strings.Contains(checks[i].Detail, tc.detail) {
				t.Errorf("got %+v, want %s …%s…", checks, tc.want, tc.detail)
			}
		})
	}
}

func TestAnOrdinaryAccountHasNoStudentLimits(t *testing.T) {
	for what := range judged(t, roomy(), nil, `{}`) {
		if strings.Contains(what, "student") {
			t.Errorf("asked for %q", what)
		}
	}
	m := newMemory()
	if _, err := planOf(roomy(), settings, m, `{}`); err != nil {
		t.Fatal(err)
	}
	if _, there := m.objects[bench.RunLock]; there || read[bench.RunRecord](t, m, keysOfR.Plan()).Locked {
		t.Error("it took the run lock")
	}
}

func TestStudentPlanTellsAllThatIsTooMuch(t *testing.T) {
	m := newMemory()
	_, err := planOf(roomy(), studentSettings("us-east-1"), m, `{"shards": 8, "proxy": {"instanceType": "c7i.xlarge"}}`)
	lacking, ok := own[*QuotaTooSmall](err)
	if !ok || len(lacking.Short) != 3 {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{"9 with the proxy", "8 shards", "c7i.xlarge", `"instanceType":"c7i.large"`, `"shards":6`, `"count":3`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	if len(m.keys()) > 0 {
		t.Errorf("wrote %v", m.keys())
	}
}

func TestARegionThatNoPlanFits(t *testing.T) {
	_, err := planOf(roomy(), studentSettings("eu-west-1"), newMemory(), small)
	var lacking *QuotaTooSmall
	if !errors.As(err, &lacking) || lacking.Suggestion != nil || !strings.Contains(err.Error(), "No smaller plan") {
		t.Errorf("%v", err)
	}
}
