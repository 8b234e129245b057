package cloudwatch

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// maxDatapoints is the most that one GetMetricData answer holds.
const maxDatapoints = 100_800

type metricQuery struct {
	Id         string      `json:"Id"`
	Label      string      `json:"Label"`
	ReturnData *bool       `json:"ReturnData"`
	Expression string      `json:"Expression"` // refused
	MetricStat *metricStat `json:"MetricStat"`
}

type metricStat struct {
	Metric Metric `json:"Metric"`
	Period int    `json:"Period"`
	Stat   string `json:"Stat"`
	Unit   string `json:"Unit"`
}

type metricResult struct {
	Id         string      `json:"Id"`
	Label      string      `json:"Label"`
	Timestamps []time.Time `json:"Timestamps"`
	Values     []float64   `json:"Values"`
	StatusCode string      `json:"StatusCode"`
}

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

func (s *Service) getMetricData(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		MetricDataQueries []metricQuery `json:"MetricDataQueries"`
		StartTime         *time.Time    `json:"StartTime"`
		EndTime           *time.Time    `json:"EndTime"`
		NextToken         string        `json:"NextToken"`
		ScanBy            string        `json:"ScanBy"`
		MaxDatapoints     *int          `json:"MaxDatapoints"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("cloudwatch:GetMetricData", "*", nil); err != nil {
		return nil, err
	}
	limit := maxDatapoints
	if in.MaxDatapoints != nil {
		limit = *in.MaxDatapoints
	}
	from, err := token(in.NextToken)
	switch {
	case err != nil:
		return nil, &gateway.Error{Code: code(r, "InvalidNextToken"), Message: err.Error(), Status: 400}
	case len(in.MetricDataQueries) == 0:
		return nil, missing(r, "MetricDataQueries")
	case len(in.MetricDataQueries) > 500:
		return nil, invalid(r, "The collection MetricDataQueries must not have a size greater than 500.")
	case in.StartTime == nil || in.EndTime == nil:
		return nil, missing(r, "StartTime and EndTime")
	case !in.StartTime.Before(*in.EndTime):
		return nil, invalid(r, "The parameter StartTime must be less than the parameter EndTime.")
	case limit < 1 || limit > maxDatapoints:
		return nil, invalid(r, "The parameter MaxDatapoints must be between 1 and %d.", maxDatapoints)
	case !slices.Contains([]string{"", "TimestampDescending", "TimestampAscending"}, in.ScanBy):
		return nil, invalid(r, "The value %s for parameter ScanBy is invalid.", in.ScanBy)
	}
	results, err := s.evaluate(r, in.MetricDataQueries, *in.StartTime, *in.EndTime, in.ScanBy != "TimestampAscending")
	if err != nil {
		return nil, err
	}
	out := struct {
		MetricDataResults []metricResult `json:"MetricDataResults"`
		NextToken         *string        `json:"NextToken"`
		Messages          []struct{}     `json:"Messages"`
	}{Messages: []struct{}{}}
	out.MetricDataResults, out.NextToken = page(results, from, limit)
	return out, nil
}

// evaluate answers each query whole.
func (s *Service) evaluate(r *gateway.Request, queries []metricQuery, start, end time.Time, newestFirst bool) ([]metricResult, error) {
	ids := map[string]bool{}
	results := []metricResult{}
	for _, q := range queries {
		stat, err := q.check(r, ids)
		if err != nil {
			return nil, err
		}
		if q.ReturnData != nil && !*q.ReturnData {
			continue
		}
		label := q.Label
		if label == "" {
			label = q.MetricStat.Metric.MetricName
		}
		period := time.Duration(q.MetricStat.Period) * time.Second
		// Periods are counted from midnight UTC, and the one in which the start
		// lies is whole ("StartTime", GetMetricData).
		first := start.Truncate(period)
		res := metricResult{Id: q.Id, Label: label, Timestamps: []time.Time{}, Values: []float64{}, StatusCode: "Complete"}
		for _, p := range s.store.query(q.MetricStat.Metric, q.MetricStat.Unit, first, end, first, period, false) {
			if v, ok := stat(&p.bucket); ok {
				res.Timestamps = append(res.Timestamps, p.at)
				res.Values = append(res.Values, v)
			}
		}
		if newestFirst {
			slices.Reverse(res.Timestamps)
			slices.Reverse(res.Values)
		}
		results = append(results, res)
	}
	return results, nil
}

func (q metricQuery) check(r *gateway.Request, ids map[string]bool) (statistic, error) {
	if !queryID.MatchString(q.Id) || ids[q.Id] {
		return nil, invalid(r, "The value %q for parameter MetricDataQueries.Id is invalid: it begins with a lower-case letter and is given once.", q.Id)
	}
	ids[q.Id] = true
	if q.Expression != "" {
		return nil, invalid(r, "Expression (query %s) is not implemented by the local cloud; MetricStat is.", q.Id)
	}
	m := q.MetricStat
	if m == nil {
		return nil, missing(r, "MetricDataQueries.MetricStat of "+q.Id)
	}
	if m.Metric.Namespace == "" || m.Metric.MetricName == "" {
		return nil, missing(r, "MetricStat.Metric.Namespace and MetricName of "+q.Id)
	}
	if !validPeriod(m.Period) {
		return nil, invalid(r, "The value %d for parameter MetricStat.Period of %s is invalid: 1, 5, 10, 20, 30 or a multiple of 60.", m.Period, q.Id)
	}
	if m.Unit != "" && !slices.Contains(units, m.Unit) {
		return nil, invalid(r, "The value %s for parameter MetricStat.Unit of %s is invalid.", m.Unit, q.Id)
	}
	stat, ok := statisticOf(m.Stat)
	if !ok {
		return nil, invalid(r, "The value %s for parameter MetricStat.Stat of %s is invalid or not implemented: SampleCount, Sum, Average, Minimum, Maximum and percentiles (p99.9) are.", m.Stat, q.Id)
	}
	return stat, nil
}

func validPeriod(p int) bool {
	return p > 0 && (p%60 == 0 || slices.Contains([]int{1, 5, 10, 20, 30}, p))
}

// page cuts results to limit data points after the first from ones.
func page(results []metricResult, from, limit int) ([]metricResult, *string) {
	out := []metricResult{}
	skip, room, total := from, limit, 0
	for _, r := range results {
		n := len(r.Values)
		total += n
		if n == 0 && from == 0 { // on the first page, so that each query is answered
			out = append(out, r)
		}
		if skip >= n {
			skip -= n // whole on an earlier page
			continue
		}
		take := min(n-skip, room)
		if take == 0 {
			continue
		}
		cut := r
		cut.Timestamps, cut.Values = r.Timestamps[skip:skip+take], r.Values[skip:skip+take]
		if skip+take < n {
			cut.StatusCode = "PartialData"
		}
		out = append(out, cut)
		skip, room = 0, room-take
	}
	if from+limit >= total {
		return out, nil
	}
	next := strconv.Itoa(from + limit)
	return out, &next
}

func token(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("the token %q is not one of this service", s)
	}
	return n, nil
}
