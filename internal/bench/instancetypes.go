package bench

import (
	"maps"
	"slices"
)

// InstanceType is what a plan must know of an EC2 instance type.
type InstanceType struct {
	VCPUs     int
	USD       float64 // an hour, on demand, Linux, in PriceRegion
	Arm       bool
	Burstable bool // pays with CPU credits
}

// TypeOf looks up an instance type.
func TypeOf(name string) (InstanceType, bool) {
	t, ok := instanceTypes[name]
	return t, ok
}

// InstanceTypes lists the types a plan may name, sorted.
func InstanceTypes() []string { return slices.Sorted(maps.Keys(instanceTypes)) }

// The architectures, as EC2 names them.
const (
	ArchX86 = "x86_64"
	ArchARM = "arm64"
)

// Arch is the architecture of the type's images and programs.
func (t InstanceType) Arch() string {
	if t.Arm {
		return ArchARM
	}
	return ArchX86
}

// HourlyUSD is the on-demand price of an hour in PriceRegion.
func HourlyUSD(instanceType string) (float64, bool) {
	t, ok := instanceTypes[instanceType]
	return t.USD, ok
}

// instanceTypes holds sizes and on-demand prices of us-east-1. Those of t2.micro
// and t2.large were checked on PriceDate; the others are the list prices as
// remembered, not looked up on that day. The list to check them against is
// https://aws.amazon.com/ec2/pricing/on-demand/.
var instanceTypes = map[string]InstanceType{
	"t2.nano":    {VCPUs: 1, USD: 0.0058, Burstable: true},
	"t2.micro":   {VCPUs: 1, USD: 0.0116, Burstable: true},
	"t2.small":   {VCPUs: 1, USD: 0.023, Burstable: true},
	"t2.medium":  {VCPUs: 2, USD: 0.0464, Burstable: true},
	"t2.large":   {VCPUs: 2, USD: 0.0928, Burstable: true},
	"t2.xlarge":  {VCPUs: 4, USD: 0.1856, Burstable: true},
	"t2.2xlarge": {VCPUs: 8, USD: 0.3712, Burstable: true},

	"t3.nano":    {VCPUs: 2, USD: 0.0052, Burstable: true},
	"t3.micro":   {VCPUs: 2, USD: 0.0104, Burstable: true},
	"t3.small":   {VCPUs: 2, USD: 0.0208, Burstable: true},
	"t3.medium":  {VCPUs: 2, USD: 0.0416, Burstable: true},
	"t3.large":   {VCPUs: 2, USD: 0.0832, Burstable: true},
	"t3.xlarge":  {VCPUs: 4, USD: 0.1664, Burstable: true},
	"t3.2xlarge": {VCPUs: 8, USD: 0.3328, Burstable: true},

	"c5.large":   {VCPUs: 2, USD: 0.085},
	"c5.xlarge":  {VCPUs: 4, USD: 0.17},
	"c5.2xlarge": {VCPUs: 8, USD: 0.34},

	"c6i.large":   {VCPUs: 2, USD: 0.085},
	"c6i.xlarge":  {VCPUs: 4, USD: 0.17},
	"c6i.2xlarge": {VCPUs: 8, USD: 0.34},

	"c7i.large":   {VCPUs: 2, USD: 0.08925},
	"c7i.xlarge":  {VCPUs: 4, USD: 0.1785},
	"c7i.2xlarge": {VCPUs: 8, USD: 0.357},

	"m5.large":   {VCPUs: 2, USD: 0.096},
	"m5.xlarge":  {VCPUs: 4, USD: 0.192},
	"m5.2xlarge": {VCPUs: 8, USD: 0.384},

	"m6i.large":   {VCPUs: 2, USD: 0.096},
	"m6i.xlarge":  {VCPUs: 4, USD: 0.192},
	"m6i.2xlarge": {VCPUs: 8, USD: 0.384},

	"m7i.large":   {VCPUs: 2, USD: 0.1008},
	"m7i.xlarge":  {VCPUs: 4, USD: 0.2016},
	"m7i.2xlarge": {VCPUs: 8, USD: 0.4032},

	"c7g.large":  {VCPUs: 2, USD: 0.0725, Arm: true},
	"c7g.xlarge": {VCPUs: 4, USD: 0.145, Arm: true},

	"c7i-flex.large": {VCPUs: 2, USD: 0.08479},
	"m7i-flex.large": {VCPUs: 2, USD: 0.09576},

	"t4g.nano":   {VCPUs: 2, USD: 0.0042, Arm: true, Burstable: true},
	"t4g.micro":  {VCPUs: 2, USD: 0.0084, Arm: true, Burstable: true},
	"t4g.small":  {VCPUs: 2, USD: 0.0168, Arm: true, Burstable: true},
	"t4g.medium": {VCPUs: 2, USD: 0.0336, Arm: true, Burstable: true},
	"t4g.large":  {VCPUs: 2, USD: 0.0672, Arm: true, Burstable: true},
}
