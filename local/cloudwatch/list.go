package cloudwatch

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
)

// perPage is how many metrics one ListMetrics answer holds.
const perPage = 500

func (s *Service) listMetrics(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Namespace  string `json:"Namespace"`
		MetricName string `json:"MetricName"`
		Dimensions []struct {
			Name  string  `json:"Name"`
			Value *string `json:"Value"`
		} `json:"Dimensions"`
		NextToken      string `json:"NextToken"`
		RecentlyActive string `json:"RecentlyActive"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("cloudwatch:ListMetrics", "*", nil); err != nil {
		return nil, err
	}
	if in.RecentlyActive != "" && in.RecentlyActive != "PT3H" {
		return nil, invalid(r, "The parameter RecentlyActive must be PT3H.")
	}
	from, err := token(in.NextToken)
	if err != nil {
		return nil, invalid(r, "%v", err)
	}
	now := time.Now()
	found := s.store.list(func(m Metric, last time.Time) bool {
		if in.Namespace != "" && m.Namespace != in.Namespace || in.MetricName != "" && m.MetricName != in.MetricName {
			return false
		}
		if in.RecentlyActive != "" && now.Sub(last) > 3*time.Hour {
			return false
		}
		for _, want := range in.Dimensions {
			if !slices.ContainsFunc(m.Dimensions, func(d Dimension) bool {
				return d.Name == want.Name && (want.Value == nil || *want.Value == d.Value)
			}) {
				return false
			}
		}
		return true
	})
	out := struct {
		Metrics   []Metric `json:"Metrics"`
		NextToken *string  `json:"NextToken"`
	}{Metrics: []Metric{}}
	from = min(from, len(found))
	to := min(from+perPage, len(found))
	out.Metrics = append(out.Metrics, found[from:to]...)
	if to < len(found) {
		next := strconv.Itoa(to)
		out.NextToken = &next
	}
	return out, nil
}
