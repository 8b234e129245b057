package ec2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/local/gateway"
)

// Type is an instance type.
type Type struct {
	Name         string
	VCPUs        int
	MemoryMiB    int
	Architecture string // x86_64 or arm64
	Burstable    bool
	threads      int // vCPUs of a core
}

// TypeNamed finds an instance type. The table holds the sizes that a benchmark
// of a few instances may want, from the EC2 user guide's "Instance types".
func TypeNamed(name string) (Type, bool) {
	family, size, ok := strings.Cut(name, ".")
	if !ok {
		return Type{}, false
	}
	for _, f := range families() {
		if f.name != family {
			continue
		}
		for _, s := range f.sizes {
			if s.name == size {
				memory := s.memoryMiB
				if f.gibPerVCPU > 0 {
					memory = s.vcpus * f.gibPerVCPU * 1024
				}
				return Type{name, s.vcpus, memory, f.architecture, f.burstable, min(f.threads, s.vcpus)}, true
			}
		}
	}
	return Type{}, false
}

// freeTier are the types that AWS shows as eligible to accounts made since
// 2025-07-15, which the local account is taken for (EC2 user guide, "Amazon EC2
// pricing", free tier). Older accounts have t2.micro and t3.micro.
func freeTier(name string) bool {
	return slices.Contains([]string{"t3.micro", "t3.small", "t4g.micro", "t4g.small", "c7i-flex.large", "m7i-flex.large"}, name)
}

// Types lists every known type, by name.
func Types() []Type {
	var all []Type
	for _, f := range families() {
		for _, s := range f.sizes {
			t, _ := TypeNamed(f.name + "." + s.name)
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b Type) int { return strings.Compare(a.Name, b.Name) })
	return all
}

type family struct {
	name, architecture string
	burstable          bool
	gibPerVCPU         int // 0: each size has its own memory
	threads            int // vCPUs of a core
	sizes              []size
}

type size struct {
	name             string
	vcpus, memoryMiB int
}

func families() []family {
	t2 := []size{{"nano", 1, 512}, {"micro", 1, 1024}, {"small", 1, 2048}, {"medium", 2, 4096}, {"large", 2, 8192}, {"xlarge", 4, 16384}, {"2xlarge", 8, 32768}}
	t3 := []size{{"nano", 2, 512}, {"micro", 2, 1024}, {"small", 2, 2048}, {"medium", 2, 4096}, {"large", 2, 8192}, {"xlarge", 4, 16384}, {"2xlarge", 8, 32768}}
	regular := []size{{"large", 2, 0}, {"xlarge", 4, 0}, {"2xlarge", 8, 0}, {"4xlarge", 16, 0}, {"8xlarge", 32, 0}}
	fifth := append(slices.Clone(regular[:4]), size{"9xlarge", 36, 0}) // c5 has 9xlarge instead of 8xlarge
	arm := append([]size{{"medium", 1, 0}}, regular...)
	return []family{
		{"t2", "x86_64", true, 0, 1, t2},
		{"t3", "x86_64", true, 0, 2, t3}, {"t3a", "x86_64", true, 0, 2, t3}, {"t4g", "arm64", true, 0, 1, t3},
		{"c5", "x86_64", false, 2, 2, fifth}, {"c6a", "x86_64", false, 2, 2, regular}, {"c6i", "x86_64", false, 2, 2, regular},
		{"c7i", "x86_64", false, 2, 2, regular}, {"c7i-flex", "x86_64", false, 2, 2, regular}, {"c7g", "arm64", false, 2, 1, arm},
		{"m5", "x86_64", false, 4, 2, regular}, {"m6a", "x86_64", false, 4, 2, regular}, {"m6i", "x86_64", false, 4, 2, regular},
		{"m7i", "x86_64", false, 4, 2, regular}, {"m7i-flex", "x86_64", false, 4, 2, regular}, {"m7g", "arm64", false, 4, 1, arm},
		{"r5", "x86_64", false, 8, 2, regular}, {"r6i", "x86_64", false, 8, 2, regular}, {"r7i", "x86_64", false, 8, 2, regular},
	}
}

func (t Type) field(name string) ([]string, bool) {
	switch name {
	case "instance-type":
		return []string{t.Name}, true
	case "processor-info.supported-architecture":
		return []string{t.Architecture}, true
	case "burstable-performance-supported":
		return []string{boolText(t.Burstable)}, true
	case "current-generation":
		return []string{"true"}, true
	case "free-tier-eligible":
		return []string{boolText(freeTier(t.Name))}, true
	case "vcpu-info.default-vcpus":
		return []string{strconv.Itoa(t.VCPUs)}, true
	}
	return nil, false
}

type typeItem struct {
	InstanceType      string `xml:"instanceType"`
	CurrentGeneration bool   `xml:"currentGeneration"`
	FreeTierEligible  bool   `xml:"freeTierEligible"`
	BareMetal         bool   `xml:"bareMetal"`
	ProcessorInfo     struct {
		SupportedArchitectures []string `xml:"supportedArchitectures"`
	} `xml:"processorInfo"`
	VCPUInfo struct {
		DefaultVCPUs          int `xml:"defaultVCpus"`
		DefaultCores          int `xml:"defaultCores"`
		DefaultThreadsPerCore int `xml:"defaultThreadsPerCore"`
	} `xml:"vCpuInfo"`
	MemoryInfo struct {
		SizeInMiB int `xml:"sizeInMiB"`
	} `xml:"memoryInfo"`
	Burstable bool `xml:"burstablePerformanceSupported"`
}

func (s *Service) describeInstanceTypes(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		InstanceType []string
		Filter       []filter
		MaxResults   int
		NextToken    string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeInstanceTypes", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	var unknown []string
	for _, name := range in.InstanceType {
		if _, ok := TypeNamed(name); !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return nil, fail("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", strings.Join(unknown, ", "))
	}
	var found []Type
	for _, t := range Types() {
		if len(in.InstanceType) > 0 && !slices.Contains(in.InstanceType, t.Name) {
			continue
		}
		ok, err := matches(in.Filter, t.field)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, t)
		}
	}
	page, next, err := paginate(found, in.MaxResults, 5, 100, in.NextToken)
	if err != nil {
		return nil, err
	}
	items := make([]typeItem, len(page))
	for n, t := range page {
		i := &items[n]
		i.InstanceType, i.CurrentGeneration, i.FreeTierEligible, i.Burstable = t.Name, true, freeTier(t.Name), t.Burstable
		i.ProcessorInfo.SupportedArchitectures = []string{t.Architecture}
		i.VCPUInfo.DefaultVCPUs, i.VCPUInfo.DefaultThreadsPerCore = t.VCPUs, t.threads
		i.VCPUInfo.DefaultCores = t.VCPUs / t.threads
		i.MemoryInfo.SizeInMiB = t.MemoryMiB
	}
	return struct {
		Items     []typeItem `xml:"instanceTypeSet"`
		NextToken string     `xml:"nextToken,omitempty"`
	}{items, next}, nil
}

type offering struct {
	InstanceType string `xml:"instanceType"`
	LocationType string `xml:"locationType"`
	Location     string `xml:"location"`
}

func (o offering) field(name string) ([]string, bool) {
	switch name {
	case "instance-type":
		return []string{o.InstanceType}, true
	case "location":
		return []string{o.Location}, true
	}
	return nil, false
}

func (s *Service) describeInstanceTypeOfferings(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		LocationType string
		Filter       []filter
		MaxResults   int
		NextToken    string
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("ec2:DescribeInstanceTypeOfferings", "*", s.regionKeys()); err != nil {
		return nil, err
	}
	kind, places := "region", []string{s.config.Region}
	switch in.LocationType {
	case "", "region":
	case "availability-zone":
		kind, places = in.LocationType, Zones(s.config.Region)
	default:
		return nil, fail("InvalidParameterValue", "Invalid value '%s' for LocationType: only region and availability-zone are supported here", in.LocationType)
	}
	var found []offering
	for _, t := range Types() {
		for _, place := range places {
			o := offering{t.Name, kind, place}
			ok, err := matches(in.Filter, o.field)
			if err != nil {
				return nil, err
			}
			if ok {
				found = append(found, o)
			}
		}
	}
	page, next, err := paginate(found, in.MaxResults, 5, 1000, in.NextToken)
	return struct {
		Items     []offering `xml:"instanceTypeOfferingSet"`
		NextToken string     `xml:"nextToken,omitempty"`
	}{page, next}, err
}
