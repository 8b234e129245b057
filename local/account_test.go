package local

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"
)

// inFolder is a cloud whose stack "trail" writes its notes into a folder.
func inFolder(t *testing.T, c Config) (cloud *Cloud, results string) {
	results = t.TempDir()
	c.BucketDir = func(b string) string {
		if strings.HasPrefix(b, "trail-") {
			return results
		}
		return ""
	}
	return start(t, c), results
}

// deployText deploys a template as the stack "trail", with its program in place.
func deployText(t *testing.T, c *Cloud, text string) *Stack {
	t.Helper()
	if err := c.PutAsset("assets-000000000000", "lambdas.zip", program(t)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Deploy(t.Context(), "trail", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t *testing.T, c *Cloud, s *Stack, input string) string {
	t.Helper()
	run, err := sfn.NewFromConfig(c.sdk()).StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(s.Outputs["Machine"]), Input: &input})
	if err != nil {
		t.Fatal(err)
	}
	return *run.ExecutionArn
}

func TestStacksAndQuotasThroughTheAPI(t *testing.T) {
	c := start(t, Config{Quotas: Quotas{VCPUs: 5}, Concurrency: 10})
	stack := deploy(t, c)
	// A long answer that comes before the SDK has closed its request's body may
	// cost the connection (net/http); the SDK's retry is for that.
	formation := cloudformation.NewFromConfig(c.sdk(), func(o *cloudformation.Options) { o.RetryMaxAttempts = 3 })
	out, err := formation.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("trail")})
	if err != nil || len(out.Stacks) != 1 || out.Stacks[0].StackStatus != cfntypes.StackStatusCreateComplete || *out.Stacks[0].StackId != stack.ID {
		t.Fatalf("%+v, %v", out, err)
	}
	outputs := map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		outputs[*o.OutputKey] = *o.OutputValue
	}
	if len(outputs) != len(stack.Outputs) || outputs["Machine"] != stack.Outputs["Machine"] {
		t.Errorf("outputs %v", outputs)
	}
	resources, err := formation.DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: aws.String("trail")})
	if err != nil {
		t.Fatal(err)
	}
	if len(resources.StackResources) != len(stack.Resources) {
		t.Errorf("%d resources of %d", len(resources.StackResources), len(stack.Resources))
	}
	for service, want := range map[string]float64{"ec2/L-1216C47A": 5, "lambda/L-B99A9384": 10} {
		name, code, _ := strings.Cut(service, "/")
		quota, err := servicequotas.NewFromConfig(c.sdk()).GetServiceQuota(t.Context(), &servicequotas.GetServiceQuotaInput{ServiceCode: &name, QuotaCode: &code})
		if err != nil || *quota.Quota.Value != want {
			t.Errorf("%s: %+v, %v; want %v", service, quota, err, want)
		}
	}
	settings, err := lambda.NewFromConfig(c.sdk()).GetAccountSettings(t.Context(), &lambda.GetAccountSettingsInput{})
	if err != nil || settings.AccountLimit.ConcurrentExecutions != 10 || *settings.AccountLimit.UnreservedConcurrentExecutions != 10 || settings.AccountUsage.FunctionCount != 2 ||
		settings.AccountUsage.TotalCodeSize == 0 || settings.AccountLimit.CodeSizeUnzipped != 262144000 || settings.AccountLimit.CodeSizeZipped != 52428800 || settings.AccountLimit.TotalCodeSize != 80530636800 {
		t.Errorf("%+v, %v", settings, err)
	}
	if err := c.Delete(t.Context(), "trail"); err != nil {
		t.Fatal(err)
	}
	var api smithy.APIError
	if _, err := formation.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("trail")}); !errors.As(err, &api) || api.ErrorMessage() != "Stack with id trail does not exist" {
		t.Errorf("a deleted stack: %v", err)
	}
}

// TestExpireWakesTheRule: an expired execution is timed out for who asks, and
// its rule on timeouts delivers.
func TestExpireWakesTheRule(t *testing.T) {
	c, results := inFolder(t, Config{})
	text := strings.Replace(strings.Replace(trail, `{\"QueryLanguage\"`, `{\"TimeoutSeconds\":3600,\"QueryLanguage\"`, 1), `"ABORTED"`, `"TIMED_OUT"`, 1)
	arn := begin(t, c, deployText(t, c, text), `{"seconds":3000}`)
	if err := c.Expire(arn); err != nil {
		t.Fatal(err)
	}
	run, err := sfn.NewFromConfig(c.sdk()).DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if err != nil || run.Status != types.ExecutionStatusTimedOut {
		t.Errorf("%+v, %v", run, err)
	}
	stop(t, c) // delivers what was published
	var event struct {
		Detail struct{ Status, ExecutionArn string }
	}
	b, err := os.ReadFile(filepath.Join(results, "notes", "Step-Functions-Execution-Status-Change"))
	if err == nil {
		err = json.Unmarshal(b, &event)
	}
	if err != nil || event.Detail.Status != "TIMED_OUT" || event.Detail.ExecutionArn != arn {
		t.Errorf("%s, %v", b, err)
	}
}

func TestBucketWithObjectsKeepsItsStack(t *testing.T) {
	c, results := inFolder(t, Config{})
	stack := deployText(t, c, strings.Replace(trail, `"DeletionPolicy": "Retain"`, `"DeletionPolicy": "Delete"`, 1))
	objects := s3.NewFromConfig(c.sdk())
	bucket, key := aws.String(stack.Outputs["Bucket"]), aws.String("runs/1/report.json")
	if _, err := objects.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("{}")}); err != nil {
		t.Fatal(err)
	}
	err := c.Delete(t.Context(), "trail")
	if err == nil || !strings.Contains(err.Error(), "stack trail is DELETE_FAILED: The following resource(s) failed to delete: [Bucket].") || !strings.Contains(err.Error(), "BucketNotEmpty") {
		t.Errorf("got %v", err)
	}
	out, err := cloudformation.NewFromConfig(c.sdk()).DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("trail")})
	if err != nil || out.Stacks[0].StackStatus != cfntypes.StackStatusDeleteFailed {
		t.Errorf("%+v, %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(results, *key)); err != nil {
		t.Errorf("the object is gone: %v", err)
	}
	if _, err := objects.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key}); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), "trail"); err != nil {
		t.Errorf("an empty one: %v", err)
	}
	if len(c.s3.Buckets()) != 1 { // the one of the assets
		t.Errorf("buckets %v", c.s3.Buckets())
	}
}

// TestStudentTemplate: the template of an account that can make no roles finds
// the role and the profile that are there, and makes none.
func TestStudentTemplate(t *testing.T) {
	text, err := os.ReadFile("../cdk/template/student.json")
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, Config{})
	if err := c.PutAsset("fairlead-assets", "assets/lambdas.zip", program(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Deploy(t.Context(), "fairlead", text, nil); err == nil || !strings.Contains(err.Error(), "LabRole") {
		t.Errorf("without the role: %v", err)
	}
	policy := []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ec2:*","lambda:*","logs:*","s3:*","ssm:*","ssmmessages:*","states:*","xray:*"],"Resource":"*"}]}`)
	if err := c.PutRole("LabRole", []string{"ec2.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"}, policy); err != nil {
		t.Fatal(err)
	}
	if err := c.PutInstanceProfile("LabInstanceProfile", "LabRole"); err != nil {
		t.Fatal(err)
	}
	stack, err := c.Deploy(t.Context(), "fairlead", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range stack.Resources {
		if strings.HasPrefix(r.Type, "AWS::IAM::") {
			t.Errorf("%s is a %s", r.LogicalID, r.Type)
		}
	}
	if err := c.Delete(t.Context(), "fairlead"); err != nil {
		t.Error(err)
	}
	if _, ok := c.store.InstanceProfileRole("LabInstanceProfile"); !ok {
		t.Error("the profile that was there went with the stack")
	}
}

func TestGivenRolesAndNetworks(t *testing.T) {
	c := start(t, Config{})
	if err := c.PutRole("r", nil, []byte(`{}`)); err == nil || !strings.Contains(err.Error(), "no service may assume it") {
		t.Errorf("nobody's role: %v", err)
	}
	if err := c.PutRole("r", []string{"ec2.amazonaws.com"}, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject"}]}`)); err == nil || !strings.Contains(err.Error(), "Resource") {
		t.Errorf("a policy without a resource: %v", err)
	}
	if err := c.PutInstanceProfile("p", "r"); err == nil || !strings.Contains(err.Error(), `there is no role "r"`) {
		t.Errorf("a profile without its role: %v", err)
	}
	vpc, subnets, err := c.CreateVPC("10.1.0.0/16", "10.1.0.0/24", "10.1.1.0/24")
	if err != nil || len(subnets) != 2 {
		t.Fatalf("%s %v %v", vpc, subnets, err)
	}
	stack, err := c.Deploy(t.Context(), "s", []byte(`{"Resources":{"G":{"Type":"AWS::EC2::SecurityGroup","Properties":{"GroupDescription":"g","VpcId":"`+vpc+`"}}}}`), nil)
	if err != nil || len(stack.Resources) != 1 {
		t.Errorf("a group in the given network: %v", err)
	}
	if _, _, err := c.CreateVPC("10.1.0.0/16", "10.2.0.0/24"); err == nil || !strings.Contains(err.Error(), "InvalidSubnet.Range") {
		t.Errorf("a subnet outside: %v", err)
	}
}
