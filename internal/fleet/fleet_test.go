package fleet_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/fairlead/fairlead/internal/fleet"
	"github.com/fairlead/fairlead/local"
)

// Instances of the local cloud are processes of this very program.
func TestMain(m *testing.M) {
	if code, handled := local.Applet(os.Args); handled {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

const network = `{"Resources": {
	"VPC": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
	"Subnet": {"Type": "AWS::EC2::Subnet", "Properties": {"VpcId": {"Ref": "VPC"}, "CidrBlock": "10.0.0.0/24", "AvailabilityZone": "us-east-1a"}},
	"Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "nodes", "VpcId": {"Ref": "VPC"}}},
	"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [
		{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}]}}},
	"Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
	"Template": {"Type": "AWS::EC2::LaunchTemplate", "Properties": {"LaunchTemplateData": {
		"ImageId": "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
		"IamInstanceProfile": {"Arn": {"Fn::GetAtt": ["Profile", "Arn"]}}, "SecurityGroupIds": [{"Ref": "Group"}],
		"InstanceInitiatedShutdownBehavior": "terminate"}}}},
	"Outputs": {"Subnet": {"Value": {"Ref": "Subnet"}}, "Template": {"Value": {"Ref": "Template"}}}}`

// inLocalCloud gives a client, and an order that the local EC2 can fill.
func inLocalCloud(t *testing.T) (*fleet.Client, fleet.LaunchRequest) {
	t.Helper()
	cloud, err := local.Start(t.Context(), local.Config{Registry: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := cloud.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	stack, err := cloud.Deploy(t.Context(), "net", []byte(network), nil)
	if err != nil {
		t.Fatal(err)
	}
	k := cloud.OperatorCredentials()
	client := fleet.New(aws.Config{
		Region: cloud.Region(), BaseEndpoint: aws.String(cloud.Endpoint()),
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, ""),
	})
	return client, fleet.LaunchRequest{
		Token: "token-1", Template: stack.Outputs["Template"], Version: "1", Type: "t2.micro", Subnet: stack.Outputs["Subnet"], Count: 2,
		Tags: map[string]string{"fairlead:run": "r", "fairlead:stack": "fl"}, UserData: "#!/bin/bash\ntrue\n",
	}
}

// until asks for instances until the condition holds.
func until(t *testing.T, c *fleet.Client, filters map[string][]string, why string, holds func([]fleet.Instance) bool) []fleet.Instance {
	t.Helper()
	for {
		found, err := c.Instances(t.Context(), filters)
		if err != nil {
			t.Fatal(err)
		}
		if holds(found) {
			return found
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("not %s: %+v", why, found)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestAFleetsLife(t *testing.T) {
	c, order := inLocalCloud(t)
	started, err := c.Launch(t.Context(), order)
	if err != nil || len(started) != 2 {
		t.Fatalf("%+v, %v", started, err)
	}
	again, err := c.Launch(t.Context(), order)
	if err != nil || again[0].ID != started[0].ID || again[1].ID != started[1].ID {
		t.Errorf("the same token started %+v, %v", again, err)
	}
	other := order
	other.Count = 1
	if _, err := c.Launch(t.Context(), other); err == nil || !strings.Contains(err.Error(), "IdempotentParameterMismatch") {
		t.Errorf("the same token with another count: %v", err)
	}
	ofRun := map[string][]string{"tag:fairlead:run": {"r"}, "tag:fairlead:stack": {"fl", "other"}}
	running := until(t, c, ofRun, "running", func(list []fleet.Instance) bool {
		return len(list) == 2 && !slices.ContainsFunc(list, func(i fleet.Instance) bool { return i.State != fleet.Running })
	})
	for _, i := range running {
		if i.PrivateIP == "" || i.Type != "t2.micro" || i.AvailabilityZone != "us-east-1a" || i.Tags["fairlead:stack"] != "fl" || i.Launched.IsZero() {
			t.Errorf("incomplete: %+v", i)
		}
	}
	ids := []string{running[0].ID, running[1].ID}
	if err := c.Terminate(t.Context(), append(ids, "i-0123456789abcdef0")); !fleet.IsNotFound(err) {
		t.Errorf("an unknown id among them: %v", err)
	}
	if left, err := c.Instances(t.Context(), map[string][]string{"instance-state-name": {fleet.Running}}); err != nil || len(left) != 2 {
		t.Errorf("all or nothing, but %d still run, %v", len(left), err)
	}
	// Asking by filter for an id that is not there is no error.
	if none, err := c.Instances(t.Context(), map[string][]string{"instance-id": {"i-0123456789abcdef0"}}); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
	if err := c.Terminate(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if err := c.Terminate(t.Context(), ids); err != nil {
		t.Errorf("ending again: %v", err)
	}
	gone := until(t, c, ofRun, "terminated", func(list []fleet.Instance) bool {
		return !slices.ContainsFunc(list, func(i fleet.Instance) bool { return i.State != fleet.Terminated })
	})
	for _, i := range gone {
		if i.StateReason == "" {
			t.Errorf("no reason: %+v", i)
		}
	}
	if err := c.Terminate(t.Context(), nil); err != nil {
		t.Errorf("ending nothing: %v", err)
	}
}

func TestATokenIsNeeded(t *testing.T) {
	for _, token := range []string{"", strings.Repeat("x", 65)} {
		if _, err := fleet.New(aws.Config{Region: "us-east-1"}).Launch(t.Context(), fleet.LaunchRequest{Token: token}); err == nil {
			t.Errorf("a launch with the token %q", token)
		}
	}
}

// EC2's errors as its wire has them, what they mean, and how often it is asked.
func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		why, code string
		status    int
		means     func(error) bool
		calls     int32
	}{
		{"no capacity comes as a 500, and asking again is no use", "InsufficientInstanceCapacity", 500, fleet.IsNoCapacity, 1},
		{"the type is not offered in this zone", "Unsupported", 400, fleet.IsNoCapacity, 1},
		{"the account's limit", "VcpuLimitExceeded", 400, fleet.IsQuota, 1},
		{"an id that EC2 does not know", "InvalidInstanceID.NotFound", 400, fleet.IsNotFound, 1},
		{"throttled: asked again", "RequestLimitExceeded", 503, fleet.IsThrottled, 4},
	} {
		t.Run(tc.why, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				w.WriteHeader(tc.status)
				fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>no</Message></Error></Errors><RequestID>r</RequestID></Response>`, tc.code)
			}))
			defer server.Close()
			c := fleet.New(aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
			_, err := c.Launch(t.Context(), fleet.LaunchRequest{Token: "t", Subnet: "s", Count: 1})
			if !tc.means(err) || calls.Load() != tc.calls {
				t.Errorf("%d calls, want %d; %v", calls.Load(), tc.calls, err)
			}
			for name, is := range map[string]func(error) bool{"capacity": fleet.IsNoCapacity, "quota": fleet.IsQuota, "not found": fleet.IsNotFound, "throttled": fleet.IsThrottled} {
				if is(err) && fmt.Sprintf("%p", is) != fmt.Sprintf("%p", tc.means) {
					t.Errorf("it also means %s", name)
				}
			}
		})
	}
}
