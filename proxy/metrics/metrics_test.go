package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/fairlead/fairlead/internal/instance"
	"github.com/fairlead/fairlead/proxy/cluster"
	"github.com/fairlead/fairlead/proxy/strategy"
)

// watch keeps what was put, and fails while err is set.
type watch struct {
	err  error
	puts [][]types.MetricDatum
}

func (w *watch) PutMetricData(_ context.Context, in *cloudwatch.PutMetricDataInput, _ ...func(*cloudwatch.Options)) (*cloudwatch.PutMetricDataOutput, error) {
	if w.err != nil {
		return nil, w.err
	}
	if *in.Namespace != "Fairlead" || len(in.MetricData) > 1000 {
		return nil, fmt.Errorf("namespace %s, %d data", *in.Namespace, len(in.MetricData))
	}
	w.puts = append(w.puts, in.MetricData)
	return new(cloudwatch.PutMetricDataOutput), nil
}

func newClusters(t *testing.T, names ...string) []*cluster.Cluster {
	t.Helper()
	clusters := make([]*cluster.Cluster, len(names))
	for i, name := range names {
		c, err := cluster.New(name, "random", strategy.Options{Rand: rand.New(rand.NewPCG(1, 2))})
		if err != nil {
			t.Fatal(err)
		}
		clusters[i] = c
	}
	return clusters
}

// show makes a datum readable: Cluster/Name=value unit.
func show(d types.MetricDatum) string {
	if len(d.Dimensions) != 2 || *d.Dimensions[0].Name != "Stack" || *d.Dimensions[1].Name != "Cluster" {
		return fmt.Sprintf("dimensions %v", d.Dimensions)
	}
	s := fmt.Sprintf("%s/%s/%s=", *d.Dimensions[0].Value, *d.Dimensions[1].Value, *d.MetricName)
	if d.Value != nil {
		return s + fmt.Sprint(*d.Value, " ", d.Unit)
	}
	return s + fmt.Sprint(d.Values, d.Counts, " ", d.Unit)
}

func TestPublishesMinutesWithTraffic(t *testing.T) {
	clusters := newClusters(t, "one", "two")
	clusters[0].Sync([]cluster.Member{{ID: "i-1"}})
	clusters[0].SetHealth(cluster.Member{ID: "i-1"}, true)
	var w watch
	p := NewPublisher(&w, "lab", clusters, func(err error) { t.Errorf("outage %v", err) })
	p.Publish(t.Context(), time.Unix(60, 0))
	if len(w.puts) != 0 {
		t.Errorf("put %v without traffic, want nothing: metrics cost money", w.puts)
	}
	clusters[0].Served(100*time.Microsecond, false)
	clusters[0].Served(100*time.Microsecond, true)
	clusters[0].Served(64*time.Microsecond, false)
	p.Publish(t.Context(), time.Unix(120, 0))
	p.Publish(t.Context(), time.Unix(180, 0))
	if len(w.puts) != 1 {
		t.Fatalf("put %d times, want once", len(w.puts))
	}
	var got []string
	for _, d := range w.puts[0] {
		got = append(got, show(d))
		if d.Timestamp.Unix() != 120 {
			t.Errorf("%s at %v", show(d), d.Timestamp)
		}
	}
	want := []string{"lab/one/Requests=3 Count", "lab/one/Errors=1 Count", "lab/one/HealthyHosts=1 Count",
		"lab/one/Latency=[0.064 0.1] [1 2] Milliseconds"}
	if !slices.Equal(got, want) {
		t.Errorf("put\n%q, want\n%q", got, want)
	}
}

// CloudWatch takes 150 different values in one datum.
func TestManyLatenciesAreSplit(t *testing.T) {
	clusters := newClusters(t, "one")
	const requests = 2000
	for i := range requests {
		clusters[0].Served(time.Duration(i*i)*time.Microsecond, false)
	}
	var w watch
	NewPublisher(&w, "lab", clusters, nil).Publish(t.Context(), time.Unix(60, 0))
	sum, parts := 0.0, 0
	for _, d := range w.puts[0] {
		if *d.MetricName != "Latency" {
			continue
		}
		parts++
		if len(d.Values) != len(d.Counts) || len(d.Values) > 150 || len(d.Values) == 0 {
			t.Errorf("%d values with %d counts", len(d.Values), len(d.Counts))
		}
		for _, n := range d.Counts {
			sum += n
		}
	}
	if sum != requests || parts < 2 {
		t.Errorf("%d data count %v requests, want several with %d", parts, sum, requests)
	}
}

// While CloudWatch fails the last minutes wait, with their own times; the
// outage is told once.
func TestOutage(t *testing.T) {
	clusters := newClusters(t, "one")
	w := watch{err: errors.New("throttled")}
	var told []string
	p := NewPublisher(&w, "lab", clusters, func(err error) { told = append(told, fmt.Sprint(err)) })
	for minute := range int64(8) {
		clusters[0].Served(time.Millisecond, false)
		p.Publish(t.Context(), time.Unix(60*minute, 0))
	}
	w.err = nil
	p.Publish(t.Context(), time.Unix(480, 0))
	var minutes []int64
	for _, put := range w.puts {
		minutes = append(minutes, put[0].Timestamp.Unix()/60)
	}
	if !slices.Equal(minutes, []int64{3, 4, 5, 6, 7}) {
		t.Errorf("minutes %v, want the last five, oldest first", minutes)
	}
	if !slices.Equal(told, []string{"put metrics: throttled", "<nil>"}) {
		t.Errorf("told %q, want one beginning and one end", told)
	}
}

func TestRunPublishesEachMinuteAndAtTheEnd(t *testing.T) {
	clusters := newClusters(t, "one")
	synctest.Test(t, func(t *testing.T) {
		var w watch
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		start := time.Now()
		var traffic sync.WaitGroup
		traffic.Go(func() {
			for ctx.Err() == nil {
				clusters[0].Served(time.Millisecond, false)
				time.Sleep(time.Second)
			}
		})
		NewPublisher(&w, "lab", clusters, nil).Run(ctx)
		var at []time.Duration
		for _, put := range w.puts {
			at = append(at, put[0].Timestamp.Sub(start))
		}
		if want := []time.Duration{time.Minute, 2 * time.Minute, 150 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("published at %v, want %v: the last part minute as well", at, want)
		}
		traffic.Wait()
	})
}

func TestPrometheus(t *testing.T) {
	clusters := newClusters(t, "one")
	c := clusters[0]
	m := cluster.Member{ID: "i-1", Addr: "x"}
	c.Sync([]cluster.Member{m, {ID: "i-2", Addr: "y"}})
	c.SetHealth(m, true)
	n, err := c.Acquire(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c.Release(time.Now(), n, time.Millisecond, strategy.Failure)
	c.Served(3*time.Millisecond, true)
	meter := new(instance.Meter)
	meter.Begin()
	res := httptest.NewRecorder()
	Handler(clusters, meter).ServeHTTP(res, httptest.NewRequest("GET", "/metrics", nil))
	text, err := io.ReadAll(res.Result().Body)
	if err != nil || res.Code != 200 {
		t.Fatalf("%d %v\n%s", res.Code, err, text)
	}
	for _, want := range []string{
		`fairlead_requests_total{cluster="one"} 1`,
		`fairlead_request_errors_total{cluster="one"} 1`,
		`fairlead_request_duration_seconds_bucket{cluster="one",le="0.0025"} 0`,
		`fairlead_request_duration_seconds_bucket{cluster="one",le="0.005"} 1`,
		`fairlead_request_duration_seconds_sum{cluster="one"} 0.003`,
		`fairlead_healthy_nodes{cluster="one"} 1`,
		`fairlead_nodes{cluster="one"} 2`,
		`fairlead_node_requests_total{cluster="one",node="i-1"} 1`,
		`fairlead_node_errors_total{cluster="one",node="i-1"} 1`,
		`fairlead_node_in_flight{cluster="one",node="i-2"} 0`,
		`fairlead_in_flight 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}
