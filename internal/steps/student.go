package steps

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// Limits of student accounts (AWS Academy's labs): nine instances of a region may
// run, more are ended at once, and twenty close the account for good. One is
// left for whatever the student runs besides. Functions run ten at once.
const (
	studentInstances = 8
	studentFunctions = 10
	studentShards    = 6 // leaves room for the control functions and for Launch's branches
)

// Sizes and regions that such an account may use.
var (
	studentSizes   = []string{"nano", "micro", "small", "medium", "large"}
	studentRegions = []string{"us-east-1", "us-west-2"}
)

// studentSize tells whether a student account may launch the type.
func studentSize(instanceType string) bool {
	_, size, _ := strings.Cut(instanceType, ".")
	return slices.Contains(studentSizes, size)
}

// studentChecks holds a plan to the limits, which the account itself would
// enforce only by ending what runs.
func (f preflight) studentChecks(p bench.Plan) []bench.Check {
	return []bench.Check{f.studentInstancesCheck(p), studentShardsCheck(p), studentSizesCheck(p), f.studentRegionCheck()}
}

// studentInstancesCheck counts all instances of the region, stopped ones too: the
// next session starts them again.
func (f preflight) studentInstancesCheck(p bench.Plan) bench.Check {
	c := bench.Check{What: "student account: instances"}
	need, live := instancesIn(p), len(f.live.value)
	switch {
	case need > studentInstances:
		c.Status, c.Detail = bench.CheckShort, fmt.Sprintf("%d with the proxy, at most %d are offered", need, studentInstances)
	case f.live.err != nil:
		c.Status, c.Detail = bench.CheckUnknown, fmt.Sprintf("%d of at most %d; those of the region could not be counted: %s", need, studentInstances, reason(f.live.err))
	case need+live > studentInstances:
		c.Status, c.Detail = bench.CheckShort, fmt.Sprintf("%d with the proxy, and the region has %d already, at most %d are offered in all", need, live, studentInstances)
	default:
		c.Status, c.Detail = bench.CheckOK, fmt.Sprintf("%d with the proxy and %d in the region already, at most %d in all", need, live, studentInstances)
	}
	return c
}

func studentShardsCheck(p bench.Plan) bench.Check {
	c := bench.Check{What: "student account: functions", Status: bench.CheckOK}
	c.Detail = fmt.Sprintf("%d shards, at most %d (%d functions run at once)", p.Shards, studentShards, studentFunctions)
	if p.Shards > studentShards {
		c.Status = bench.CheckShort
	}
	return c
}

func studentSizesCheck(p bench.Plan) bench.Check {
	c := bench.Check{What: "student account: sizes", Status: bench.CheckOK}
	c.Detail = "all within nano to large"
	refused := slices.DeleteFunc(typesOf(p), studentSize)
	if len(refused) > 0 {
		c.Status, c.Detail = bench.CheckShort, strings.Join(refused, ", ")+" not within nano to large"
	}
	return c
}

func (f preflight) studentRegionCheck() bench.Check {
	c := bench.Check{What: "student account: region", Status: bench.CheckOK, Detail: f.region}
	if !slices.Contains(studentRegions, f.region) {
		c.Status = bench.CheckShort
		c.Detail = fmt.Sprintf("%q is not open to it: deploy the stack in %s", f.region, strings.Join(studentRegions, " or "))
	}
	return c
}
