// Package cloudwatch keeps metrics: PutMetricData, GetMetricData (MetricStat
// queries), GetMetricStatistics and ListMetrics, and CPUUtilization of the
// local instances under AWS/EC2.
//
// Deviations from AWS: a metric can be read and listed as soon as it is put, a
// minute that is not over yet shows what it has so far, and its Minimum and
// Maximum of CPUUtilization are those of single seconds. There are no
// CPUCreditBalance and no other metrics of AWS's own.
package cloudwatch
