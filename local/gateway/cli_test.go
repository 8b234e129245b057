package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/sts"
)

// describeInstances is EC2's shape of an operation: wire names of the form on
// the way in, camelCase elements and <item> lists on the way out.
func describeInstances(t *testing.T) gateway.Operation {
	type filter struct {
		Name  string
		Value []string
	}
	type instance struct {
		InstanceID string    `xml:"instanceId"`
		LaunchTime time.Time `xml:"launchTime"`
	}
	type reservation struct {
		Instances []instance `xml:"instancesSet"`
	}
	return func(_ context.Context, r *gateway.Request) (any, error) {
		var in struct {
			InstanceID []string `json:"InstanceId"`
			Filter     []filter
			MaxResults *int
		}
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
		if len(in.InstanceID) > 0 {
			return nil, &gateway.Error{Code: "InvalidInstanceID.NotFound", Message: "The instance ID '" + in.InstanceID[0] + "' does not exist"}
		}
		if len(in.Filter) != 1 || in.Filter[0].Name != "tag:run" || strings.Join(in.Filter[0].Value, " ") != "a b" {
			t.Errorf("decoded %+v", in)
		}
		return struct {
			Reservations []reservation `xml:"reservationSet"`
		}{[]reservation{{[]instance{{"i-0123", time.Unix(1_700_000_000, 0)}}}}}, nil
	}
}

func TestCommandLine(t *testing.T) {
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the aws command is not installed: its requests are not tried")
	}
	c := newCloud(t)
	c.Register("sts", sts.New(c.store))
	c.Register("ec2", gateway.Table(map[string]gateway.Operation{"DescribeInstances": describeInstances(t)}))
	c.Register("monitoring", gateway.Table(map[string]gateway.Operation{
		"PutMetricData": func(_ context.Context, r *gateway.Request) (any, error) {
			var in putMetricData
			if err := r.Decode(&in); err != nil {
				return nil, err
			}
			if in.Namespace != "N" || *in.MetricData[0].Value != 1.5 || in.MetricData[0].Dimensions[0].Name != "a" {
				t.Errorf("decoded %+v", in)
			}
			return nil, nil
		},
	}))
	c.Register("lambda", echo{})
	keys := c.store.Operator()
	// The environment is built from nothing: no setting of the user's reaches it.
	run := func(want string, args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), path, append([]string{"--endpoint-url", c.url, "--output", "text"}, args...)...)
		command.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true",
			"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
			"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey,
		}
		if out, err := command.CombinedOutput(); !regexp.MustCompile(want).Match(out) || want == "" && err != nil {
			t.Errorf("aws %s: %v\n%s\nwant %q", strings.Join(args, " "), err, out, want)
		}
	}
	run("arn:aws:iam::000000000000:user/operator", "sts", "get-caller-identity")
	run("i-0123", "ec2", "describe-instances", "--filters", "Name=tag:run,Values=a,b")
	run(`\(InvalidInstanceID\.NotFound\)`, "ec2", "describe-instances", "--instance-ids", "i-9")
	run(`\(UnknownParameter\) when calling the DescribeInstances operation( \(reached max retries: 0\))?: the local cloud does not implement the member "DryRun"`, "ec2", "describe-instances", "--dry-run")
	run("does not implement ec2:DescribeVpcs", "ec2", "describe-vpcs")
	run("", "cloudwatch", "put-metric-data", "--namespace", "N", "--metric-data", "MetricName=m,Value=1.5,Dimensions=[{Name=a,Value=b}]")
	// Version 1 speaks the Query protocol, whose code for it is another one.
	run(`\((UnknownOperationException|InvalidAction)\)`, "cloudwatch", "list-metrics")
	run(`no service "states"`, "stepfunctions", "list-state-machines")
	run("StatusCode", "--output", "json", "lambda", "invoke", "--function-name", "arn:aws:lambda:us-east-1:000000000000:function:f:1", "/dev/null")
}

// What command lines as old as 2.9 send for CloudWatch: the Query protocol.
func TestOldCommandLineSpeaksQueryToCloudWatch(t *testing.T) {
	c := newCloud(t)
	c.Register("monitoring", gateway.Table(map[string]gateway.Operation{
		"PutMetricData": func(_ context.Context, r *gateway.Request) (any, error) {
			var in putMetricData
			if err := r.Decode(&in); err != nil {
				return nil, err
			}
			d := in.MetricData[0]
			return struct{ Said string }{fmt.Sprint(in.Namespace, d.MetricName, *d.Value, d.Values, d.Dimensions, d.Timestamp.Unix())}, nil
		},
	}))
	form := url.Values{
		"Action": {"PutMetricData"}, "Version": {"2010-08-01"}, "Namespace": {"N"},
		"MetricData.member.1.MetricName": {"m"}, "MetricData.member.1.Value": {"1.5"}, "MetricData.member.1.Values.member.1": {"2"},
		"MetricData.member.1.Dimensions.member.1.Name": {"a"}, "MetricData.member.1.Dimensions.member.1.Value": {"b"},
		"MetricData.member.1.Timestamp": {"2023-11-14T22:13:20Z"},
	}
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	status, text := send(t, c.sign(t, c.store.Operator(), "monitoring", "/", form.Encode(), time.Now(), header))
	if want := "<PutMetricDataResult><Said>Nm1.5 [2] [{a b}] 1700000000</Said></PutMetricDataResult>"; status != 200 || !strings.Contains(text, want) {
		t.Errorf("%d %s; want %s", status, text, want)
	}
}
