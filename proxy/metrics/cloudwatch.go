package metrics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/fairlead/fairlead/proxy/cluster"
)

// Namespace is where CloudWatch keeps the metrics.
const Namespace = "Fairlead"

const (
	// mostValues is how many different values one datum may carry, mostData
	// how many data one call (PutMetricData's documented limits).
	mostValues = 150
	mostData   = 1000

	// keepMinutes is how many minutes wait for CloudWatch to answer again.
	keepMinutes = 5

	putTimeout = 10 * time.Second

	// lastTimeout is what the last part minute may hold up the end.
	lastTimeout = 3 * time.Second
)

// CloudWatch is the one operation that is used of it.
type CloudWatch interface {
	PutMetricData(context.Context, *cloudwatch.PutMetricDataInput, ...func(*cloudwatch.Options)) (*cloudwatch.PutMetricDataOutput, error)
}

var _ CloudWatch = (*cloudwatch.Client)(nil)

// Publisher puts, per cluster and minute with traffic, the metrics Requests,
// Errors (counts), Latency (milliseconds, as values and how often each
// occurred, from which CloudWatch can take percentiles) and HealthyHosts.
// Dimensions are Stack and Cluster and never the run: each new combination is
// a metric of its own and costs for a month.
type Publisher struct {
	api      CloudWatch
	stack    string
	clusters []*cluster.Cluster
	outage   func(error)

	pending [][]types.MetricDatum // minutes that could not be put yet, oldest first
	failing bool
}

// NewPublisher gives a Publisher. It calls outage with the error when putting
// begins to fail, and with nil when it works again.
func NewPublisher(api CloudWatch, stack string, clusters []*cluster.Cluster, outage func(error)) *Publisher {
	return &Publisher{api: api, stack: stack, clusters: clusters, outage: outage}
}

// Run publishes each minute until ctx ends, and then what is left.
func (p *Publisher) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			p.Publish(ctx, now)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastTimeout)
			defer cancel()
			p.Publish(last, time.Now())
			return
		}
	}
}

// Publish puts what has happened since the last call, and what is pending.
func (p *Publisher) Publish(ctx context.Context, now time.Time) {
	if data := p.collect(now); len(data) > 0 {
		p.pending = append(p.pending, data)
	}
	if over := len(p.pending) - keepMinutes; over > 0 {
		p.pending = slices.Delete(p.pending, 0, over)
	}
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	for len(p.pending) > 0 {
		if err := p.put(ctx, p.pending[0]); err != nil {
			p.report(fmt.Errorf("put metrics: %w", err))
			return
		}
		p.pending = p.pending[1:]
		p.report(nil)
	}
}

func (p *Publisher) report(err error) {
	if failing := err != nil; failing != p.failing {
		p.failing = failing
		p.outage(err)
	}
}

func (p *Publisher) put(ctx context.Context, data []types.MetricDatum) error {
	for part := range slices.Chunk(data, mostData) {
		_, err := p.api.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String(Namespace), MetricData: part})
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) collect(now time.Time) []types.MetricDatum {
	var data []types.MetricDatum
	for _, c := range p.clusters {
		period := c.TakePeriod()
		if period.Requests == 0 {
			continue // no traffic, no cost
		}
		datum := func(name string, unit types.StandardUnit) types.MetricDatum {
			return types.MetricDatum{
				MetricName: aws.String(name), Unit: unit, Timestamp: aws.Time(now),
				Dimensions: []types.Dimension{
					{Name: aws.String("Stack"), Value: aws.String(p.stack)},
					{Name: aws.String("Cluster"), Value: aws.String(c.Name)},
				},
			}
		}
		count := func(name string, n int64) {
			d := datum(name, types.StandardUnitCount)
			d.Value = aws.Float64(float64(n))
			data = append(data, d)
		}
		healthy, _ := c.Healthy()
		count("Requests", period.Requests)
		count("Errors", period.Errors)
		count("HealthyHosts", int64(healthy))
		for part := range slices.Chunk(period.Latency, mostValues) {
			d := datum("Latency", types.StandardUnitMilliseconds)
			for _, v := range part {
				d.Values = append(d.Values, v.Latency.Seconds()*1e3)
				d.Counts = append(d.Counts, float64(v.Requests))
			}
			data = append(data, d)
		}
	}
	return data
}
