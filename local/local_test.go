package local

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// start brings up a cloud that ends with the test.
func start(t *testing.T, c Config) *Cloud {
	t.Helper()
	c.Registry = t.TempDir()
	cloud, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, cloud) })
	return cloud
}

func stop(t *testing.T, c *Cloud) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := c.Close(ctx); err != nil {
		t.Error(err)
	}
}

func (c *Cloud) sdk() aws.Config {
	k := c.OperatorCredentials()
	return aws.Config{Region: c.Region(), BaseEndpoint: aws.String(c.Endpoint()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, "")}
}

// program is a zip whose bootstrap is this test binary.
func program(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: "bootstrap"}
	h.SetMode(0o755)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = io.WriteString(w, "#!/bin/sh\nexec "+exe+"\n")
	}
	if err == nil {
		err = z.Close()
	}
	path := filepath.Join(t.TempDir(), "lambdas.zip")
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// trail is a template in which an execution calls a function, and its end
// another one through the event bus.
const trail = `{
"Parameters": {"Wait": {"Type": "Number", "Default": 0}},
"Resources": {
	"Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {"BucketEncryption": {}}},
	"Role": {"Type": "AWS::IAM::Role", "Properties": {
		"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}]},
		"Policies": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [
			{"Effect": "Allow", "Action": "s3:PutObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/notes/*"}},
			{"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": {"Fn::Sub": "${Bucket.Arn}/notes/*"}},
			{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": {"Fn::GetAtt": ["Logs", "Arn"]}}]}}]}},
	"Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 1}},
	"Note": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Handler": "note", "Runtime": "provided.al2023", "Timeout": 20, "MemorySize": 256,
		"Code": {"S3Bucket": {"Fn::Sub": "assets-${AWS::AccountId}"}, "S3Key": "lambdas.zip"}, "LoggingConfig": {"LogGroup": {"Ref": "Logs"}},
		"Environment": {"Variables": {"BUCKET": {"Ref": "Bucket"}}}}},
	"Who": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Handler": "whoami", "Runtime": "provided.al2023", "Timeout": 20,
		"Code": {"S3Bucket": {"Fn::Sub": "assets-${AWS::AccountId}"}, "S3Key": "lambdas.zip"}, "LoggingConfig": {"LogGroup": {"Ref": "Logs"}}}},
	"MachineRole": {"Type": "AWS::IAM::Role", "Properties": {
		"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "states.amazonaws.com"}}]}}},
	"MachinePolicy": {"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "invoke", "Roles": [{"Ref": "MachineRole"}],
		"PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": {"Fn::GetAtt": ["Note", "Arn"]}}]}}},
	"Machine": {"Type": "AWS::StepFunctions::StateMachine", "DependsOn": "MachinePolicy", "Properties": {"RoleArn": {"Fn::GetAtt": ["MachineRole", "Arn"]},
		"DefinitionString": "{\"QueryLanguage\":\"JSONata\",\"StartAt\":\"Call\",\"States\":{\"Call\":{\"Type\":\"Task\",\"Resource\":\"arn:aws:states:::lambda:invoke\",\"Arguments\":{\"FunctionName\":\"${Note}\",\"Payload\":{\"Key\":\"called\"}},\"Output\":\"{% $states.result.Payload %}\",\"Next\":\"Pause\"},\"Pause\":{\"Type\":\"Wait\",\"Seconds\":\"{% $states.context.Execution.Input.seconds %}\",\"End\":true}}}",
		"DefinitionSubstitutions": {"Note": {"Fn::GetAtt": ["Note", "Arn"]}}}},
	"Ended": {"Type": "AWS::Events::Rule", "Properties": {"EventPattern": {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"], "detail": {"status": ["ABORTED"], "stateMachineArn": [{"Ref": "Machine"}]}},
		"Targets": [{"Arn": {"Fn::GetAtt": ["Note", "Arn"]}, "Id": "note"}]}},
	"EndedMay": {"Type": "AWS::Lambda::Permission", "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": {"Ref": "Note"}, "Principal": "events.amazonaws.com", "SourceArn": {"Fn::GetAtt": ["Ended", "Arn"]}}}
},
"Outputs": {"Machine": {"Value": {"Ref": "Machine"}}, "Who": {"Value": {"Ref": "Who"}}, "Bucket": {"Value": {"Ref": "Bucket"}}}}`

func deploy(t *testing.T, c *Cloud) *Stack {
	t.Helper()
	if err := c.PutAsset("assets-000000000000", "lambdas.zip", program(t)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Deploy(t.Context(), "trail", []byte(trail), nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestExecutionCallsFunctionThatCallsS3(t *testing.T) {
	// What a user may have in the environment must not lead a function away.
	t.Setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
	t.Setenv("AWS_PROFILE", "mine")
	results := t.TempDir()
	c := start(t, Config{BucketDir: func(b string) string {
		if strings.HasPrefix(b, "trail-") {
			return results
		}
		return ""
	}})
	stack := deploy(t, c)
	machines := sfn.NewFromConfig(c.sdk())
	run, err := machines.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(stack.Outputs["Machine"]), Input: aws.String(`{"seconds":0}`)})
	if err != nil {
		t.Fatal(err)
	}
	status, output, name, cause, err := c.states.Wait(t.Context(), *run.ExecutionArn)
	if err != nil || status != string(types.ExecutionStatusSucceeded) || string(output) != `"notes/called"` {
		t.Fatalf("%s %s %s %s %v", status, output, name, cause, err)
	}
	if b, err := os.ReadFile(filepath.Join(results, "notes", "called")); err != nil || string(b) != `{"Key":"called"}` {
		t.Errorf("%s, %v", b, err)
	}
	list, err := s3.NewFromConfig(c.sdk()).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(stack.Outputs["Bucket"])})
	if err != nil || len(list.Contents) != 1 || *list.Contents[0].Key != "notes/called" {
		t.Errorf("%+v, %v", list, err)
	}
	who, err := lambda.NewFromConfig(c.sdk()).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String(stack.Outputs["Who"])})
	if err != nil || !strings.Contains(string(who.Payload), ":assumed-role/trail-Role-") {
		t.Errorf("%+v, %v", who, err)
	}
	unused := map[string]bool{}
	for _, g := range c.Usage() {
		if g.Allowed == 0 {
			unused[g.Action] = true
		}
	}
	if len(unused) != 1 || !unused["s3:DeleteObject"] {
		t.Errorf("grants without use: %v, want s3:DeleteObject alone", unused)
	}
	if _, err := os.Stat(c.FunctionLog(stack.Outputs["Who"])); err != nil {
		t.Error(err)
	}
}

func TestCloseAbortsAndLetsTheSweepRun(t *testing.T) {
	results := t.TempDir()
	c := start(t, Config{BucketDir: func(b string) string {
		if strings.HasPrefix(b, "trail-") {
			return results
		}
		return ""
	}})
	stack := deploy(t, c)
	if _, err := sfn.NewFromConfig(c.sdk()).StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(stack.Outputs["Machine"]), Input: aws.String(`{"seconds":1000}`)}); err != nil {
		t.Fatal(err)
	}
	stop(t, c)
	b, err := os.ReadFile(filepath.Join(results, "notes", "Step-Functions-Execution-Status-Change"))
	var event struct{ Detail struct{ Status string } }
	if err == nil {
		err = json.Unmarshal(b, &event)
	}
	if err != nil || event.Detail.Status != "ABORTED" {
		t.Errorf("%s, %v", b, err)
	}
	if _, err := net.Dial("tcp", strings.TrimPrefix(c.Endpoint(), "http://")); err == nil {
		t.Error("the endpoint still answers")
	}
	if _, err := os.Stat(c.config.Dir); !os.IsNotExist(err) {
		t.Errorf("the temporary folder is still there: %v", err)
	}
}

func TestStacksCanBeDeletedAndDeployedAgain(t *testing.T) {
	c := start(t, Config{})
	first := deploy(t, c)
	if _, err := c.Deploy(t.Context(), "trail", []byte(trail), nil); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second stack of the name: %v", err)
	}
	if err := c.Delete(t.Context(), "trail"); err != nil {
		t.Fatal(err)
	}
	second := deploy(t, c)
	if first.Outputs["Bucket"] != second.Outputs["Bucket"] {
		t.Errorf("the stack does not find its bucket again: %s, %s", first.Outputs["Bucket"], second.Outputs["Bucket"])
	}
}

func TestPortAndFolderInUseAreNamed(t *testing.T) {
	dir := t.TempDir()
	c := start(t, Config{Dir: dir})
	addr := strings.TrimPrefix(c.Endpoint(), "http://")
	if _, err := Start(t.Context(), Config{Addr: addr, Registry: t.TempDir()}); err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("the port: %v", err)
	}
	if _, err := Start(t.Context(), Config{Dir: dir, Registry: t.TempDir()}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("the folder: %v", err)
	}
}

func TestFolderOfAKilledCloudIsRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	leave := func(name string) string {
		dir := filepath.Join(os.TempDir(), temporaryName+name)
		if err := os.MkdirAll(filepath.Join(dir, "buckets"), 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	dead, starting := leave("dead"), leave("starting")
	if err := os.WriteFile(filepath.Join(dead, lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	alive := start(t, Config{})
	start(t, Config{})
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("the dead cloud's folder is there: %v", err)
	}
	for _, dir := range []string{starting, alive.config.Dir} {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("the folder of a cloud that lives, or starts, is gone: %v", err)
		}
	}
}

func TestRefusedTemplateCreatesNothing(t *testing.T) {
	c := start(t, Config{})
	_, err := c.Deploy(t.Context(), "s", []byte(`{"Resources":{"B":{"Type":"AWS::S3::Bucket"},"Q":{"Type":"AWS::SQS::Queue"}}}`), nil)
	if err == nil || !strings.Contains(err.Error(), "AWS::SQS::Queue is not implemented") || len(c.s3.Buckets()) > 0 {
		t.Errorf("%v; buckets %v", err, c.s3.Buckets())
	}
}

// The template of this repository is deployed whole, and what it declares
// without effect is listed with the reason.
func TestGoldenTemplate(t *testing.T) {
	text, err := os.ReadFile("../cdk/template/template.json")
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, Config{})
	if err := c.PutAsset("cdk-hnb659fds-assets-000000000000-us-east-1", "assets/lambdas.zip", program(t)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Deploy(t.Context(), "fairlead", text, map[string]string{"T0Lead": "soon"}); err == nil || !strings.Contains(err.Error(), "parameter T0Lead") {
		t.Errorf("a bad parameter: %v", err)
	}
	stack, err := c.Deploy(t.Context(), "fairlead", text, map[string]string{"T0Lead": "500ms"})
	if err != nil {
		t.Fatal(err)
	}
	var parsed struct{ Resources, Outputs map[string]any }
	if err := json.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	if len(stack.Resources) != len(parsed.Resources) || len(stack.Outputs) != len(parsed.Outputs) {
		t.Errorf("%d of %d resources, %d of %d outputs", len(stack.Resources), len(parsed.Resources), len(stack.Outputs), len(parsed.Outputs))
	}
	acted := map[string]bool{
		"AWS::IAM::Role": true, "AWS::IAM::Policy": true, "AWS::IAM::InstanceProfile": true, "AWS::Lambda::Function": true, "AWS::Lambda::Permission": true,
		"AWS::StepFunctions::StateMachine": true, "AWS::S3::Bucket": true, "AWS::S3::BucketPolicy": true, "AWS::Events::Rule": true, "AWS::SSM::Document": true,
		"AWS::EC2::VPC": true, "AWS::EC2::Subnet": true, "AWS::EC2::SecurityGroup": true, "AWS::EC2::SecurityGroupIngress": true, "AWS::EC2::LaunchTemplate": true,
	}
	without := map[string]bool{}
	for _, n := range stack.NoEffect {
		if n.Property == "" {
			without[n.LogicalID] = true
		}
	}
	for _, r := range stack.Resources {
		if acted[r.Type] == without[r.LogicalID] {
			t.Errorf("%s (%s): acted on %v, listed as without effect %v", r.LogicalID, r.Type, acted[r.Type], without[r.LogicalID])
		}
	}
	if err := c.Delete(t.Context(), "fairlead"); err != nil {
		t.Error(err)
	}
}
