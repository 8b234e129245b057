package cloudformation_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/smithy-go"

	"github.com/fairlead/fairlead/local/cfn"
	localcfn "github.com/fairlead/fairlead/local/cloudformation"
	"github.com/fairlead/fairlead/local/gateway"
	"github.com/fairlead/fairlead/local/iam"
)

const (
	region = "us-east-1"
	shopID = "arn:aws:cloudformation:us-east-1:000000000000:stack/shop/0a1b"
)

func stacks() []cfn.Stack {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	bin := cfn.Resource{LogicalID: "Bin", Type: "AWS::S3::Bucket", Physical: cfn.Physical{ID: "old-bin"}, Created: at, Failed: "BucketNotEmpty: it is not empty"}
	var many []cfn.Resource
	for i := range 120 {
		many = append(many, cfn.Resource{LogicalID: fmt.Sprintf("R%03d", i), Type: "AWS::EC2::Route", Physical: cfn.Physical{ID: fmt.Sprintf("r-%d", i)}, Created: at})
	}
	return []cfn.Stack{
		{Name: "many", ID: "arn:aws:cloudformation:us-east-1:000000000000:stack/many/1", Created: at, Status: cfn.CreateComplete, Resources: many},
		{Name: "old", ID: "arn:aws:cloudformation:us-east-1:000000000000:stack/old/2", Created: at, Status: cfn.DeleteFailed,
			StatusReason: "The following resource(s) failed to delete: [Bin].", Resources: []cfn.Resource{bin}},
		{Name: "shop", ID: shopID, Description: "A <shop> & more.", Created: at, Status: cfn.CreateComplete,
			Parameters: map[string]string{"Lead": "10s", "Secret": "s"}, Hidden: []string{"Secret"},
			Outputs: map[string]string{"Machine": "arn:m", "Bucket": "b"}, Descriptions: map[string]string{"Machine": "Start it."},
			Resources: []cfn.Resource{{LogicalID: "Machine", Type: "AWS::StepFunctions::StateMachine", Physical: cfn.Physical{ID: "arn:m"}, Created: at}}},
	}
}

type cloud struct {
	store *iam.Store
	url   string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{store: iam.NewStore("000000000000")}
	g := gateway.New(c.store, region)
	g.Register("cloudformation", localcfn.New(localcfn.Config{Region: region, Account: "000000000000", Stacks: stacks}))
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *cloud) client(k iam.Credentials) *cloudformation.Client {
	return cloudformation.NewFromConfig(aws.Config{
		// Retries, because a long answer that comes before the SDK has closed its
		// request's body may cost the connection (net/http).
		Region: region, BaseEndpoint: aws.String(c.url), RetryMaxAttempts: 3,
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, k.SessionToken),
	})
}

func wantError(t *testing.T, why string, err error, code, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), text) {
		t.Errorf("%s: %v, want %s with %q", why, err, code, text)
	}
}

func TestDescribeStacks(t *testing.T) {
	c := newCloud(t)
	client := c.client(c.store.Operator())
	for _, name := range []string{"shop", shopID} {
		out, err := client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name})
		if err != nil || len(out.Stacks) != 1 {
			t.Fatalf("%s: %+v, %v", name, out, err)
		}
		s := out.Stacks[0]
		if *s.StackId != shopID || *s.StackName != "shop" || *s.Description != "A <shop> & more." || s.StackStatus != types.StackStatusCreateComplete ||
			s.CreationTime.Format(time.RFC3339) != "2026-03-04T05:06:07Z" || s.DriftInformation.StackDriftStatus != types.StackDriftStatusNotChecked {
			t.Errorf("%s: %+v", name, s)
		}
		var lines []string
		for _, p := range s.Parameters {
			lines = append(lines, *p.ParameterKey+"="+*p.ParameterValue)
		}
		for _, o := range s.Outputs {
			lines = append(lines, *o.OutputKey+"="+*o.OutputValue+" "+aws.ToString(o.Description))
		}
		if got := strings.Join(lines, "; "); got != "Lead=10s; Secret=****; Bucket=b ; Machine=arn:m Start it." {
			t.Error(got)
		}
	}
	all, err := client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{})
	if err != nil || len(all.Stacks) != 3 || all.Stacks[1].StackStatus != types.StackStatusDeleteFailed || *all.Stacks[1].StackStatusReason == "" {
		t.Errorf("all: %+v, %v", all, err)
	}
	_, err = client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("none")})
	wantError(t, "no such stack", err, "ValidationError", "Stack with id none does not exist")
	list, err := client.ListStacks(t.Context(), &cloudformation.ListStacksInput{StackStatusFilter: []types.StackStatus{types.StackStatusDeleteFailed}})
	if err != nil || len(list.StackSummaries) != 1 || *list.StackSummaries[0].StackName != "old" {
		t.Errorf("list: %+v, %v", list, err)
	}
}

func TestDescribeStackResources(t *testing.T) {
	c := newCloud(t)
	client := c.client(c.store.Operator())
	for _, in := range []*cloudformation.DescribeStackResourcesInput{
		{StackName: aws.String("shop")}, {PhysicalResourceId: aws.String("arn:m")}, {StackName: aws.String("shop"), LogicalResourceId: aws.String("Machine")},
	} {
		out, err := client.DescribeStackResources(t.Context(), in)
		if err != nil || len(out.StackResources) != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
		r := out.StackResources[0]
		if *r.LogicalResourceId != "Machine" || *r.PhysicalResourceId != "arn:m" || *r.ResourceType != "AWS::StepFunctions::StateMachine" || r.ResourceStatus != types.ResourceStatusCreateComplete {
			t.Errorf("%+v", r)
		}
	}
	failed, err := client.DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: aws.String("old")})
	if err != nil || failed.StackResources[0].ResourceStatus != types.ResourceStatusDeleteFailed || !strings.HasPrefix(*failed.StackResources[0].ResourceStatusReason, "BucketNotEmpty") {
		t.Errorf("%+v, %v", failed, err)
	}
	many, err := client.DescribeStackResources(t.Context(), &cloudformation.DescribeStackResourcesInput{StackName: aws.String("many")})
	if err != nil || len(many.StackResources) != 100 {
		t.Errorf("the first 100 are shown, here are %d (%v)", len(many.StackResources), err)
	}
	for _, row := range []struct {
		in   cloudformation.DescribeStackResourcesInput
		want string
	}{
		{cloudformation.DescribeStackResourcesInput{}, "Exactly one of"},
		{cloudformation.DescribeStackResourcesInput{StackName: aws.String("a"), PhysicalResourceId: aws.String("b")}, "Exactly one of"},
		{cloudformation.DescribeStackResourcesInput{StackName: aws.String("none")}, "Stack with id none does not exist"},
		{cloudformation.DescribeStackResourcesInput{PhysicalResourceId: aws.String("none")}, "Stack for none does not exist"},
		{cloudformation.DescribeStackResourcesInput{StackName: aws.String("shop"), LogicalResourceId: aws.String("X")}, "Resource X does not exist for stack shop"},
	} {
		_, err := client.DescribeStackResources(t.Context(), &row.in)
		wantError(t, row.want, err, "ValidationError", row.want)
	}
}

func TestChangesAreRefused(t *testing.T) {
	c := newCloud(t)
	client := c.client(c.store.Operator())
	_, err := client.CreateStack(t.Context(), &cloudformation.CreateStackInput{StackName: aws.String("x"), TemplateBody: aws.String("{}")})
	wantError(t, "create", err, "InvalidAction", "does not implement cloudformation:CreateStack: a stack is deployed by")
	_, err = client.DeleteStack(t.Context(), &cloudformation.DeleteStackInput{StackName: aws.String("shop")})
	wantError(t, "delete", err, "InvalidAction", "`fairlead serve`")
	_, err = client.GetTemplate(t.Context(), &cloudformation.GetTemplateInput{StackName: aws.String("shop")})
	wantError(t, "another operation", err, "InvalidAction", "does not implement cloudformation:GetTemplate")
}

func TestPermissions(t *testing.T) {
	c := newCloud(t)
	reader := func(name, statements string) *cloudformation.Client {
		t.Helper()
		var docs [2]iam.Document
		for i, text := range []string{`[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]`, statements} {
			var err error
			if docs[i], err = iam.ParseDocument([]byte(`{"Version":"2012-10-17","Statement":` + text + `}`)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.store.PutRole(iam.Role{Name: name, Trust: docs[0], Policies: map[string]iam.Document{"p": docs[1]}}); err != nil {
			t.Fatal(err)
		}
		keys, _, err := c.store.AssumeRole("arn:aws:iam::000000000000:role/"+name, "test", "lambda.amazonaws.com", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return c.client(keys)
	}
	one := reader("one", `[{"Effect":"Allow","Action":"cloudformation:DescribeStacks","Resource":"arn:aws:cloudformation:us-east-1:000000000000:stack/shop/*"}]`)
	for _, name := range []string{"shop", shopID} {
		if _, err := one.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := one.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("none")})
	wantError(t, "another stack", err, "AccessDenied", "cloudformation:DescribeStacks on resource: arn:aws:cloudformation:us-east-1:000000000000:stack/none/* because")
	_, err = one.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{})
	wantError(t, "all stacks", err, "AccessDenied", "cloudformation:DescribeStacks")
	all := reader("all", `[{"Effect":"Allow","Action":["cloudformation:DescribeStacks","cloudformation:ListStacks"],"Resource":"*"}]`)
	if _, err := all.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{}); err != nil {
		t.Error(err)
	}
}

func TestCommandLine(t *testing.T) {
	path, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the aws command is not installed: its requests are not tried")
	}
	c := newCloud(t)
	keys := c.store.Operator()
	run := func(want string, args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), path, append([]string{"--endpoint-url", c.url, "--output", "text", "cloudformation"}, args...)...)
		command.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "AWS_REGION=" + region, "AWS_DEFAULT_REGION=" + region, "AWS_EC2_METADATA_DISABLED=true",
			"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1",
			"AWS_ACCESS_KEY_ID=" + keys.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + keys.SecretAccessKey,
		}
		if out, err := command.CombinedOutput(); !strings.Contains(string(out), want) {
			t.Errorf("aws %s: %v\n%s\nwant %q", strings.Join(args, " "), err, out, want)
		}
	}
	run("arn:m", "describe-stacks", "--stack-name", "shop", "--query", "Stacks[0].Outputs[?OutputKey=='Machine'].OutputValue")
	run("(ValidationError) when calling the DescribeStacks operation: Stack with id none does not exist", "describe-stacks", "--stack-name", "none")
	run("AWS::StepFunctions::StateMachine", "describe-stack-resources", "--stack-name", "shop")
	run("`fairlead serve`", "delete-stack", "--stack-name", "shop")
}
