package steps

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// controlFunctions may run beside the shards of a trial: one that the state
// machine waits for, and a sweep.
const controlFunctions = 2

// preflight judges plans by what the account said. It asks nothing itself.
type preflight struct {
	facts
	zones   []string // of the subnets; empty: the region was asked
	region  string
	student bool
}

// checks compares a plan with the account. What could not be asked is unknown.
func (f preflight) checks(p bench.Plan) []bench.Check {
	checks := []bench.Check{f.quotaCheck(p), f.concurrencyCheck(p)}
	for _, t := range typesOf(p) {
		checks = append(checks, f.offeredCheck(t))
	}
	checks = append(checks, f.typesCheck(p), f.freePlanCheck(p))
	if f.student {
		checks = append(checks, f.studentChecks(p)...)
	}
	return checks
}

// shortages are the checks that forbid the run.
func shortages(checks []bench.Check) []bench.Check {
	return slices.DeleteFunc(slices.Clone(checks), func(c bench.Check) bool { return c.Status != bench.CheckShort })
}

// typesOf lists the types that a plan launches, sorted.
func typesOf(p bench.Plan) []string {
	var types []string
	for _, g := range p.Groups() {
		types = append(types, g.InstanceType)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

func instancesIn(p bench.Plan) (n int) {
	for _, g := range p.Groups() {
		n += g.Count
	}
	return n
}

func (f preflight) quotaCheck(p bench.Plan) bench.Check {
	c := bench.Check{What: "vCPU quota"}
	need := 0
	for _, g := range p.Groups() {
		need += g.Count * f.vcpus(g.InstanceType)
	}
	used := 0
	for _, i := range f.counting() {
		used += f.vcpus(i.Type)
	}
	quota := f.quota.value
	switch others := f.unsized(); {
	case f.quota.err != nil:
		c.Status, c.Detail = bench.CheckUnknown, fmt.Sprintf("%d vCPUs needed; the quota could not be asked: %s", need, reason(f.quota.err))
	case need+used > quota && f.live.err != nil:
		c.Status, c.Detail = bench.CheckShort, fmt.Sprintf("%d vCPUs needed, the quota is %d", need, quota)
	case need+used > quota:
		c.Status, c.Detail = bench.CheckShort, fmt.Sprintf("%d vCPUs needed, %d in use, the quota is %d", need, used, quota)
	case f.live.err != nil:
		c.Status, c.Detail = bench.CheckUnknown, fmt.Sprintf("%d vCPUs needed, the quota is %d; what is in use could not be asked: %s", need, quota, reason(f.live.err))
	case len(others) > 0:
		c.Status, c.Detail = bench.CheckUnknown, fmt.Sprintf("%d vCPUs needed, the quota is %d; %d are in use, and those of running instances of unknown size: %s", need, quota, used, strings.Join(others, ", "))
	default:
		c.Status, c.Detail = bench.CheckOK, fmt.Sprintf("%d vCPUs needed, %d in use, the quota is %d", need, used, quota)
	}
	return c
}

func (f preflight) concurrencyCheck(p bench.Plan) bench.Check {
	c := bench.Check{What: "Lambda concurrency"}
	need := p.Shards + controlFunctions
	switch most := f.concurrency.value; {
	case f.concurrency.err != nil:
		c.Status, c.Detail = bench.CheckUnknown, fmt.Sprintf("%d at once needed; the limit could not be asked: %s", need, reason(f.concurrency.err))
	case need > most:
		c.Status, c.Detail = bench.CheckShort, fmt.Sprintf("%d at once needed (%d shards and %d control functions), the limit is %d", need, p.Shards, controlFunctions, most)
	default:
		c.Status, c.Detail = bench.CheckOK, fmt.Sprintf("%d at once needed, the limit is %d", need, most)
	}
	return c
}

func (f preflight) offeredCheck(instanceType string) bench.Check {
	c := bench.Check{What: instanceType + " offered"}
	where := f.offered.value[instanceType]
	var missing []string
	for _, z := range f.zones {
		if !slices.Contains(where, z) && !slices.Contains(missing, z) {
			missing = append(missing, z)
		}
	}
	switch {
	case f.offered.err != nil:
		c.Status, c.Detail = bench.CheckUnknown, "could not be asked: "+reason(f.offered.err)
	case len(where) == 0 && len(f.zones) == 0:
		c.Status, c.Detail = bench.CheckShort, "not in this region"
	case len(where) == 0:
		c.Status, c.Detail = bench.CheckShort, "in none of the subnets' zones: "+strings.Join(missing, ", ")
	case len(f.zones) == 0:
		c.Status, c.Detail = bench.CheckOK, "in the region; the subnets' zones are not known here"
	case len(missing) > 0:
		c.Status, c.Detail = bench.CheckOK, fmt.Sprintf("in %s, not in %s: its instances will be spread unevenly", strings.Join(where, ", "), strings.Join(missing, ", "))
	default:
		c.Status, c.Detail = bench.CheckOK, "in "+strings.Join(where, ", ")
	}
	return c
}

// typesCheck holds our table of types, by which plans are priced and images
// chosen, against EC2's.
func (f preflight) typesCheck(p bench.Plan) bench.Check {
	c := bench.Check{What: "instance types", Status: bench.CheckOK}
	var agreed, differing []string
	for _, name := range typesOf(p) {
		ours, _ := bench.TypeOf(name)
		theirs, known := f.types.value[name]
		switch {
		case !known:
			differing = append(differing, name+" is unknown to EC2 here")
		case !slices.Contains(theirs.Architectures, ours.Arch()):
			differing = append(differing, fmt.Sprintf("%s is %s by EC2 and %s here", name, strings.Join(theirs.Architectures, " or "), ours.Arch()))
		case theirs.VCPUs != ours.VCPUs:
			differing = append(differing, fmt.Sprintf("%s has %d vCPUs by EC2 and %d here, so its price may be wrong too", name, theirs.VCPUs, ours.VCPUs))
		default:
			agreed = append(agreed, name)
		}
	}
	switch {
	case f.types.err != nil:
		c.Status, c.Detail = bench.CheckUnknown, "could not be asked: "+reason(f.types.err)
	case len(differing) > 0:
		c.Status, c.Detail = bench.CheckUnknown, strings.Join(differing, "; ")
	default:
		c.Detail = "as EC2 describes them: " + strings.Join(agreed, ", ")
	}
	return c
}

// freePlanCheck names what an account on the free plan could not launch: it is
// refused all but types that are eligible for the free tier. Which plan the
// account has is not asked, as that would take a permission on its billing.
func (f preflight) freePlanCheck(p bench.Plan) bench.Check {
	c := bench.Check{What: "free plan"}
	if f.types.err != nil {
		c.Status, c.Detail = bench.CheckUnknown, "an account on the free plan is refused most types; which ones could not be asked: "+reason(f.types.err)
		return c
	}
	var refused, free []string
	for _, t := range typesOf(p) {
		if !f.types.value[t].FreeTier {
			refused = append(refused, t)
		}
	}
	for _, t := range bench.InstanceTypes() {
		if f.types.value[t].FreeTier {
			free = append(free, t)
		}
	}
	switch {
	case len(refused) == 0:
		c.Status, c.Detail = bench.CheckOK, "all types may be launched on the free plan too"
	case len(free) == 0:
		c.Status, c.Detail = bench.CheckUnknown, fmt.Sprintf("an account on the free plan would be refused %s", strings.Join(refused, ", "))
	default:
		c.Status, c.Detail = bench.CheckUnknown, fmt.Sprintf("an account on the free plan would be refused %s; it may launch %s", strings.Join(refused, ", "), strings.Join(free, ", "))
	}
	return c
}
