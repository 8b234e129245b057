package steps

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/internal/bench"
)

var zonesAB = []string{"us-east-1a", "us-east-1b"}

// The lab needs 4 × 1 + 4 × 2 + 2 vCPUs, and 4 + 2 functions at once.
func TestChecks(t *testing.T) {
	micro := func(state string, onDemand bool) []LiveInstance {
		return []LiveInstance{{Type: "t2.micro", State: state, OnDemand: onDemand}}
	}
	for _, tc := range []struct {
		why    string
		change func(*region)
		zones  []string
		what   string
		want   bench.CheckStatus
		detail string
	}{
		{"the quota is just enough", func(r *region) { r.vcpus = 14 }, nil, "vCPU quota", bench.CheckOK, "14 vCPUs needed, 0 in use, the quota is 14"},
		{"one too few", func(r *region) { r.vcpus = 13 }, nil, "vCPU quota", bench.CheckShort, "14 vCPUs needed, 0 in use, the quota is 13"},
		{"what runs counts", func(r *region) { r.vcpus, r.live = 15, running("t2.micro", "t2.micro") }, nil, "vCPU quota", bench.CheckShort, "2 in use"},
		{"what starts counts", func(r *region) { r.vcpus, r.live = 14, micro(statePending, true) }, nil, "vCPU quota", bench.CheckShort, "1 in use"},
		{"what is stopped does not", func(r *region) { r.vcpus, r.live = 14, micro("stopped", true) }, nil, "vCPU quota", bench.CheckOK, "0 in use"},
		{"Spot instances have their own quota", func(r *region) { r.vcpus, r.live = 14, micro(stateRunning, false) }, nil, "vCPU quota", bench.CheckOK, "0 in use"},
		{"so do other families", func(r *region) { r.vcpus, r.live = 14, running("g5.xlarge") }, nil, "vCPU quota", bench.CheckOK, "0 in use"},
		{"EC2's word on a size", func(r *region) { r.vcpus, r.sizes = 15, map[string]int{"t2.micro": 2} }, nil, "vCPU quota", bench.CheckShort, "18 vCPUs needed"},
		{"quota denied", func(r *region) { r.deny = map[string]error{"quota": errDenied} }, nil, "vCPU quota", bench.CheckUnknown, "14 vCPUs needed; the quota could not be asked: AWS answered AccessDenied"},
		{"use denied, and it may be too much", func(r *region) { r.vcpus, r.deny = 14, map[string]error{"live": errDenied} }, nil, "vCPU quota", bench.CheckUnknown, "what is in use could not be asked: AWS answered AccessDenied"},
		{"use denied, but too much without it", func(r *region) { r.vcpus, r.deny = 13, map[string]error{"live": errDenied} }, nil, "vCPU quota", bench.CheckShort, "14 vCPUs needed, the quota is 13"},

		{"just enough functions", func(r *region) { r.executions = 6 }, nil, "Lambda concurrency", bench.CheckOK, "6 at once needed, the limit is 6"},
		{"one too few", func(r *region) { r.executions = 5 }, nil, "Lambda concurrency", bench.CheckShort, "6 at once needed (4 shards and 2 control functions), the limit is 5"},
		{"denied", func(r *region) { r.deny = map[string]error{"executions": errDenied} }, nil, "Lambda concurrency", bench.CheckUnknown, "AccessDenied"},

		{"in all zones", func(*region) {}, zonesAB, "t2.micro offered", bench.CheckOK, "in us-east-1a, us-east-1b"},
		{"in some: noted", func(r *region) { r.only = map[string][]string{"t2.micro": {"us-east-1b"}} }, zonesAB, "t2.micro offered", bench.CheckOK, "in us-east-1b, not in us-east-1a: its instances will be spread unevenly"},
		{"in none of the subnets'", func(r *region) { r.only = map[string][]string{"t2.micro": {"us-east-1f"}} }, zonesAB, "t2.micro offered", bench.CheckShort, "in none of the subnets' zones: us-east-1a, us-east-1b"},
		{"zones not told: the region", func(*region) {}, nil, "t2.micro offered", bench.CheckOK, "in the region"},
		{"zones not told, and not in the region", func(r *region) { r.only = map[string][]string{"t2.micro": nil} }, nil, "t2.micro offered", bench.CheckShort, "not in this region"},
		{"denied", func(r *region) { r.deny = map[string]error{"offered": errDenied} }, zonesAB, "t2.micro offered", bench.CheckUnknown, "AccessDenied"},

		{"EC2 and our table agree", func(*region) {}, nil, "instance types", bench.CheckOK, "c7i.large, t2.large, t2.micro"},
		{"a size that differs", func(r *region) { r.sizes = map[string]int{"t2.large": 4} }, nil, "instance types", bench.CheckUnknown, "t2.large has 4 vCPUs by EC2 and 2 here"},
		{"denied", func(r *region) { r.deny = map[string]error{"types": errDenied} }, nil, "instance types", bench.CheckUnknown, "AccessDenied"},

		{"free plan: all would do", func(r *region) { r.free = []string{"c7i.large", "t2.large", "t2.micro"} }, nil, "free plan", bench.CheckOK, "all types"},
		{"free plan: who would be refused", func(*region) {}, nil, "free plan", bench.CheckUnknown, "would be refused c7i.large, t2.large, t2.micro; it may launch c7i-flex.large, t3.micro, t3.small"},
		{"denied", func(r *region) { r.deny = map[string]error{"types": errDenied} }, nil, "free plan", bench.CheckUnknown, "AccessDenied"},
	} {
		t.Run(tc.what+": "+tc.why, func(t *testing.T) {
			r := roomy()
			tc.change(r)
			c, asked := judged(t, r, tc.zones, `{}`)[tc.what]
			if !asked || c.Status != tc.want || !strings.Contains(c.Detail, tc.detail) {
				t.Errorf("got %+v, want %s …%s…", c, tc.want, tc.detail)
			}
		})
	}
}

func TestOneCheckForEachTypeLaunched(t *testing.T) {
	checks := judged(t, roomy(), zonesAB, `{"clusters": [{"name": "a", "instanceType": "t3.micro", "count": 2}, {"name": "b", "instanceType": "t3.micro", "count": 1}], "targets": [{"kind": "direct"}]}`)
	if _, ok := checks["t3.micro offered"]; !ok || len(checks) != 5 {
		t.Errorf("%v", checks)
	}
	if _, ok := checks["c7i.large offered"]; ok {
		t.Error("the proxy's type is checked, and no proxy is launched")
	}
}
