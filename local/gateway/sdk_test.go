package gateway_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

const region = "us-east-1"

// cloud is a gateway on a loopback port, and the operator's SDK configuration.
type cloud struct {
	*gateway.Gateway
	store *iam.Store
	url   string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	store := iam.NewStore("000000000000")
	g := gateway.New(store, region)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return &cloud{Gateway: g, store: store, url: server.URL}
}

func (c *cloud) config(keys iam.Credentials) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: aws.String(c.url), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	}
}

func (c *cloud) operator() aws.Config { return c.config(c.store.Operator()) }

func TestStepFunctionsSpeaksJSON10(t *testing.T) {
	c := newCloud(t)
	started := time.UnixMilli(1_700_000_000_123).UTC()
	c.Register("states", gateway.Table(map[string]gateway.Operation{
		"StartExecution": func(_ context.Context, r *gateway.Request) (any, error) {
			var in struct {
				StateMachineArn string  `json:"stateMachineArn"`
				Input           *string `json:"input"`
			}
			if err := r.Decode(&in); err != nil {
				return nil, err
			}
			if in.Input == nil || *in.Input != `{"a":1}` {
				t.Errorf("input = %v", in.Input)
			}
			return struct {
				ExecutionArn string    `json:"executionArn"`
				StartDate    time.Time `json:"startDate"`
			}{in.StateMachineArn + ":x", started}, nil
		},
		"DescribeExecution": func(context.Context, *gateway.Request) (any, error) {
			return nil, &gateway.Error{Code: "ExecutionDoesNotExist", Message: "Execution Does Not Exist: 'x'"}
		},
	}))
	client := sfn.NewFromConfig(c.operator())
	out, err := client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String("arn"), Input: aws.String(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if *out.ExecutionArn != "arn:x" || !out.StartDate.Equal(started) {
		t.Errorf("got %s at %s, want milliseconds kept", *out.ExecutionArn, out.StartDate)
	}
	_, err = client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String("arn"), TraceHeader: aws.String("t")})
	wantError(t, err, "ValidationException", `"traceHeader" of states:StartExecution`)
	_, err = client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: aws.String("arn:x")})
	wantError(t, err, "ExecutionDoesNotExist", "Does Not Exist")
	_, err = client.ListActivities(t.Context(), &sfn.ListActivitiesInput{})
	wantError(t, err, "UnknownOperationException", "states:ListActivities")
	_, err = ssm.NewFromConfig(c.operator()).ListCommands(t.Context(), &ssm.ListCommandsInput{})
	wantError(t, err, "UnknownOperationException", `no service "ssm"; it has states`)
}

func TestSSMSpeaksJSON11(t *testing.T) {
	c := newCloud(t)
	c.Register("ssm", gateway.Table(map[string]gateway.Operation{
		"SendCommand": func(_ context.Context, r *gateway.Request) (any, error) {
			var in struct {
				DocumentName   string
				InstanceIds    []string
				Parameters     map[string][]string
				TimeoutSeconds int
			}
			if err := r.Decode(&in); err != nil {
				return nil, err
			}
			if len(in.InstanceIds) != 1 || in.Parameters["Artifact"][0] != "s3://b/k" || in.TimeoutSeconds != 30 {
				t.Errorf("decoded %+v", in)
			}
			return struct {
				Command struct {
					CommandID string `json:"CommandId"`
				}
			}{struct {
				CommandID string `json:"CommandId"`
			}{"c-1"}}, nil
		},
	}))
	out, err := ssm.NewFromConfig(c.operator()).SendCommand(t.Context(), &ssm.SendCommandInput{
		DocumentName: aws.String("d"), InstanceIds: []string{"i-1"}, Parameters: map[string][]string{"Artifact": {"s3://b/k"}}, TimeoutSeconds: aws.Int32(30),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.Command.CommandId != "c-1" {
		t.Errorf("command id %q", *out.Command.CommandId)
	}
}

// putMetricData is the one operation that arrives in three protocols: CBOR
// from Go, JSON from current CLIs, Query from old ones.
type putMetricData struct {
	Namespace  string
	MetricData []struct {
		MetricName string
		Dimensions []struct{ Name, Value string }
		Timestamp  *time.Time
		Value      *float64
		Values     []float64
		Counts     []float64
		Unit       string
		// SDKs send the default only when it is set.
		StorageResolution *int
	}
}

func TestCloudWatchSpeaksCBOR(t *testing.T) {
	c := newCloud(t)
	var got putMetricData
	stamp := time.UnixMilli(1_700_000_000_500).UTC()
	c.Register("monitoring", gateway.Table(map[string]gateway.Operation{
		"PutMetricData": func(_ context.Context, r *gateway.Request) (any, error) {
			got = putMetricData{}
			return nil, r.Decode(&got)
		},
		"GetMetricData": func(context.Context, *gateway.Request) (any, error) {
			type result struct {
				ID         string `json:"Id"`
				Timestamps []time.Time
				Values     []float64
				StatusCode string
			}
			return struct{ MetricDataResults []result }{[]result{{"m1", []time.Time{stamp}, []float64{1.5}, "Complete"}}}, nil
		},
	}))
	client := cloudwatch.NewFromConfig(c.operator())
	// More than 10 KiB, so that the SDK compresses the body.
	var data []cwtypes.MetricDatum
	for range 200 {
		data = append(data, cwtypes.MetricDatum{
			MetricName: aws.String("Requests"), Timestamp: &stamp, Value: aws.Float64(2.25), Unit: cwtypes.StandardUnitCount,
			Dimensions: []cwtypes.Dimension{{Name: aws.String("Cluster"), Value: aws.String("cluster1")}},
		})
	}
	for _, n := range []int{1, len(data)} {
		if _, err := client.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("Fairlead"), MetricData: data[:n]}); err != nil {
			t.Fatal(err)
		}
		if len(got.MetricData) != n {
			t.Fatalf("%d data, want %d", len(got.MetricData), n)
		}
		last := got.MetricData[n-1]
		if got.Namespace != "Fairlead" || *last.Value != 2.25 || !last.Timestamp.Equal(stamp) || last.Unit != "Count" || last.Dimensions[0].Value != "cluster1" {
			t.Errorf("decoded %+v", last)
		}
	}
	out, err := client.GetMetricData(t.Context(), &cloudwatch.GetMetricDataInput{
		StartTime: &stamp, EndTime: &stamp, MetricDataQueries: []cwtypes.MetricDataQuery{{Id: aws.String("m1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r := out.MetricDataResults[0]; *r.Id != "m1" || !r.Timestamps[0].Equal(stamp) || r.Values[0] != 1.5 {
		t.Errorf("got %+v", r)
	}
	_, err = client.ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{})
	wantError(t, err, "UnknownOperationException", "monitoring:ListMetrics")
	_, err = client.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("F"), MetricData: data[:1], StrictEntityValidation: aws.Bool(true)})
	wantError(t, err, "ValidationException", "StrictEntityValidation")
}

func TestAccessDeniedInEachProtocol(t *testing.T) {
	c := newCloud(t)
	trust, err := iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.store.PutRole(iam.Role{Name: "f", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	keys, _, err := c.store.AssumeRole("arn:aws:iam::000000000000:role/f", "s", "lambda.amazonaws.com", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	denying := func(action string) gateway.Operation {
		return func(_ context.Context, r *gateway.Request) (any, error) {
			return nil, r.Authorize(action, "*", nil)
		}
	}
	c.Register("states", gateway.Table(map[string]gateway.Operation{"ListStateMachines": denying("states:ListStateMachines")}))
	c.Register("monitoring", gateway.Table(map[string]gateway.Operation{"ListMetrics": denying("cloudwatch:ListMetrics")}))
	c.Register("sts", gateway.Table(map[string]gateway.Operation{"GetCallerIdentity": denying("sts:GetCallerIdentity")}))
	cfg := c.config(keys)
	_, err = sfn.NewFromConfig(cfg).ListStateMachines(t.Context(), &sfn.ListStateMachinesInput{})
	wantError(t, err, "AccessDeniedException", "assumed-role/f/s is not authorized to perform: states:ListStateMachines because no identity-based policy allows")
	_, err = cloudwatch.NewFromConfig(cfg).ListMetrics(t.Context(), &cloudwatch.ListMetricsInput{})
	wantError(t, err, "AccessDeniedException", "cloudwatch:ListMetrics")
	_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantError(t, err, "AccessDenied", "sts:GetCallerIdentity")
	c.Register("ec2", gateway.Table(map[string]gateway.Operation{"DescribeInstances": denying("ec2:DescribeInstances")}))
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	status, text := send(t, c.sign(t, keys, "ec2", "/", "Action=DescribeInstances&Version=2016-11-15", time.Now(), form))
	if status != http.StatusForbidden || !strings.Contains(text, "<Code>UnauthorizedOperation</Code><Message>You are not authorized to perform this operation. User: arn:aws:sts::000000000000:assumed-role/f/s is not authorized to perform: ec2:DescribeInstances because") {
		t.Errorf("ec2: %d %s", status, text)
	}
}

func wantError(t *testing.T, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Errorf("error = %v, want the API error %s", err, code)
		return
	}
	if api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("error = %s: %s; want %s with %q", api.ErrorCode(), api.ErrorMessage(), code, text)
	}
}
