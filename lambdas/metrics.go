package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/fairlead/fairlead/internal/steps"
)

// The stack's own metrics. No run is a dimension: each value of one is a metric
// of its own, and is paid for as such.
const (
	metricNamespace = "Fairlead"
	metricStack     = "Stack"
	metricOldest    = "OldestInstanceAge"
	metricTime      = 15 * time.Second // deadline of one call with its retries
)

// metrics is CloudWatch as the sweep sees it.
type metrics struct {
	api   *cloudwatch.Client
	stack string
}

var _ steps.Metrics = metrics{}

func (m metrics) OldestInstance(ctx context.Context, age time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, metricTime)
	defer cancel()
	_, err := m.api.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{
		Namespace: aws.String(metricNamespace),
		MetricData: []types.MetricDatum{{
			MetricName: aws.String(metricOldest),
			Dimensions: []types.Dimension{{Name: aws.String(metricStack), Value: &m.stack}},
			Value:      aws.Float64(age.Seconds()),
			Unit:       types.StandardUnitSeconds,
		}},
	})
	return err
}
