package cloudwatch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// front is the service on a port, with the account's identity service.
type front struct {
	url   string
	store *iam.Store
}

func serve(t *testing.T, cfg Config) front {
	t.Helper()
	s := New(cfg)
	f := front{store: iam.NewStore("000000000000")}
	g := gateway.New(f.store, "us-east-1")
	g.Register("monitoring", s)
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		server.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	f.url = server.URL
	return f
}

func (f front) client(keys iam.Credentials) *cloudwatch.Client {
	return cloudwatch.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(f.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
}

func (f front) operator() *cloudwatch.Client { return f.client(f.store.Operator()) }

// minute is a whole minute a little while ago.
func minute() time.Time { return time.Now().Add(-10 * time.Minute).Truncate(time.Minute).UTC() }

var cluster = []types.Dimension{{Name: aws.String("Stack"), Value: aws.String("s")}, {Name: aws.String("Cluster"), Value: aws.String("cluster1")}}

func query(id, name, stat string, period int32) types.MetricDataQuery {
	return types.MetricDataQuery{Id: aws.String(id), MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("Fairlead"), MetricName: aws.String(name), Dimensions: []types.Dimension{cluster[1], cluster[0]}},
		Period: aws.Int32(period), Stat: aws.String(stat),
	}}
}

func TestStatistics(t *testing.T) {
	c := serve(t, Config{}).operator()
	at := minute()
	put := func(data ...types.MetricDatum) {
		t.Helper()
		for i := range data {
			data[i].Dimensions = cluster
		}
		if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Fairlead"), MetricData: data}); err != nil {
			t.Fatal(err)
		}
	}
	var values, counts []float64
	for i := range 100 {
		values, counts = append(values, float64(i+1)), append(counts, 2)
	}
	put(
		types.MetricDatum{MetricName: aws.String("Latency"), Timestamp: aws.Time(at.Add(5 * time.Second)), Values: values, Counts: counts, Unit: types.StandardUnitMilliseconds},
		types.MetricDatum{MetricName: aws.String("Latency"), Timestamp: aws.Time(at.Add(65 * time.Second)), Value: aws.Float64(7), Unit: types.StandardUnitMilliseconds},
		types.MetricDatum{MetricName: aws.String("Set"), Timestamp: aws.Time(at), StatisticValues: &types.StatisticSet{SampleCount: aws.Float64(4), Sum: aws.Float64(10), Minimum: aws.Float64(1), Maximum: aws.Float64(4)}},
		types.MetricDatum{MetricName: aws.String("Fine"), Timestamp: aws.Time(at.Add(3 * time.Second)), Value: aws.Float64(3), StorageResolution: aws.Int32(1)},
		types.MetricDatum{MetricName: aws.String("Fine"), Timestamp: aws.Time(at.Add(4 * time.Second)), Value: aws.Float64(4), StorageResolution: aws.Int32(1)},
	)
	for _, q := range []struct {
		why    string
		query  types.MetricDataQuery
		first  time.Time
		values []float64 // oldest first
	}{
		{"each value counts twice", query("a", "Latency", "SampleCount", 60), at, []float64{200, 1}},
		{"weighted by the counts", query("a", "Latency", "Sum", 60), at, []float64{10100, 7}},
		{"over both minutes", query("a", "Latency", "Average", 300), at.Truncate(5 * time.Minute), []float64{10107.0 / 201}},
		{"the smallest that 90 % do not exceed", query("a", "Latency", "p90", 60), at, []float64{90, 7}},
		{"a fraction of a percent", query("a", "Latency", "p99.9", 60), at, []float64{100, 7}},
		{"a statistic set", query("a", "Set", "Average", 60), at, []float64{2.5}},
		{"its values are unknown", query("a", "Set", "p50", 60), at, nil},
		{"high resolution in seconds", query("a", "Fine", "Maximum", 1), at.Add(3 * time.Second), []float64{3, 4}},
		{"and in minutes", query("a", "Fine", "Maximum", 60), at, []float64{4}},
		{"a metric that nobody put", query("a", "Nothing", "Sum", 60), at, nil},
	} {
		// The five-minute period must hold both minutes, whenever this runs.
		if *q.query.MetricStat.Period == 300 && at.Add(time.Minute).Truncate(5*time.Minute) != q.first {
			continue
		}
		out, err := c.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{
			StartTime: aws.Time(at), EndTime: aws.Time(at.Add(2 * time.Minute)), ScanBy: types.ScanByTimestampAscending, MetricDataQueries: []types.MetricDataQuery{q.query},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := out.MetricDataResults[0]
		if fmt.Sprint(r.Values) != fmt.Sprint(append([]float64{}, q.values...)) || r.StatusCode != types.StatusCodeComplete || (len(r.Timestamps) > 0 && !r.Timestamps[0].Equal(q.first)) {
			t.Errorf("%s: %s %s: got %v from %v, want %v from %v", q.why, *q.query.MetricStat.Metric.MetricName, *q.query.MetricStat.Stat, r.Values, r.Timestamps, q.values, q.first)
		}
	}
	stats, err := c.GetMetricStatistics(t.Context(), &cloudwatch.GetMetricStatisticsInput{
		Namespace: aws.String("Fairlead"), MetricName: aws.String("Latency"), Dimensions: cluster, StartTime: aws.Time(at), EndTime: aws.Time(at.Add(time.Minute)), Period: aws.Int32(60),
		Statistics: []types.Statistic{types.StatisticAverage},
	})
	if err != nil || len(stats.Datapoints) != 1 || *stats.Datapoints[0].Average != 50.5 || stats.Datapoints[0].Unit != types.StandardUnitMilliseconds || stats.Datapoints[0].Sum != nil {
		t.Errorf("statistics %+v, %v", stats, err)
	}
	list, err := c.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{MetricName: aws.String("Set"), Dimensions: []types.DimensionFilter{{Name: aws.String("Cluster")}}})
	if err != nil || len(list.Metrics) != 1 || *list.Metrics[0].Namespace != "Fairlead" || len(list.Metrics[0].Dimensions) != 2 {
		t.Errorf("list %+v, %v", list, err)
	}
}

func TestPagesOfDataHoldEachPointOnce(t *testing.T) {
	c := serve(t, Config{}).operator()
	at := minute()
	for i := range 5 {
		for _, name := range []string{"A", "B"} {
			if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Fairlead"), MetricData: []types.MetricDatum{
				{MetricName: aws.String(name), Dimensions: cluster, Timestamp: aws.Time(at.Add(time.Duration(i) * time.Minute)), Value: aws.Float64(float64(i))}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	in := &cloudwatch.GetMetricDataInput{StartTime: aws.Time(at), EndTime: aws.Time(at.Add(5 * time.Minute)), MaxDatapoints: aws.Int32(3),
		MetricDataQueries: []types.MetricDataQuery{query("a", "A", "Sum", 60), query("none", "None", "Sum", 60), query("b", "B", "Sum", 60)}}
	got := map[string][]float64{}
	pages := 0
	for p := cloudwatch.NewGetMetricDataPaginator(c, in); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.MetricDataResults {
			got[*r.Id] = append(got[*r.Id], r.Values...)
		}
	}
	if want := "map[a:[4 3 2 1 0] b:[4 3 2 1 0] none:[]]"; fmt.Sprint(got) != want || pages != 4 {
		t.Errorf("%d pages, %v; want 4, %s", pages, got, want)
	}
}

func TestRefusals(t *testing.T) {
	c := serve(t, Config{}).operator()
	ctx := t.Context()
	put := func(change func(*types.MetricDatum)) error {
		d := types.MetricDatum{MetricName: aws.String("M"), Value: aws.Float64(1)}
		change(&d)
		_, err := c.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []types.MetricDatum{d}})
		return err
	}
	get := func(change func(*types.MetricDataQuery)) error {
		q := query("a", "M", "Sum", 60)
		change(&q)
		_, err := c.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{StartTime: aws.Time(minute()), EndTime: aws.Time(time.Now()), MetricDataQueries: []types.MetricDataQuery{q}})
		return err
	}
	many := make([]types.MetricDatum, 1001)
	for i := range many {
		many[i] = types.MetricDatum{MetricName: aws.String("M"), Value: aws.Float64(1)}
	}
	_, tooMany := c.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("N"), MetricData: many})
	_, reserved := c.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: aws.String("AWS/EC2"), MetricData: many[:1]})
	_, other := c.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{})
	for _, r := range []struct {
		why, want string
		err       error
	}{
		{"1,000 metrics a call", "1000", tooMany},
		{"AWS's own namespaces", "AWS/EC2", reserved},
		{"no number", "invalid", put(func(d *types.MetricDatum) { d.Value = aws.Float64(math.NaN()) })},
		{"150 values", "150", put(func(d *types.MetricDatum) { d.Value, d.Values = nil, make([]float64, 151) })},
		{"two forms", "mutually exclusive", put(func(d *types.MetricDatum) { d.Values = []float64{1} })},
		{"nothing", "required", put(func(d *types.MetricDatum) { d.Value = nil })},
		{"counts without their values", "same size", put(func(d *types.MetricDatum) { d.Value, d.Values, d.Counts = nil, []float64{1, 2}, []float64{1} })},
		{"long ago", "two weeks", put(func(d *types.MetricDatum) { d.Timestamp = aws.Time(time.Now().Add(-15 * 24 * time.Hour)) })},
		{"an unknown unit", "Unit", put(func(d *types.MetricDatum) { d.Unit = "Furlongs" })},
		{"expressions", "not implemented", get(func(q *types.MetricDataQuery) { q.Expression = aws.String("m1*2") })},
		{"trimmed means", "not implemented", get(func(q *types.MetricDataQuery) { q.MetricStat.Stat = aws.String("tm90") })},
		{"odd periods", "Period", get(func(q *types.MetricDataQuery) { q.MetricStat.Period = aws.Int32(61) })},
		{"unknown members", "AccountId", get(func(q *types.MetricDataQuery) { q.AccountId = aws.String("1") })},
		{"other operations", "DescribeAlarms", other},
	} {
		var api smithy.APIError
		if !errors.As(r.err, &api) || !strings.Contains(r.err.Error(), r.want) {
			t.Errorf("%s: got %v, want %q", r.why, r.err, r.want)
		}
	}
}

// What is refused for lack of room takes none.
func TestStoreIsBounded(t *testing.T) {
	s, now := newStore(), time.Now()
	one := func(b *bucket) { b.addValue(1, 1) }
	for n := range maxSeries + 10 {
		m := Metric{Namespace: "N", MetricName: fmt.Sprint(n)}
		if ok := s.add(m, "Count", now, 60, one); ok != (n < maxSeries) {
			t.Fatalf("metric %d: %v", n, ok)
		}
	}
	if len(s.series) != maxSeries || s.count != maxSeries {
		t.Errorf("%d metrics are kept, %d counted", len(s.series), s.count)
	}
	s = newStore()
	m := Metric{Namespace: "N", MetricName: "m"}
	for n := range maxBuckets {
		s.add(m, "Count", now.Add(time.Duration(n)*time.Minute), 60, one)
	}
	before := s.kept
	for range 5 { // older than all that there is room for
		s.add(m, "Count", now.Add(-time.Hour), 60, func(b *bucket) { b.addValue(1, 1); b.addValue(2, 1) })
	}
	if s.kept != before || len(s.series[m.key()]["Count"].buckets) != maxBuckets {
		t.Errorf("%d buckets and values are counted, and were %d", s.kept, before)
	}
}

func TestUnknownUnitsAreRefused(t *testing.T) {
	c := serve(t, Config{}).operator()
	now := time.Now()
	start := aws.Time(now.Add(-time.Hour))
	metric := &types.Metric{Namespace: aws.String("N"), MetricName: aws.String("m")}
	_, err := c.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: start, EndTime: &now, MetricDataQueries: []types.MetricDataQuery{
		{Id: aws.String("q"), MetricStat: &types.MetricStat{Metric: metric, Period: aws.Int32(60), Stat: aws.String("Sum"), Unit: "Furlongs"}}}})
	_, err2 := c.GetMetricStatistics(t.Context(), &cloudwatch.GetMetricStatisticsInput{StartTime: start, EndTime: &now, Namespace: metric.Namespace,
		MetricName: metric.MetricName, Period: aws.Int32(60), Statistics: []types.Statistic{"Sum"}, Unit: "Furlongs"})
	for _, err := range []error{err, err2} {
		var api smithy.APIError
		if !errors.As(err, &api) || !strings.Contains(api.ErrorMessage(), "Furlongs") {
			t.Error(err)
		}
	}
}

func TestNamespaceIsACondition(t *testing.T) {
	f := serve(t, Config{})
	parse := func(text string) iam.Document {
		d, err := iam.ParseDocument([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	role := iam.Role{Name: "proxy", Trust: parse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`),
		Policies: map[string]iam.Document{"p": parse(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"cloudwatch:PutMetricData","Resource":"*","Condition":{"StringEquals":{"cloudwatch:namespace":"Fairlead"}}}]}`)}}
	if err := f.store.PutRole(role); err != nil {
		t.Fatal(err)
	}
	keys, _, err := f.store.AssumeRole("arn:aws:iam::000000000000:role/proxy", "i-1", "ec2.amazonaws.com", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := f.client(keys)
	data := []types.MetricDatum{{MetricName: aws.String("M"), Value: aws.Float64(1)}}
	if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Fairlead"), MetricData: data}); err != nil {
		t.Errorf("its namespace: %v", err)
	}
	var api smithy.APIError
	if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Other"), MetricData: data}); !errors.As(err, &api) || !strings.HasPrefix(api.ErrorCode(), "AccessDenied") {
		t.Errorf("another namespace: %v", err)
	}
}

// The clients of today speak CBOR (above) and JSON, older ones Query.
// TestMetricsThatNobodyPublishes are empty series, as on AWS, not refusals: CPU
// credits are not emulated. Those of a stack's own come back as they were put.
func TestMetricsThatNobodyPublishes(t *testing.T) {
	c := serve(t, Config{}).operator()
	at := minute()
	stack := []types.Dimension{{Name: aws.String("Stack"), Value: aws.String("s")}}
	if _, err := c.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Fairlead"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("OldestInstanceAge"), Dimensions: stack, Unit: types.StandardUnitSeconds, Timestamp: &at, Value: aws.Float64(4242)},
	}}); err != nil {
		t.Fatal(err)
	}
	ask := func(id, namespace, name string, d []types.Dimension) types.MetricDataQuery {
		return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{Metric: &types.Metric{Namespace: &namespace, MetricName: &name, Dimensions: d}, Period: aws.Int32(60), Stat: aws.String("Maximum")}}
	}
	out, err := c.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: aws.Time(at.Add(-time.Minute)), EndTime: aws.Time(at.Add(5 * time.Minute)), MetricDataQueries: []types.MetricDataQuery{
		ask("credits", "AWS/EC2", "CPUCreditBalance", []types.Dimension{{Name: aws.String("InstanceId"), Value: aws.String("i-0123456789abcdef0")}}),
		ask("age", "Fairlead", "OldestInstanceAge", stack),
		ask("other", "Fairlead", "OldestInstanceAge", nil),
	}})
	if err != nil || len(out.MetricDataResults) != 3 {
		t.Fatalf("%+v, %v", out, err)
	}
	for i, want := range []string{"credits []", "age [4242]", "other []"} {
		r := out.MetricDataResults[i]
		if got := fmt.Sprint(*r.Id, " ", r.Values); got != want || r.StatusCode != types.StatusCodeComplete || len(r.Timestamps) != len(r.Values) {
			t.Errorf("%s (%s), want %s", got, r.StatusCode, want)
		}
	}
}

func TestJSONAndQuery(t *testing.T) {
	f := serve(t, Config{})
	start, end := minute().Format(time.RFC3339), time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	send := func(contentType, target, body string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		if target != "" {
			req.Header.Set("X-Amz-Target", "GraniteServiceVersion20100801."+target)
		}
		sum := sha256.Sum256([]byte(body))
		k := f.store.Operator()
		if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey}, req, hex.EncodeToString(sum[:]), "monitoring", "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var b bytes.Buffer
		if _, err := io.Copy(&b, res.Body); err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %d %s %v", target, res.StatusCode, b.String(), err)
		}
		return b.String()
	}
	const form, js = "application/x-www-form-urlencoded; charset=utf-8", "application/x-amz-json-1.0"
	send(form, "", "Action=PutMetricData&Version=2010-08-01&Namespace=N&MetricData.member.1.MetricName=M&MetricData.member.1.Value=2.5&MetricData.member.1.Dimensions.member.1.Name=D&MetricData.member.1.Dimensions.member.1.Value=d")
	send(js, "PutMetricData", `{"Namespace":"N","MetricData":[{"MetricName":"M","Value":1.5,"Dimensions":[{"Name":"D","Value":"d"}]}]}`)
	got := send(form, "", "Action=GetMetricStatistics&Version=2010-08-01&Namespace=N&MetricName=M&Dimensions.member.1.Name=D&Dimensions.member.1.Value=d&Period=3600&Statistics.member.1=Sum&ExtendedStatistics.member.1=p50&StartTime="+start+"&EndTime="+end)
	if !strings.Contains(got, "<Datapoints><member>") || !strings.Contains(got, "<Sum>4</Sum>") || !strings.Contains(got, "<entry><key>p50</key><value>1.5</value></entry>") {
		t.Errorf("Query: %s", got)
	}
	got = send(js, "GetMetricData", `{"StartTime":"`+start+`","EndTime":"`+end+`","MetricDataQueries":[{"Id":"a","MetricStat":{"Metric":{"Namespace":"N","MetricName":"M","Dimensions":[{"Name":"D","Value":"d"}]},"Period":3600,"Stat":"Sum"}}]}`)
	if !strings.Contains(got, `"Values":[4]`) {
		t.Errorf("JSON: %s", got)
	}
}

// fleet is one instance that uses half of its half core all the time.
type fleet struct {
	start time.Time
	looks atomic.Int64
}

func (f *fleet) Live() []Instance {
	f.looks.Add(1)
	return []Instance{{ID: "i-1", Used: time.Since(f.start).Seconds() * 0.25, Cores: 0.5}}
}

func TestCPUUtilizationIsOfTheInstancesOwnShare(t *testing.T) {
	one := &fleet{start: time.Now()}
	c := serve(t, Config{Instances: one, Every: 10 * time.Millisecond}).operator()
	q := types.MetricDataQuery{Id: aws.String("cpu"), MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("AWS/EC2"), MetricName: aws.String("CPUUtilization"), Dimensions: []types.Dimension{{Name: aws.String("InstanceId"), Value: aws.String("i-1")}}},
		Period: aws.Int32(60), Stat: aws.String("Average")}}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(10 * time.Second); one.looks.Load() < 20; <-tick.C {
		if time.Now().After(limit) {
			t.Fatal("nobody looks at the instances")
		}
	}
	out, err := c.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{StartTime: aws.Time(one.start.Truncate(time.Minute)), EndTime: aws.Time(time.Now().Add(time.Minute)), MetricDataQueries: []types.MetricDataQuery{q}})
	if err != nil || len(out.MetricDataResults[0].Values) == 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if v := out.MetricDataResults[0].Values[0]; v < 30 || v > 70 {
		t.Errorf("CPUUtilization is %v, want about 50", v)
	}
}
