package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/internal/bench"
)

// localAccount is the account number of an emulated AWS; no real one is all zeros.
const localAccount = "000000000000"

// environment says where the run was measured. What an instance said of itself
// decides; a run that had none is told by its account.
func environment(in Input) bench.Environment {
	// arn:aws:states:<region>:<account>:execution:<machine>:<name>
	arn := strings.Split(in.Record.Execution, ":")
	e := bench.Environment{Kind: "aws"}
	if len(arn) > 4 {
		e.Region = arn[3]
		if arn[4] == localAccount {
			e.Kind = "local"
		}
	}
	for _, t := range in.Record.Trials {
		for _, s := range in.Samples[t.Key] {
			if s.Emulation != nil && e.Emulation == nil {
				e.Kind, e.Emulation = "local", s.Emulation
			}
		}
	}
	e.Note = note(e, in.Record.Plan)
	return e
}

func note(e bench.Environment, p bench.Plan) string {
	if e.Kind == "local" {
		const not = "Emulated on one machine, not measured on AWS"
		switch m := e.Emulation; {
		case m == nil:
			return not + "."
		case m.CPULimit == "none":
			return fmt.Sprintf("%s: %d cores for everything, CPU not limited, so that instance types do not differ.", not, m.HostCores)
		default:
			return fmt.Sprintf("%s: %d cores for everything, %.4g of a core given per vCPU (%s). Compare arms with each other, not with AWS.", not, m.HostCores, m.Scale, m.CPULimit)
		}
	}
	where := "Measured on AWS in " + e.Region
	burstable := typesOf(p, func(t bench.InstanceType) bool { return t.Burstable })
	if len(burstable) == 0 {
		return where + "."
	}
	return fmt.Sprintf("%s. %s run on CPU credits: these figures hold while credits last.", where, strings.Join(burstable, " and "))
}

// otherArchitecture says which types are not what ran here: a local cloud has
// the programs of its machine alone.
func otherArchitecture(e bench.Environment, p bench.Plan) string {
	if e.Emulation == nil {
		return ""
	}
	here := e.Emulation.Architecture
	other := typesOf(p, func(t bench.InstanceType) bool {
		return t.Arch() != here && (here != "" || t.Arm)
	})
	if len(other) == 0 {
		return ""
	}
	arch := "arm64"
	if here == bench.ArchARM {
		arch = "x86_64"
	}
	is := "is"
	if len(other) > 1 {
		is = "are"
	}
	return fmt.Sprintf("%s %s %s on AWS; here the machine's own%s programs ran, which says nothing of how %s does.", and(other), is, arch, strings.TrimRight(" "+here, " "), arch)
}

func typesOf(p bench.Plan, that func(bench.InstanceType) bool) []string {
	var names []string
	for _, g := range p.Groups() {
		if t, ok := bench.TypeOf(g.InstanceType); ok && that(t) && !slices.Contains(names, g.InstanceType) {
			names = append(names, g.InstanceType)
		}
	}
	return names
}
