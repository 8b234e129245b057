package bench

import (
	"fmt"
	"time"
)

// The day and region of all prices.
const (
	PriceDate   = "2026-11"
	PriceRegion = "us-east-1"
)

// List prices in PriceRegion as of PriceDate, in US dollars.
// Public addresses, Lambda's GB-seconds, transitions and metrics were checked on
// that day, and the load balancer's (pricealb.go); volumes, Lambda's requests
// and S3's are as remembered, not looked up.
const (
	usdPublicIPv4Hour = 0.005
	usdVolumeGBMonth  = 0.08         // gp3
	usdDetailedMonth  = 7 * 0.30     // detailed monitoring: seven metrics an instance
	usdLambdaGBSecond = 0.0000133334 // arm64
	usdLambdaRequest  = 0.20 / 1e6
	usdTransition     = 0.000025 // Step Functions, Standard
	usdS3Put          = 0.005 / 1e3
	usdS3Get          = 0.0004 / 1e3
	hoursPerMonth     = 730
	volumeGB          = 8
)

// Memory of the functions, which prices their seconds: a worker's, and that of
// every other step.
const (
	ShardMemoryGB   = 1769.0 / 1024
	ControlMemoryGB = 256.0 / 1024
)

// InstanceTime is how long some instances of one type ran, all together.
type InstanceTime struct {
	Type    string
	Count   int
	Seconds float64 // summed over the instances
}

// Usage is what a run used, or would use.
type Usage struct {
	Instances       []InstanceTime
	Balancer        BalancerUse // the Application Load Balancer
	LambdaGBSeconds float64
	LambdaRequests  int
	Transitions     int
	S3Puts, S3Gets  int
}

// ActualCost prices a usage, item by item.
func ActualCost(u Usage) Cost {
	c := Cost{PricesFrom: PriceDate, Region: PriceRegion, Items: []CostItem{}}
	add := func(what string, quantity float64, unit string, usd float64) {
		if quantity == 0 {
			return
		}
		c.Items = append(c.Items, CostItem{What: what, Quantity: quantity, Unit: unit, USD: usd})
		c.USD += usd
	}
	var seconds float64
	for _, i := range u.Instances {
		hourly, _ := HourlyUSD(i.Type) // a type without a price cannot pass ParsePlan
		add(fmt.Sprintf("%d × %s", i.Count, i.Type), i.Seconds, "instance-second", i.Seconds/3600*hourly)
		seconds += i.Seconds
	}
	hours := seconds / 3600
	add("Application Load Balancer", u.Balancer.Hours(), "load-balancer-hour", u.Balancer.Hours()*usdALBHour)
	add("LCU", u.Balancer.LCUHours(), "LCU-hour", u.Balancer.LCUHours()*usdLCUHour)
	add("public IPv4 addresses", seconds, "address-second", hours*usdPublicIPv4Hour)
	add(fmt.Sprintf("volumes of %d GB (gp3)", volumeGB), seconds, "volume-second", hours*usdVolumeGBMonth*volumeGB/hoursPerMonth)
	add("detailed monitoring", seconds, "instance-second", hours*usdDetailedMonth/hoursPerMonth)
	add("Lambda", u.LambdaGBSeconds, "GB-second", u.LambdaGBSeconds*usdLambdaGBSecond+float64(u.LambdaRequests)*usdLambdaRequest)
	add("Step Functions", float64(u.Transitions), "transition", float64(u.Transitions)*usdTransition)
	add("S3 writes", float64(u.S3Puts), "request", float64(u.S3Puts)*usdS3Put)
	add("S3 reads", float64(u.S3Gets), "request", float64(u.S3Gets)*usdS3Get)
	return c
}

// Phases of a run on AWS, for the estimate: the medians that docs/architecture.md names.
const (
	startupTime  = 110 * time.Second // launch, boot, agent, set-up, path proof
	albTime      = 190 * time.Second // in its place with an ALB: active after 2 to 4 minutes, then health checks
	teardownTime = 60 * time.Second
	trialSteps   = 4 * time.Second // aim, quiesce, observe, merge
	awsLead      = 10 * time.Second
)

// TrialTime is how long a trial's load may last at the most on AWS, its lead apart.
func (l Load) TrialTime() time.Duration {
	if l.Kind == LoadBurst {
		return time.Duration(l.Timeout)
	}
	return time.Duration(l.Duration) + time.Duration(l.Timeout)
}

// expectedTime is how long it lasts if answers come: a burst is over in seconds.
func (l Load) expectedTime() time.Duration {
	if l.Kind == LoadBurst {
		return min(3*time.Second, time.Duration(l.Timeout))
	}
	return time.Duration(l.Duration) + time.Second
}

// EstimateTime is how long the run takes on AWS if all goes well.
func (p Plan) EstimateTime() time.Duration {
	trials := time.Duration(p.Blocks * len(p.Arms()))
	startup := startupTime
	if len(p.ALBs()) > 0 {
		startup = max(startup, albTime) // it is made beside the instances
	}
	return startup + teardownTime + trials*(awsLead+trialSteps+p.Load.expectedTime())
}

// Transitions is the number of state transitions that a run in which all goes
// well is charged for: a state each, and one for each child of a distributed
// Map. The test of workflows measures it.
func (p Plan) Transitions() int {
	run := 16
	if len(p.ALBs()) > 0 {
		run++
	}
	trial := 7 + p.Shards
	if p.Shards > InlineShards {
		trial += p.Shards
	}
	return run + 4*len(p.Groups()) + p.Blocks*len(p.Arms())*trial
}

// EstimateCost is what the run costs on AWS if all goes well.
func (p Plan) EstimateCost() Cost {
	trials := p.Blocks * len(p.Arms())
	total := p.EstimateTime().Seconds()
	load := (awsLead + p.Load.expectedTime()).Seconds()
	u := Usage{
		LambdaGBSeconds: float64(trials*p.Shards)*load*ShardMemoryGB + (float64(trials*3)*2+total/2)*ControlMemoryGB,
		LambdaRequests:  trials*(p.Shards+3) + 20,
		Transitions:     p.Transitions(),
		S3Puts:          trials*(3*p.Shards+5) + 20,
		S3Gets:          trials*(4*p.Shards+5) + 40,
	}
	for _, g := range p.Groups() {
		u.Instances = append(u.Instances, InstanceTime{Type: g.InstanceType, Count: g.Count, Seconds: float64(g.Count) * total})
	}
	if albs := len(p.ALBs()); albs > 0 {
		u.Balancer.Seconds = total
		answers := p.Load.expectedRequests(p.Work)
		one := p.Load.Through(answers, 0, int64(answers)*(answerBytes+int64(p.Work.Bytes)), p.Load.expectedTime().Seconds())
		for range p.Blocks * len(p.Clusters) * albs {
			u.Balancer = u.Balancer.Plus(one)
		}
	}
	c := ActualCost(u)
	c.Note = "estimate for AWS; a run that fails early costs less"
	return c
}
