// Package metrics tells the outside how the clusters do: Prometheus, when it
// asks, and CloudWatch, once a minute while there is traffic.
package metrics

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/cluster"
)

// Handler serves the metrics of the clusters and of the process in the formats
// of Prometheus.
func Handler(clusters []*cluster.Cluster, m *instance.Meter) http.Handler {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(
		newCollector(clusters, m),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}

// collector reads the figures that the clusters keep anyway, at the time of a
// scrape, so that metrics cost the requests nothing.
type collector struct {
	clusters []*cluster.Cluster
	meter    *instance.Meter

	requests, errors, latency, healthy, present *prometheus.Desc
	nodeRequests, nodeErrors, nodeInFlight      *prometheus.Desc
	inFlight, herding, nodeEjections            *prometheus.Desc
}

func newCollector(clusters []*cluster.Cluster, m *instance.Meter) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("fairlead_"+name, help, labels, nil)
	}
	return &collector{
		clusters: clusters, meter: m,
		requests:     desc("requests_total", "Requests answered to clients.", "cluster"),
		errors:       desc("request_errors_total", "Requests answered with 5xx or 429, or cut off.", "cluster"),
		latency:      desc("request_duration_seconds", "Time from a request to the end of its answer.", "cluster"),
		healthy:      desc("healthy_nodes", "Nodes that pass their health probes.", "cluster"),
		present:      desc("nodes", "Running nodes that discovery has found.", "cluster"),
		nodeRequests: desc("node_requests_total", "Requests that a node has ended, retries included.", "cluster", "node"),
		nodeErrors:   desc("node_errors_total", "Of these, in error.", "cluster", "node"),
		nodeInFlight: desc("node_in_flight", "Requests sent to a node and not ended.", "cluster", "node"),
		inFlight:     desc("in_flight", "Requests of clients not answered yet."),

		nodeEjections: desc("node_ejections_total", "Times that a node was taken out for its failures.", "cluster", "node"),
		herding:       desc("herding_share", "Largest share of the requests that one node got, in each 100 ms with enough requests to tell.", "cluster"),
	}
}

func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.requests, c.errors, c.latency, c.healthy, c.present,
		c.nodeRequests, c.nodeErrors, c.nodeInFlight, c.inFlight, c.herding, c.nodeEjections} {
		to <- d
	}
}

func (c *collector) Collect(to chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v), labels...)
	}
	gauge(c.inFlight, int(c.meter.InFlight()))
	for _, k := range c.clusters {
		t := k.Totals()
		counter(c.requests, t.Requests, k.Name)
		counter(c.errors, t.Errors, k.Name)
		to <- prometheus.MustNewConstHistogram(c.latency, uint64(t.Requests), t.Sum.Seconds(), inSeconds(t.AtMost), k.Name)
		windows, shares := k.HerdingTotals()
		to <- prometheus.MustNewConstSummary(c.herding, windows, shares, nil, k.Name)
		healthy, present := k.Healthy()
		gauge(c.healthy, healthy, k.Name)
		gauge(c.present, present, k.Name)
		for _, n := range k.Nodes() {
			counter(c.nodeRequests, n.EverRequests, k.Name, n.ID)
			counter(c.nodeErrors, n.EverErrors, k.Name, n.ID)
			counter(c.nodeEjections, n.Ejections, k.Name, n.ID)
			gauge(c.nodeInFlight, n.InFlight, k.Name, n.ID)
		}
	}
}

func inSeconds(counts map[time.Duration]uint64) map[float64]uint64 {
	m := make(map[float64]uint64, len(counts))
	for bound, n := range counts {
		m[bound.Seconds()] = n
	}
	return m
}
