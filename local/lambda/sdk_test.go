package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

// client is the service behind the front, asked with an SDK's client as
// the operator or, with policies, as a role that has them.
func client(t *testing.T, s *Service, store *iam.Store, policy string) *lambda.Client {
	t.Helper()
	g := gateway.New(store, "us-east-1")
	g.Register("lambda", s)
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	keys := store.Operator()
	if policy != "" {
		trust := mustParse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}]}`)
		if err := store.PutRole(iam.Role{Name: "caller", Trust: trust, Policies: map[string]iam.Document{"p": mustParse(t, policy)}}); err != nil {
			t.Fatal(err)
		}
		var err error
		if keys, _, err = store.AssumeRole("arn:aws:iam::000000000000:role/caller", "i-1", "ec2.amazonaws.com", session); err != nil {
			t.Fatal(err)
		}
	}
	return lambda.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
}

func mustParse(t *testing.T, text string) iam.Document {
	t.Helper()
	d, err := iam.ParseDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSDK(t *testing.T) {
	s := open(t, Config{})
	deploy(t, s, "echo", func(f *Function) {
		f.Environment = map[string]string{"A": "b"}
		f.VPC = &VPC{Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}}
	})
	deploy(t, s, "typed")
	c := client(t, s, iam.NewStore("000000000000"), "")
	ctx := t.Context()

	out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("echo"), Payload: []byte(`{"a":1}`), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatal(err)
	}
	tail, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil || string(out.Payload) != `{"a":1}` || out.FunctionError != nil || *out.ExecutedVersion != "$LATEST" || !strings.Contains(string(tail), "REPORT RequestId") {
		t.Errorf("payload %s, error %v, tail %q (%v)", out.Payload, out.FunctionError, tail, err)
	}
	failed, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("arn:aws:lambda:us-east-1:000000000000:function:typed")})
	if err != nil || aws.ToString(failed.FunctionError) != "Unhandled" || !strings.Contains(string(failed.Payload), `"errorType":"quotaError"`) {
		t.Errorf("%+v, %v", failed, err)
	}
	for kind, status := range map[types.InvocationType]int32{types.InvocationTypeEvent: 202, types.InvocationTypeDryRun: 204} {
		if out, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("echo"), InvocationType: kind}); err != nil || out.StatusCode != status {
			t.Errorf("%s: %+v, %v", kind, out, err)
		}
	}
	got, err := c.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("echo")})
	if err != nil || *got.Configuration.Timeout != 30 || got.Configuration.Environment.Variables["A"] != "b" || got.Configuration.VpcConfig.SubnetIds[0] != "subnet-1" || got.Configuration.State != types.StateActive {
		t.Errorf("%+v, %v", got, err)
	}
	one, err := c.ListFunctions(ctx, &lambda.ListFunctionsInput{MaxItems: aws.Int32(1)})
	if err != nil || len(one.Functions) != 1 || *one.Functions[0].FunctionName != "echo" || one.NextMarker == nil {
		t.Fatalf("%+v, %v", one, err)
	}
	rest, err := c.ListFunctions(ctx, &lambda.ListFunctionsInput{Marker: one.NextMarker})
	if err != nil || len(rest.Functions) != 1 || *rest.Functions[0].FunctionName != "typed" || rest.NextMarker != nil {
		t.Errorf("%+v, %v", rest, err)
	}
	limits, err := c.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil || limits.AccountLimit.ConcurrentExecutions != 100 || limits.AccountUsage.FunctionCount != 2 {
		t.Errorf("%+v, %v", limits, err)
	}
	_, err = c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("nobody")})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) || missing.ErrorMessage() != "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody" {
		t.Errorf("got %v", err)
	}
	_, err = c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("echo"), Payload: []byte(`{`)})
	var bad *types.InvalidRequestContentException
	if !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
	for _, header := range []string{"X-Amz-Client-Context", "X-Amz-Something-New"} {
		_, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String("echo")}, func(o *lambda.Options) {
			o.APIOptions = append(o.APIOptions, smithyhttp.AddHeaderValue(header, "e30="))
		})
		var refused smithy.APIError
		if !errors.As(err, &refused) || !strings.Contains(refused.ErrorMessage(), header) {
			t.Errorf("a header that is not acted on: %v", err)
		}
	}
	_, err = c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("echo")})
	var api smithy.APIError
	if !errors.As(err, &api) || !strings.Contains(api.ErrorMessage(), "DELETE /2015-03-31/functions/echo") {
		t.Errorf("what is not implemented is refused by name, and got %v", err)
	}
}

func TestCallersNeedPermission(t *testing.T) {
	s := open(t, Config{})
	deploy(t, s, "echo")
	deploy(t, s, "count")
	c := client(t, s, iam.NewStore("000000000000"), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:echo"}]}`)
	if _, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("echo")}); err != nil {
		t.Errorf("the granted function: %v", err)
	}
	for name, call := range map[string]func() error{
		"another function": func() error {
			_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("count")})
			return err
		},
		"another action": func() error {
			_, err := c.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("echo")})
			return err
		},
	} {
		var api smithy.APIError
		if err := call(); !errors.As(err, &api) || api.ErrorCode() != "AccessDeniedException" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With the real IAM: the session that a function's code signs with carries the
// function's ARN, and the one that Lambda uses for it does not.
func TestSessionsCarryTheFunctionsARN(t *testing.T) {
	store := iam.NewStore("000000000000")
	if err := store.PutRole(iam.Role{Name: "fn", Trust: mustParse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}`),
		Policies: map[string]iam.Document{"p": mustParse(t, `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["ec2:*","logs:*"],"Resource":"*"},
			{"Effect":"Deny","Action":["ec2:*","logs:*"],"Resource":"*","Condition":{"ArnEquals":{"lambda:SourceFunctionArn":"arn:aws:lambda:us-east-1:000000000000:function:env"}}}]}`)}}); err != nil {
		t.Fatal(err)
	}
	s := open(t, Config{Roles: store})
	deploy(t, s, "env", func(f *Function) { f.Role, f.VPC = "arn:aws:iam::000000000000:role/fn", &VPC{} })
	var list []string
	if err := json.Unmarshal(invoke(t, s, "env", "").Payload, &list); err != nil {
		t.Fatal(err)
	}
	for _, kv := range list {
		if key, ok := strings.CutPrefix(kv, "AWS_ACCESS_KEY_ID="); ok {
			_, caller, _ := store.Lookup(key)
			if caller.RoleARN != "arn:aws:iam::000000000000:role/fn" {
				t.Errorf("the function signs as %+v", caller)
			}
			if err := store.Authorize(caller, "ec2:CreateNetworkInterface", "*", nil); err == nil {
				t.Error("the Deny on the function's own calls did not hold")
			}
		}
	}
	if _, err := os.Stat(s.LogFile("env")); err != nil {
		t.Errorf("Lambda's own calls were denied: %v", err)
	}
}
