// Package cpu limits and measures the CPU time of a process tree: by a cgroup
// (version 2's cpu.max, else version 1's cfs quota), else by stopping and
// continuing the tree's processes by their CPU clocks.
//
// The cgroup period is 10–20 ms: with the kernel's default of 100 ms a node at
// a tenth of a core would answer nothing for 90 ms at a time.
package cpu

// Kind names how CPU time is limited, as the metadata service reports it.
type Kind string

// The kinds, in the order of preference.
const (
	CgroupV2 Kind = "cgroup-v2"
	CgroupV1 Kind = "cgroup-v1"
	StopCont Kind = "stop-cont"
	None     Kind = "none"
)

// Scale is the share of a vCPU that one emulated vCPU gets, so that the
// largest group of instances leaves a quarter of the machine to the rest.
func Scale(cores, vcpusOfLargestGroup int) float64 {
	if vcpusOfLargestGroup <= 0 {
		return 1
	}
	return min(1, 0.75*float64(cores)/float64(vcpusOfLargestGroup))
}
