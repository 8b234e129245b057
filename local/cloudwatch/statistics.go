package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

type datapoint struct {
	Timestamp          time.Time          `json:"Timestamp"`
	SampleCount        *float64           `json:"SampleCount"`
	Sum                *float64           `json:"Sum"`
	Average            *float64           `json:"Average"`
	Minimum            *float64           `json:"Minimum"`
	Maximum            *float64           `json:"Maximum"`
	Unit               string             `json:"Unit"`
	ExtendedStatistics map[string]float64 `json:"ExtendedStatistics,omitempty"`
}

// maxPoints is the most that one GetMetricStatistics answer holds.
const maxPoints = 1440

func (s *Service) getMetricStatistics(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Namespace          string      `json:"Namespace"`
		MetricName         string      `json:"MetricName"`
		Dimensions         []Dimension `json:"Dimensions"`
		StartTime          *time.Time  `json:"StartTime"`
		EndTime            *time.Time  `json:"EndTime"`
		Period             int         `json:"Period"`
		Statistics         []string    `json:"Statistics"`
		ExtendedStatistics []string    `json:"ExtendedStatistics"`
		Unit               string      `json:"Unit"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("cloudwatch:GetMetricStatistics", "*", nil); err != nil {
		return nil, err
	}
	switch {
	case in.Namespace == "" || in.MetricName == "":
		return nil, missing(r, "Namespace and MetricName")
	case in.StartTime == nil || in.EndTime == nil:
		return nil, missing(r, "StartTime and EndTime")
	case !in.StartTime.Before(*in.EndTime):
		return nil, invalid(r, "The parameter StartTime must be less than the parameter EndTime.")
	case !validPeriod(in.Period):
		return nil, invalid(r, "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
	case in.Unit != "" && !slices.Contains(units, in.Unit):
		return nil, invalid(r, "The value %s for parameter Unit is invalid.", in.Unit)
	case len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0:
		return nil, missing(r, "Statistics or ExtendedStatistics")
	}
	period := time.Duration(in.Period) * time.Second
	if n := in.EndTime.Sub(*in.StartTime) / period; n > maxPoints {
		return nil, &gateway.Error{Code: code(r, "InvalidParameterCombination"), Status: 400, Message: fmt.Sprintf(
			"You have requested up to %d datapoints, which exceeds the limit of %d. You may reduce the datapoints requested by increasing Period, or decreasing the time range.", n, maxPoints)}
	}
	for _, name := range slices.Concat(in.Statistics, in.ExtendedStatistics) {
		_, isSimple := simple[name]
		if _, ok := statisticOf(name); !ok || isSimple == slices.Contains(in.ExtendedStatistics, name) {
			return nil, invalid(r, "The statistic %s is invalid or not implemented: SampleCount, Sum, Average, Minimum and Maximum are, and percentiles (p99.9) as ExtendedStatistics.", name)
		}
	}
	// The start is rounded down to the minute, or to the period when that is
	// shorter, and periods are counted from there.
	start := in.StartTime.Truncate(min(time.Minute, period))
	points := []datapoint{}
	for _, p := range s.store.query(Metric{in.Namespace, in.MetricName, in.Dimensions}, in.Unit, start, *in.EndTime, start, period, true) {
		points = append(points, p.datapoint(in.Statistics, in.ExtendedStatistics))
	}
	return struct {
		Label      string      `json:"Label"`
		Datapoints []datapoint `json:"Datapoints"`
	}{in.MetricName, points}, nil
}

func (p point) datapoint(names, extended []string) datapoint {
	d := datapoint{Timestamp: p.at, Unit: p.unit}
	fields := map[string]**float64{
		"SampleCount": &d.SampleCount, "Sum": &d.Sum, "Average": &d.Average, "Minimum": &d.Minimum, "Maximum": &d.Maximum,
	}
	for _, name := range names {
		if v, ok := simple[name](&p.bucket); ok {
			*fields[name] = &v
		}
	}
	for _, name := range extended {
		stat, _ := statisticOf(name) // checked before
		if v, ok := stat(&p.bucket); ok {
			if d.ExtendedStatistics == nil {
				d.ExtendedStatistics = map[string]float64{}
			}
			d.ExtendedStatistics[name] = v
		}
	}
	return d
}
