package cloudwatch

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// datum is MetricDatum of the API reference.
type datum struct {
	MetricName        string        `json:"MetricName"`
	Dimensions        []Dimension   `json:"Dimensions"`
	Timestamp         *time.Time    `json:"Timestamp"`
	Value             *float64      `json:"Value"`
	StatisticValues   *statisticSet `json:"StatisticValues"`
	Values            []float64     `json:"Values"`
	Counts            []float64     `json:"Counts"`
	Unit              string        `json:"Unit"`
	StorageResolution *int          `json:"StorageResolution"`
}

type statisticSet struct {
	SampleCount float64 `json:"SampleCount"`
	Sum         float64 `json:"Sum"`
	Minimum     float64 `json:"Minimum"`
	Maximum     float64 `json:"Maximum"`
}

// Limits of PutMetricData (API reference).
const (
	maxMetrics    = 1000
	maxValues     = 150
	maxDimensions = 30
	oldest        = 14 * 24 * time.Hour
	newest        = 2 * time.Hour
)

var units = []string{
	"None", "Seconds", "Microseconds", "Milliseconds", "Percent", "Count",
	"Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits", "Gigabits", "Terabits",
	"Bytes/Second", "Kilobytes/Second", "Megabytes/Second", "Gigabytes/Second", "Terabytes/Second",
	"Bits/Second", "Kilobits/Second", "Megabits/Second", "Gigabits/Second", "Terabits/Second", "Count/Second",
}

func (s *Service) putMetricData(_ context.Context, r *gateway.Request) (any, error) {
	var in struct {
		Namespace  string  `json:"Namespace"`
		MetricData []datum `json:"MetricData"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := r.Authorize("cloudwatch:PutMetricData", "*", iam.Keys{"cloudwatch:namespace": {in.Namespace}}); err != nil {
		return nil, err
	}
	switch {
	case in.Namespace == "":
		return nil, missing(r, "Namespace")
	case strings.HasPrefix(in.Namespace, "AWS/") || strings.HasPrefix(in.Namespace, ":") || len(in.Namespace) > 255:
		return nil, invalid(r, "The value %s for parameter Namespace is invalid.", in.Namespace)
	case len(in.MetricData) == 0:
		return nil, missing(r, "MetricData")
	case len(in.MetricData) > maxMetrics:
		return nil, invalid(r, "The collection MetricData must not have a size greater than %d.", maxMetrics)
	}
	now := time.Now()
	for i := range in.MetricData {
		if err := in.MetricData[i].check(r, i, now); err != nil {
			return nil, err
		}
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, d := range in.MetricData {
		m := Metric{in.Namespace, d.MetricName, d.Dimensions}
		if !s.store.add(m, d.Unit, *d.Timestamp, int64(*d.StorageResolution), d.addTo) {
			return nil, &gateway.Error{Code: code(r, "LimitExceeded"), Message: fmt.Sprintf("the local cloud keeps at most %d metrics, and %d values of them", maxSeries, maxKept), Status: 400}
		}
	}
	return nil, nil
}

// check refuses what AWS refuses and fills in the defaults.
func (d *datum) check(r *gateway.Request, i int, now time.Time) error {
	at := fmt.Sprintf("MetricData.member.%d", i+1)
	if d.MetricName == "" {
		return missing(r, at+".MetricName")
	}
	if d.Unit == "" {
		d.Unit = "None"
	}
	if !slices.Contains(units, d.Unit) {
		return invalid(r, "The parameter %s.Unit must be a value in the set %v.", at, units)
	}
	if d.Timestamp == nil {
		d.Timestamp = &now
	}
	if t := *d.Timestamp; now.Sub(t) > oldest || t.Sub(now) > newest {
		return invalid(r, "The parameter %s.Timestamp must specify a time within the past two weeks and at most two hours in the future.", at)
	}
	if d.StorageResolution == nil {
		minute := 60
		d.StorageResolution = &minute
	}
	if n := *d.StorageResolution; n != 1 && n != 60 {
		return invalid(r, "The parameter %s.StorageResolution must be 1 or 60.", at)
	}
	if err := checkDimensions(r, at, d.Dimensions); err != nil {
		return err
	}
	return d.checkValues(r, at)
}

func (d *datum) checkValues(r *gateway.Request, at string) error {
	forms := 0
	numbers := slices.Concat(d.Values, d.Counts)
	if d.Value != nil {
		forms++
		numbers = append(numbers, *d.Value)
	}
	if v := d.StatisticValues; v != nil {
		forms++
		numbers = append(numbers, v.SampleCount, v.Sum, v.Minimum, v.Maximum)
		if v.SampleCount <= 0 || v.Minimum > v.Maximum {
			return invalid(r, "The parameter %s.StatisticValues needs a SampleCount above 0 and a Minimum not above its Maximum.", at)
		}
	}
	if len(d.Values) > 0 {
		forms++
	}
	switch {
	case forms == 0:
		return missing(r, at+".Value")
	case forms > 1:
		return &gateway.Error{Code: code(r, "InvalidParameterCombination"), Message: "The parameters " + at + ".Value, .Values and .StatisticValues are mutually exclusive and you have specified more than one.", Status: 400}
	case len(d.Values) > maxValues:
		return invalid(r, "The collection %s.Values must not have a size greater than %d.", at, maxValues)
	case len(d.Counts) > 0 && len(d.Counts) != len(d.Values):
		return invalid(r, "The parameters %s.Values and %s.Counts must be of the same size.", at, at)
	}
	for _, n := range numbers {
		if math.IsNaN(n) || math.IsInf(n, 0) || math.Abs(n) > math.Pow(2, 360) {
			return invalid(r, "The value %v for parameter %s is invalid.", n, at)
		}
	}
	for _, n := range d.Counts {
		if n < 0 {
			return invalid(r, "The value %v for parameter %s.Counts is invalid.", n, at)
		}
	}
	return nil
}

func checkDimensions(r *gateway.Request, at string, dims []Dimension) error {
	if len(dims) > maxDimensions {
		return invalid(r, "The collection %s.Dimensions must not have a size greater than %d.", at, maxDimensions)
	}
	names := map[string]bool{}
	for _, d := range dims {
		if d.Name == "" || d.Value == "" || names[d.Name] {
			return invalid(r, "The parameter %s.Dimensions needs a name, given once, and a value; here is %q=%q.", at, d.Name, d.Value)
		}
		names[d.Name] = true
	}
	return nil
}

func (d *datum) addTo(b *bucket) {
	switch {
	case d.Value != nil:
		b.addValue(*d.Value, 1)
	case d.StatisticValues != nil:
		v := d.StatisticValues
		b.addOpaque(v.SampleCount, v.Sum, v.Minimum, v.Maximum)
	}
	for i, v := range d.Values {
		times := 1.0
		if len(d.Counts) > 0 {
			times = d.Counts[i]
		}
		if times > 0 {
			b.addValue(v, times)
		}
	}
}
